//! Through proxies.

use super::*;
use crate::common::proxy::Proxy;

/// A client that uses the proxy of this address.
fn by(proxy: &str) -> gio::SocketClient {
    let client = gio::SocketClient::new();
    let resolver = gio::SimpleProxyResolver::new(Some(proxy), &[] as &[&str]);
    client.set_proxy_resolver(Some(&resolver));
    client
}

fn name(listener: &ChannelSocket) -> gio::NetworkAddress {
    gio::NetworkAddress::new("127.0.0.1", port_of(&local(listener)))
}

/// Connects through a proxy, and has the server speak first: nothing may be lost.
fn check_passes(context: &MainContext, proxy: &str, proxy_port: u16) {
    use ConnectStage::*;
    let listener = listener(&v4());
    let name = name(&listener);
    let server = thread::spawn(move || {
        let server = listener.accept().expect("accepts");
        server.write_all(b"payload").expect("written");
        let mut word = [0; 4];
        server.read_all(&mut word).expect("read");
        assert_eq!(&word, b"ping");
    });
    let channel = ChannelSocket::new();
    let progress = listen_to(&channel);
    let result = context.block_on(channel.connect_async(&name, Some(&by(proxy))));
    result.unwrap_or_else(|e| panic!("{proxy}: {e}"));
    let expected = [
        Resolving,
        Resolved,
        Connecting,
        Connected,
        ProxyNegotiating,
        ProxyNegotiated,
        Complete,
    ];
    assert_eq!(stages(&progress), expected);
    let progress = progress.lock().expect("no panic").clone();
    let text = Some(format!("127.0.0.1:{proxy_port}"));
    assert!(
        progress[2..].iter().all(|(_, address)| *address == text),
        "{progress:?}"
    );
    assert!(channel.is_blocking());
    assert!(channel.with_fd(fds::is_cloexec).expect("open"));
    let mut word = [0; 7];
    channel.read_all(&mut word).expect("read");
    assert_eq!(&word, b"payload");
    channel.write_all(b"ping").expect("written");
    server.join().expect("no panic");
}

/// The error of connecting through a proxy to a server that is there.
fn error(context: &MainContext, proxy: &str) -> (glib::Error, u16) {
    let listener = listener(&v4());
    let channel = ChannelSocket::new();
    let name = name(&listener);
    let result = context.block_on(channel.connect_async(&name, Some(&by(proxy))));
    let e = to_glib_error(&result.expect_err("refused"));
    (e, port_of(&local(&listener)))
}

#[track_caller]
fn check_named(e: &glib::Error, port: u16, proxy_port: u16) {
    let begin =
        format!("Unable to connect to 127.0.0.1:{port} through the proxy 127.0.0.1:{proxy_port}: ");
    assert!(e.message().starts_with(&begin), "{e}");
}

#[test]
fn connecting_goes_through_a_socks_proxy() {
    needs!("microsocks");
    in_loop(|context| {
        let proxy = Proxy::socks(None);
        let port = proxy.port();
        check_passes(context, &format!("socks5://127.0.0.1:{port}"), port);
    });
}

#[test]
fn a_socks_proxy_gets_the_user_and_the_password() {
    needs!("microsocks");
    in_loop(|context| {
        let proxy = Proxy::socks(Some(("me", "secret")));
        let port = proxy.port();
        check_passes(
            context,
            &format!("socks5://me:secret@127.0.0.1:{port}"),
            port,
        );
    });
}

#[test]
fn a_wrong_password_for_a_socks_proxy_is_reported() {
    needs!("microsocks");
    in_loop(|context| {
        let proxy = Proxy::socks(Some(("me", "secret")));
        let uri = format!("socks5://me:wrong@127.0.0.1:{}", proxy.port());
        let (e, port) = error(context, &uri);
        assert!(e.matches(gio::IOErrorEnum::ProxyAuthFailed), "{e:?}");
        check_named(&e, port, proxy.port());
    });
}

