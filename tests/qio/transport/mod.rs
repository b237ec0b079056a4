//! `src/transport/`.

mod buffer;
mod command;
mod file;
mod io_stream;
mod never_blocks;
mod null;
mod socket;
mod terminal;

use gio::prelude::*;
use glib::WeakRef;
use qio::{
    Access, Channel, ChannelBuffer, ChannelCommand, ChannelFile, ChannelNull, ChannelSocket,
    prelude::*,
};

use crate::common::{alone::alone, fds, in_time};

/// Makes channels so many times, sends a byte from the last one to the first one, and drops
/// them. Returns how many still live.
fn churn(times: usize, make: impl Fn() -> Vec<Channel>) -> usize {
    let weak: Vec<WeakRef<Channel>> = (0..times)
        .flat_map(|_| {
            let channels = make();
            let (read, write) = (&channels[0], &channels[channels.len() - 1]);
            write.write_all(b"x").expect("written");
            // Memory has its position behind the byte; the null channel has no byte.
            let found = read.read(&mut [0]).expect("read");
            let _ = write.wait(glib::IOCondition::OUT).expect("ready");
            assert!(found == 1 || channels.len() == 1);
            channels
                .iter()
                .map(|channel| channel.downgrade())
                .collect::<Vec<_>>()
        })
        .collect();
    weak.iter().filter(|weak| weak.upgrade().is_some()).count()
}

fn pair((a, b): (impl IsA<Channel>, impl IsA<Channel>)) -> Vec<Channel> {
    vec![a.upcast(), b.upcast()]
}

fn connection(listener: &ChannelSocket) -> Vec<Channel> {
    let address = listener.local_address().expect("an address");
    let client = ChannelSocket::connect(&address).expect("connects");
    pair((listener.accept().expect("accepts"), client))
}

fn listener(directory: &std::path::Path) -> ChannelSocket {
    let address = gio::UnixSocketAddress::new(&directory.join("socket"));
    ChannelSocket::listen(&address, 4).expect("listens")
}

/// Each kind so many times, and commands less often.
fn every_kind(times: usize, commands: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = listener(directory.path());
    let path = directory.path().join("file");
    let live = [
        churn(times, || pair(ChannelSocket::pair().expect("a socketpair"))),
        churn(times, || connection(&socket)),
        churn(times, || pair(ChannelFile::pipe().expect("a pipe"))),
        churn(times, || {
            let write = ChannelFile::create(&path).expect("created");
            write.write_all(b"y").expect("written");
            pair((ChannelFile::open(&path).expect("opened"), write))
        }),
        churn(times, || vec![ChannelBuffer::new(16).upcast()]),
        churn(times, || vec![ChannelNull::new().upcast()]),
        churn(commands, || {
            let cat = ChannelCommand::new_spawn(["cat"], Access::ReadWrite);
            vec![cat.expect("cat").upcast()]
        }),
        churn_commands(commands),
    ];
    assert_eq!(live, [0; 8]);
}

/// Commands that have nothing to be written to, closed as they should be.
fn churn_commands(times: usize) -> usize {
    let make = |_| {
        let command = ChannelCommand::new_spawn(["true"], Access::Read).expect("true");
        assert_eq!(command.read(&mut [0]).expect("the end"), 0);
        command.close().expect("success");
        command.downgrade()
    };
    let weak: Vec<_> = (0..times).map(make).collect();
    weak.iter().filter(|weak| weak.upgrade().is_some()).count()
}

#[test]
fn ten_thousand_channels_of_each_kind_leave_nothing() {
    alone(
        "transport::ten_thousand_channels_of_each_kind_leave_nothing",
        || {
            // What is made once for the process or the thread is there afterwards.
            every_kind(1, 0);
            // The first command starts the collector; this one is closed, and no other thread has
            // anything of it.
            churn_commands(1);
            let before = fds::count();
            // A command costs a process, which takes a thousand times as long as the channel: a
            // leak of one descriptor in each would show after fewer too.
            every_kind(10_000, 200);
            in_time(move || {
                while fds::count() > before {
                    // Dropped commands are collected in threads of their own.
                    std::thread::yield_now();
                }
                assert_eq!(fds::count(), before);
            });
        },
    );
}

#[test]
fn ten_thousand_listeners_leave_no_file_behind() {
    alone(
        "transport::ten_thousand_listeners_leave_no_file_behind",
        || {
            let directory = tempfile::tempdir().expect("a directory");
            let before = fds::count();
            for _ in 0..10_000 {
                drop(listener(directory.path()));
            }
            assert_eq!(fds::count(), before);
            assert_eq!(std::fs::read_dir(&directory).expect("open").count(), 0);
        },
    );
}
