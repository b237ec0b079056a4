//! What is left of connects, however they end: nothing.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use glib::{Priority, WeakRef};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::*;
use crate::common::{
    TIMEOUT,
    resolver::{Answer, set_answers},
};

/// Connects in every style, in a context that is destroyed then. Returns the channels.
fn use_up(port: u16, deaf_port: u16, silent: &gio::SocketAddress) -> Vec<WeakRef<ChannelSocket>> {
    let context = MainContext::new();
    let names = ["good.test", "many.test", "missing.test", "silent.test"];
    let mut addresses: Vec<gio::SocketConnectable> = vec![
        gio::InetSocketAddress::new(
            &gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4),
            port,
        )
        .upcast(),
        native::ipv4(Ipv4Addr::LOCALHOST, port).upcast(),
        native::ipv4(Ipv4Addr::LOCALHOST, deaf_port).upcast(),
        silent.clone().upcast(),
    ];
    for (i, name) in names.into_iter().enumerate() {
        let port = if i % 2 == 0 { port } else { deaf_port };
        addresses.push(gio::NetworkAddress::new(name, port).upcast());
    }
    let mut channels = Vec::new();
    let mut tasks = Vec::new();
    for address in &addresses {
        for turns in [0, 1, 3, 100] {
            let channel = ChannelSocket::new();
            channels.push(channel.downgrade());
            channel.connect_connect_progress(|_, _, _, _| ());
            let address = address.clone();
            let task = qio::spawn_local_in(&context, Priority::DEFAULT, async move {
                channel.connect_async(&address, None).await
            });
            (0..turns).for_each(|_| _ = context.iteration(false));
            match turns {
                // It is dropped with its context.
                1 => tasks.push(task),
                _ => task.abort(),
            }
            settle(&context);
        }
    }
    channels
}

/// Connects, by GIO, but without one of its threads.
async fn connect_directly(address: &gio::SocketAddress) {
    let client = gio::SocketClient::new();
    client.set_enable_proxy(false);
    let connecting = ChannelSocket::new();
    let connected = connecting.connect_async(address, Some(&client)).await;
    connected.expect("it listens");
}

/// Looks for so long, and thirty rounds at least, whether a channel is left, or a descriptor.
fn leaves_nothing(duration: Duration) {
    set_answers([
        ("good.test", Answer::Addresses(&["127.0.0.1"])),
        ("many.test", Answer::Addresses(&["127.0.0.2", "127.0.0.1"])),
        ("silent.test", Answer::Silence),
    ]);
    let (_fd, deaf) = deaf();
    let listener = listener(&v4());
    listener.set_blocking(false).expect("non-blocking");
    let (full, _first) = full();
    let churn = |times: usize| {
        let mut alive = Vec::new();
        for _ in 0..times {
            let port = port_of(&local(&listener));
            alive.extend(use_up(port, port_of(&deaf), &local(&full)));
            while listener.accept().is_ok() {}
        }
        alive.iter().filter(|it| it.upgrade().is_some()).count()
    };
    let begin = Instant::now();
    // What is made once for the process is there afterwards.
    churn(1);
    let before = fds::count();
    loop {
        assert_eq!(churn(30), 0);
        let end = Instant::now() + TIMEOUT;
        while fds::count() > before {
            // Threads of GIO have to notice that the request was cancelled. Their late results are
            // taken when this thread connects again, without requesting them anything.
            assert!(Instant::now() < end, "{} are left", fds::count() - before);
            thread::yield_now();
            MainContext::new().block_on(connect_directly(&local(&listener)));
            while listener.accept().is_ok() {}
        }
        if begin.elapsed() >= duration {
            break;
        }
    }
}

#[test]
fn connects_of_every_kind_and_end_leave_nothing() {
    alone(
        "transport::socket::connect::leaks::connects_of_every_kind_and_end_leave_nothing",
        || leaves_nothing(Duration::ZERO),
    );
}

#[test]
#[ignore = "takes a minute: `make soak`"]
fn connects_of_every_kind_and_end_leave_nothing_in_a_minute() {
    alone(
        "transport::socket::connect::leaks::connects_of_every_kind_and_end_leave_nothing_in_a_minute",
        || leaves_nothing(Duration::from_secs(60)),
    );
}

/// Takes all descriptors that this process may have.
fn take_all_descriptors() -> Vec<OwnedFd> {
    let one = OwnedFd::from(std::fs::File::open("/dev/null").expect("open"));
    let mut all: Vec<_> = std::iter::from_fn(|| one.try_clone().ok()).collect();
    all.push(one);
    all
}

#[test]
fn without_descriptors_it_fails_and_later_it_works() {
    alone(
        "transport::socket::connect::leaks::without_descriptors_it_fails_and_later_it_works",
        || {
            in_loop(|context| {
                let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
                setrlimit(Resource::RLIMIT_NOFILE, 100, hard).expect("lowered");
                let (tcp, unix) = (listener(&v4()), listener(&abstract_name("few")));
                let name = gio::NetworkAddress::new("127.0.0.1", port_of(&local(&tcp)));
                let addresses: [gio::SocketConnectable; 4] = [
                    local(&tcp).upcast(),
                    name.upcast(),
                    as_native(&local(&tcp)).upcast(),
                    local(&unix).upcast(),
                ];
                for address in addresses {
                    // Before the loop has what it needs for connects, and afterwards.
                    for _ in 0..2 {
                        let all = take_all_descriptors();
                        let e = context.block_on(ChannelSocket::connect_future(&address));
                        let e = to_glib_error(&e.expect_err("no descriptor is left"));
                        drop(all);
                        assert!(e.matches(gio::IOErrorEnum::TooManyOpenFiles), "{e:?}");
                        assert!(e.message().starts_with("Unable to connect to "), "{e}");
                        let again = context.block_on(ChannelSocket::connect_future(&address));
                        again.expect("connects");
                    }
                }
            });
        },
    );
}