#[test]
fn a_socks_proxy_that_requires_a_password_is_reported() {
    needs!("microsocks");
    in_loop(|context| {
        let proxy = Proxy::socks(Some(("me", "secret")));
        let uri = format!("socks5://127.0.0.1:{}", proxy.port());
        let (e, port) = error(context, &uri);
        assert!(e.matches(gio::IOErrorEnum::ProxyNeedAuth), "{e:?}");
        check_named(&e, port, proxy.port());
    });
}

#[test]
fn what_a_socks_proxy_cannot_connect_to_is_reported() {
    needs!("microsocks");
    in_loop(|context| {
        let proxy = Proxy::socks(None);
        let (_fd, deaf) = deaf();
        let channel = ChannelSocket::new();
        let client = by(&format!("socks5://127.0.0.1:{}", proxy.port()));
        let e = context.block_on(channel.connect_async(&deaf, Some(&client)));
        let e = to_glib_error(&e.expect_err("refused"));
        assert!(e.matches(gio::IOErrorEnum::ConnectionRefused), "{e:?}");
        check_named(&e, port_of(&deaf), proxy.port());
    });
}

#[test]
fn connecting_goes_through_an_http_proxy() {
    needs!("tinyproxy-bin");
    in_loop(|context| {
        let proxy = Proxy::http("");
        let port = proxy.port();
        check_passes(context, &format!("http://127.0.0.1:{port}"), port);
    });
}

#[test]
fn an_http_proxy_gets_the_user_and_the_password() {
    needs!("tinyproxy-bin");
    in_loop(|context| {
        let proxy = Proxy::http("BasicAuth me secret\n");
        let port = proxy.port();
        check_passes(context, &format!("http://me:secret@127.0.0.1:{port}"), port);
        let (e, server) = error(context, &format!("http://127.0.0.1:{port}"));
        assert!(e.matches(gio::IOErrorEnum::ProxyNeedAuth), "{e:?}");
        check_named(&e, server, port);
    });
}

#[test]
fn an_http_proxy_that_refuses_is_reported() {
    needs!("tinyproxy-bin");
    in_loop(|context| {
        // Connections to no other port.
        let proxy = Proxy::http("ConnectPort 1\n");
        let (e, port) = error(context, &format!("http://127.0.0.1:{}", proxy.port()));
        assert!(e.matches(gio::IOErrorEnum::ProxyNotAllowed), "{e:?}");
        check_named(&e, port, proxy.port());
    });
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    in_loop(|context| {
        let (_fd, deaf) = deaf();
        for protocol in ["socks5", "http"] {
            let uri = format!("{protocol}://127.0.0.1:{}", port_of(&deaf));
            let (e, port) = error(context, &uri);
            assert!(e.matches(gio::IOErrorEnum::ConnectionRefused), "{e:?}");
            check_named(&e, port, port_of(&deaf));
            assert!(e.message().ends_with(": Connection refused"), "{e}");
        }
    });
}

#[test]
fn a_server_that_is_not_a_proxy_is_reported() {
    in_loop(|context| {
        let listener = listener(&v4());
        let port = port_of(&local(&listener));
        let server = thread::spawn(move || {
            for _ in 0..2 {
                let server = listener.accept().expect("accepts");
                server.read(&mut [0]).expect("read");
                server
                    .write_all(b"220 mail.test ready\r\n\r\n")
                    .expect("written");
            }
        });
        for protocol in ["socks5", "http"] {
            let (e, server) = error(context, &format!("{protocol}://127.0.0.1:{port}"));
            assert!(e.matches(gio::IOErrorEnum::ProxyFailed), "{e:?}");
            check_named(&e, server, port);
        }
        server.join().expect("no panic");
    });
}

