//! Raw loops of system calls: what a program could do that does nothing else.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout},
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        socket::{MsgFlags, recv, send},
    },
};

use super::{
    ping_pong::PingPong,
    sample::Meter,
    sockets::{self, Transport},
};

/// A ping-pong with edge-triggered epoll.
pub(crate) fn epoll(transport: Transport, size: usize) {
    let (sockets, mut turns) = begin(transport, size);
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
    for (i, socket) in sockets.iter().enumerate() {
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        let added = epoll.add(socket, EpollEvent::new(flags, i as u64));
        added.expect("a socket can be watched");
    }
    let mut events = [EpollEvent::empty(); 64];
    loop {
        let ready = epoll.wait(&mut events, EpollTimeout::NONE).expect("epoll");
        for event in &events[..ready] {
            let i = event.data() as usize;
            ping_pong(sockets[i].as_raw_fd(), &mut turns[i]);
        }
    }
}

/// A ping-pong with poll.
pub(crate) fn poll(transport: Transport, size: usize) {
    let (sockets, mut turns) = begin(transport, size);
    let mut fds = [0, 1].map(|i: usize| PollFd::new(sockets[i].as_fd(), PollFlags::POLLIN));
    loop {
        nix::poll::poll(&mut fds, PollTimeout::NONE).expect("poll");
        for (i, turn) in turns.iter_mut().enumerate() {
            if fds[i].any() == Some(true) {
                ping_pong(sockets[i].as_raw_fd(), turn);
            }
        }
    }
}

fn begin(transport: Transport, size: usize) -> ([OwnedFd; 2], [PingPong; 2]) {
    let sockets = sockets::pair(transport);
    let turns = [
        PingPong::server(size),
        PingPong::client(size, &Meter::new()),
    ];
    write(sockets[1].as_raw_fd(), &turns[1].message);
    (sockets, turns)
}

fn ping_pong(socket: RawFd, turn: &mut PingPong) {
    match recv(socket, &mut turn.buffer, MsgFlags::empty()) {
        Ok(count) if turn.received(count) => write(socket, &turn.message),
        Ok(_) | Err(Errno::EAGAIN) => {}
        Err(e) => panic!("the other end is open: {e}"),
    }
}

fn write(socket: RawFd, message: &[u8]) {
    let sent = send(socket, message, MsgFlags::MSG_NOSIGNAL);
    assert_eq!(sent, Ok(message.len()));
}
