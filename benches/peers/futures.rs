//! The tasks, independent of the executor: written once, for all implementations with futures.

use std::{future::Future, os::fd::OwnedFd, rc::Rc};

use super::{
    ping_pong::READ_SIZE,
    sample::{Meter, report},
    sockets::{self, Transport},
};

const MIB: usize = 1024 * 1024;

/// A side: a loop of one thread that runs tasks.
pub(crate) trait Runtime: 'static {
    type End: End;

    /// Runs the loop, with what `start` has spawned, until the process ends.
    fn run(start: impl FnOnce() + 'static);

    /// Spawns a task on the running loop.
    fn spawn(task: impl Future<Output = ()> + 'static);

    /// Waits in a read, into a small buffer, that nothing ever ends.
    fn idle(socket: OwnedFd) -> impl Future<Output = ()> + 'static;
}

/// One end of a connection with its buffers, as some sides must own them.
pub(crate) trait End: 'static {
    /// For messages of so many bytes, and reads of `capacity` bytes.
    fn new(socket: OwnedFd, message: usize, capacity: usize) -> Self;

    /// Writes a message, all of it.
    async fn send(&mut self);

    /// Reads once, up to the capacity of the buffer, and returns the byte count.
    async fn receive(&mut self) -> usize;
}

/// `pairs` ping-pongs among `idle` channels; a unit is a round trip of any of them.
pub(crate) fn ping_pong<R: Runtime>(transport: Transport, size: usize, pairs: usize, idle: usize) {
    let idle = sockets::idle(idle);
    R::run(move || {
        for socket in idle {
            R::spawn(R::idle(socket));
        }
        let meter = Meter::new();
        for _ in 0..pairs {
            start_pair::<R>(transport, size, &meter);
        }
    });
}

/// A ping-pong with another process, which echoes.
pub(crate) fn remote<R: Runtime>(transport: Transport, size: usize) {
    R::run(move || {
        let end = R::End::new(sockets::remote(transport), size, READ_SIZE);
        R::spawn(call(end, size, Meter::new()));
    });
}

/// Spawns both ends of a ping-pong.
pub(crate) fn start_pair<R: Runtime>(transport: Transport, size: usize, meter: &Rc<Meter>) {
    let [a, b] = sockets::pair(transport).map(|socket| R::End::new(socket, size, READ_SIZE));
    R::spawn(serve(a, size));
    R::spawn(call(b, size, meter.clone()));
}

/// One task writes blocks and another one reads them; a unit is a MiB.
pub(crate) fn bulk<R: Runtime>(block: usize) {
    R::run(move || {
        let [mut a, mut b] =
            sockets::pair(Transport::Unix).map(|end| R::End::new(end, block, block));
        R::spawn(async move {
            loop {
                a.send().await;
            }
        });
        R::spawn(async move {
            let meter = Meter::new();
            let mut received = 0;
            loop {
                received += b.receive().await;
                while received >= MIB {
                    received -= MIB;
                    meter.tick();
                }
            }
        });
    });
}

/// Reports how many bytes each of `count` idle channels takes.
pub(crate) fn idle_memory<R: Runtime>(count: usize) {
    let sockets = sockets::idle(count);
    R::run(move || {
        R::spawn(async move {
            let [a, mut b] =
                sockets::pair(Transport::Unix).map(|end| R::End::new(end, 1, READ_SIZE));
            R::spawn(serve(a, 1));
            let mut sockets = sockets.into_iter();
            // The first one pays for what there is once.
            R::spawn(R::idle(sockets.next().expect("many")));
            settle(&mut b).await;
            let before = sockets::resident();
            let counted = sockets.len();
            for socket in sockets {
                R::spawn(R::idle(socket));
            }
            settle(&mut b).await;
            report((sockets::resident() - before) as f64 / counted as f64);
        });
    });
}

/// Goes through the loop so often that all other tasks have had their turns.
async fn settle(end: &mut impl End) {
    for _ in 0..100 {
        end.send().await;
        receive_all(end, 1).await;
    }
}

async fn serve(mut end: impl End, size: usize) {
    loop {
        receive_all(&mut end, size).await;
        end.send().await;
    }
}

async fn call(mut end: impl End, size: usize, meter: Rc<Meter>) {
    loop {
        end.send().await;
        receive_all(&mut end, size).await;
        meter.tick();
    }
}

async fn receive_all(end: &mut impl End, size: usize) {
    let mut received = 0;
    while received < size {
        let count = end.receive().await;
        assert_ne!(count, 0, "the other end is open");
        received += count;
    }
}
