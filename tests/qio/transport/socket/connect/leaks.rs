//! What is left of connects, however they end: nothing.

use glib::WeakRef;

use super::*;
use crate::common::resolver::{Answer, know};

/// Connects, in a context that goes then, in every way there is. Returns the channels.
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
                // It goes with its context.
                1 => tasks.push(task),
                _ => task.abort(),
            }
            settle(&context);
        }
    }
    channels
}

#[test]
fn connects_of_every_kind_and_end_leave_nothing() {
    alone(
        "transport::socket::connect::leaks::connects_of_every_kind_and_end_leave_nothing",
        || {
            in_time(|| {
                know([
                    ("good.test", Answer::Addresses(&["127.0.0.1"])),
                    ("many.test", Answer::Addresses(&["127.0.0.2", "127.0.0.1"])),
                    ("silent.test", Answer::Silence),
                ]);
                let (_fd, deaf) = deaf();
                let listener = listener(&v4());
                let (full, _first) = full();
                let churn = |times: usize| {
                    let mut alive = Vec::new();
                    for _ in 0..times {
                        let port = port_of(&local(&listener));
                        alive.extend(use_up(port, port_of(&deaf), &local(&full)));
                        listener.set_blocking(false).expect("non-blocking");
                        while listener.accept().is_ok() {}
                    }
                    alive.iter().filter(|it| it.upgrade().is_some()).count()
                };
                churn(1);
                let before = fds::count();
                assert_eq!(churn(30), 0);
                while fds::count() > before {
                    // Threads of GIO's have to notice that nobody asks any more.
                    thread::yield_now();
                }
            });
        },
    );
}