#[test]
fn a_protocol_of_proxies_that_is_unknown_is_reported() {
    in_loop(|context| {
        let listener = listener(&v4());
        let port = port_of(&local(&listener));
        let (e, _) = error(context, &format!("carrier-pigeon://127.0.0.1:{port}"));
        assert!(e.matches(gio::IOErrorEnum::NotSupported), "{e:?}");
    });
}

#[test]
fn no_proxy_is_used_with_enable_proxy_off() {
    in_loop(|context| {
        let (_fd, deaf) = deaf();
        let client = by(&format!("socks5://127.0.0.1:{}", port_of(&deaf)));
        client.set_enable_proxy(false);
        let listener = listener(&v4());
        let channel = ChannelSocket::new();
        let result = context.block_on(channel.connect_async(&name(&listener), Some(&client)));
        result.expect("connects");
    });
}

/// The other way is that of GIO, which an option keeps.
#[test]
fn without_a_proxy_an_ip_address_reports_the_same_stages_and_errors_in_both_ways() {
    let listeners = [Some(v4()), v6()].into_iter().flatten();
    let listeners: Vec<_> = listeners.map(|any| listener(&any)).collect();
    in_loop(move |context| {
        let (_fd, deaf) = deaf();
        let addresses = listeners.iter().map(local).chain([deaf]);
        for address in addresses {
            let both = [gio::SocketFamily::Invalid, address.family()].map(|family| {
                let client = gio::SocketClient::new();
                client.set_enable_proxy(false);
                client.set_family(family);
                let channel = ChannelSocket::new();
                let progress = listen_to(&channel);
                let result = context.block_on(channel.connect_async(&address, Some(&client)));
                let error = result.err().map(|e| to_glib_error(&e));
                let error = error.map(|e| (e.domain(), e.to_string()));
                let is_blocking = error.is_none().then(|| channel.is_blocking());
                let progress = progress.lock().expect("no panic").clone();
                (progress, error, is_blocking)
            });
            assert_eq!(both[0], both[1]);
        }
    });
}

#[test]
fn unix_sockets_need_no_proxy() {
    in_loop(|context| {
        let (_fd, deaf) = deaf();
        let client = by(&format!("socks5://127.0.0.1:{}", port_of(&deaf)));
        let listener = listener(&abstract_name("no-proxy"));
        let channel = ChannelSocket::new();
        let result = context.block_on(channel.connect_async(&local(&listener), Some(&client)));
        result.expect("connects");
    });
}

#[test]
fn a_proxy_that_never_answers_can_be_cancelled_at_once() {
    alone(
        "transport::socket::connect::proxies::a_proxy_that_never_answers_can_be_cancelled_at_once",
        || {
            in_loop(|context| {
                // It accepts, in its queue, and never reads.
                let silent = listener(&v4());
                let port = port_of(&local(&silent));
                let server = listener(&v4());
                let give_up = |protocol: &str| {
                    let client = by(&format!("{protocol}://127.0.0.1:{port}"));
                    let (channel, cancellable) = (ChannelSocket::new(), gio::Cancellable::new());
                    let cancels = cancellable.clone();
                    channel.connect_connect_progress(move |_, stage, _, _| {
                        if stage == ConnectStage::ProxyNegotiating {
                            cancels.cancel();
                        }
                    });
                    let name = name(&server);
                    let connecting = channel.connect_async(&name, Some(&client));
                    let e = context.block_on(connecting.or_cancelled(&cancellable));
                    let e = to_glib_error(&e.expect_err("cancelled"));
                    assert!(e.matches(gio::IOErrorEnum::Cancelled), "{e}");
                };
                give_up("socks5");
                let before = fds::count();
                for _ in 0..4 {
                    give_up("socks5");
                    assert_eq!(fds::count(), before);
                }
                // Threads of GIO's speak HTTP, and have to notice.
                for _ in 0..4 {
                    give_up("http");
                }
                iterate_until(context, || fds::count() <= before);
            });
        },
    );
}
