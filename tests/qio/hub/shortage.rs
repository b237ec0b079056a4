//! A journey with too few descriptors, one more each time.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use glib::IOCondition;
use qio::{Channel, ChannelCommand, ChannelFile, ChannelSocket, prelude::*};

use super::*;
use crate::common::{TIMEOUT, alone::alone, fds, in_time};

/// What has been opened, and how many steps had no descriptor.
#[derive(Default)]
struct Journey {
    open: Vec<Channel>,
    failed: usize,
}

impl Journey {
    /// A step that may fail for one reason.
    fn step<T>(&mut self, name: &str, result: io::Result<T>) -> Option<T> {
        let e = match result {
            Ok(done) => return Some(done),
            Err(e) => e,
        };
        assert!(e.to_string().contains("Too many open files"), "{name}: {e}");
        self.failed += 1;
        None
    }

    fn open<T: IsA<Channel> + Clone>(&mut self, name: &str, result: io::Result<T>) -> Option<T> {
        let channel = self.step(name, result)?;
        self.open.push(channel.clone().upcast());
        Some(channel)
    }

    fn go(&mut self, context: &MainContext, address: &gio::SocketAddress) {
        let pair = self.step("pair", ChannelSocket::pair());
        let pipe = self.step("pipe", ChannelFile::pipe());
        for (one, other) in pair.iter() {
            self.open
                .extend([one.clone().upcast(), other.clone().upcast()]);
        }
        for (one, other) in pipe.iter() {
            self.open
                .extend([one.clone().upcast(), other.clone().upcast()]);
        }
        if let Some(listener) = self.open("listen", ChannelSocket::listen(address, 1)) {
            listener.set_blocking(false).expect("non-blocking");
            let there = listener.local_address().expect("an address");
            if let Some(client) = self.open("connect", ChannelSocket::connect(&there)) {
                self.open("accept", listener.accept());
                drop(client);
            }
        }
        self.open("file", ChannelFile::new_path("/dev/null", libc::O_RDWR, 0));
        self.open("command", ChannelCommand::builder(["cat"]).spawn());
        let none: Option<&gio::SocketAddress> = None;
        self.open("datagrams", ChannelSocket::dgram(Some(address), none));
        for channel in self.open.clone() {
            self.wait(context, &channel);
        }
    }

    /// Returns how many steps had failed.
    fn close(self) -> usize {
        for channel in &self.open {
            channel.close().expect("closed");
        }
        self.failed
    }

    /// Waits for a channel in every way.
    fn wait(&mut self, context: &MainContext, channel: &Channel) {
        let both = IOCondition::IN | IOCondition::OUT;
        let theirs = channel.clone();
        let ready = async move {
            theirs
                .ready(IOCondition::OUT)
                .or_timeout(Duration::ZERO)
                .await
        };
        self.step("ready", in_vain(run(context, ready)));
        self.step("wait", in_vain(channel.wait_timeout(both, Duration::ZERO)));
        let watch = channel.add_watch_source_local(both, |_, _| ControlFlow::Break, Some(context));
        channel.set_fd_handler_local(Some(context), Some(Box::new(|| ())), None);
        settle(context);
        channel.set_fd_handler_local(Some(context), None, None);
        watch.destroy();
    }
}

/// What a wait has come to: nothing is no error here.
fn in_vain(result: io::Result<IOCondition>) -> io::Result<IOCondition> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::TimedOut => Ok(IOCondition::empty()),
        result => result,
    }
}

#[test]
fn without_a_descriptor_at_any_step_the_error_names_the_limit_and_all_can_be_closed() {
    alone(
        "hub::shortage::without_a_descriptor_at_any_step_the_error_names_the_limit_and_all_can_be_closed",
        || in_time(all_shortages),
    );
}

fn all_shortages() {
    let loopback = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
    let address = gio::InetSocketAddress::new(&loopback, 0).upcast();
    // What is made once for the process or the thread is there afterwards.
    let mut first = Journey::default();
    first.go(&MainContext::new(), &address);
    first.close();
    let before = fds::count();
    for free in 0.. {
        let context = MainContext::new();
        let mut taken = fds::take_all();
        taken.truncate(taken.len() - free);
        let mut journey = Journey::default();
        journey.go(&context, &address);
        // Also what it has got is of no use for closing.
        taken.extend(fds::take_all());
        let failed = journey.close();
        drop((taken, context));
        // The thread that collects commands may be the last that has one, for a moment.
        let end = Instant::now() + TIMEOUT;
        while fds::count() != before {
            assert!(
                Instant::now() < end,
                "{free} free: {} are left",
                fds::count()
            );
            thread::yield_now();
        }
        match (free, failed) {
            (0, 0) => panic!("there were descriptors"),
            (_, 0) => return,
            _ => {}
        }
    }
}
