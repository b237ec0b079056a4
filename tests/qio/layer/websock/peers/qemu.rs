//! QEMU: its servers of the monitor protocol and of VNC, and clients one after another.

use std::{
    net::{TcpListener, TcpStream},
    os::fd::OwnedFd,
    thread,
};

use gio::{SocketFamily::Ipv4, SocketType};
use qio::{ChannelSocket, ChannelWebsock, WebsockOptions, prelude::*};

use crate::{
    common::in_time,
    peers::{Peer, free_port, loopback},
};

/// A virtual machine that does nothing.
const IDLE: [&str; 6] = ["-M", "none", "-S", "-display", "none", "-nodefaults"];

struct Machine {
    qemu: Peer,
    port: u16,
}

impl Machine {
    /// With these arguments, which make it listen at the port.
    fn start(port: u16, arguments: &[&str]) -> Self {
        let arguments = [&IDLE[..], arguments].concat();
        let qemu = Peer::start("qemu-system-x86", "qemu-system-x86_64", &arguments);
        Self { qemu, port }
    }

    /// A connection, after the opening handshake.
    fn connect(&mut self, protocol: Option<&str>) -> ChannelWebsock {
        let address = loopback(Ipv4, self.port);
        let socket = self.qemu.connect(SocketType::Stream, &address);
        let options = WebsockOptions::builder();
        let options = match protocol {
            Some(name) => options.protocol(name),
            None => options,
        };
        let options = options.build().expect("good options");
        let uri = format!("ws://127.0.0.1:{}/", self.port);
        let client = ChannelWebsock::new_client(&socket, &uri, &options).expect("a client");
        client.handshake().expect("accepted");
        assert_eq!(client.protocol().as_deref(), protocol);
        client
    }
}

fn read_line(channel: &ChannelWebsock) -> String {
    let line = channel.read_line(1 << 20).expect("a line");
    line.map(|line| String::from_utf8_lossy(&line).into_owned())
        .unwrap_or_default()
}

/// Executes a command of the monitor protocol, and returns the answer.
fn execute(channel: &ChannelWebsock, command: &str) -> String {
    let text = format!("{{\"execute\": \"{command}\"}}\n");
    channel.write_all(text.as_bytes()).expect("written");
    read_line(channel)
}

/// QEMU 7.2 sends its greeting, and answers no command of any client over a WebSocket.
#[test]
fn the_monitor_of_qemu_is_a_server() {
    needs!("qemu-system-x86");
    in_time(|| {
        let port = free_port(Ipv4);
        let chardev =
            format!("socket,id=c,host=127.0.0.1,port={port},server=on,wait=off,websocket=on");
        let arguments = ["-chardev", &chardev, "-mon", "chardev=c,mode=control"];
        let mut machine = Machine::start(port, &arguments);
        let client = machine.connect(Some("binary"));
        let greeting = read_line(&client);
        assert!(greeting.starts_with("{\"QMP\""), "{greeting}");
        client.bye(1000, "").expect("answered");
        assert_eq!(client.close_code(), Some(1000));
    });
}

/// QEMU 7.2 takes one byte of each message: the keys are sent one by one, each after the echo of
/// the one before.
#[test]
fn the_human_monitor_of_qemu_answers_clients_one_after_another() {
    needs!("qemu-system-x86");
    in_time(|| {
        let port = free_port(Ipv4);
        let chardev =
            format!("socket,id=c,host=127.0.0.1,port={port},server=on,wait=off,websocket=on");
        let arguments = ["-chardev", &chardev, "-mon", "chardev=c,mode=readline"];
        let mut machine = Machine::start(port, &arguments);
        for _ in 0..3 {
            let client = machine.connect(Some("binary"));
            let prompt = || {
                let mut text = [0; 7];
                client.read_all(&mut text).expect("a prompt");
                assert_eq!(&text, b"(qemu) ");
            };
            let greeting = read_line(&client);
            assert!(greeting.contains(" monitor - type 'help' "), "{greeting}");
            prompt();
            for key in b"info version" {
                client.write_all(&[*key]).expect("written");
                // An escape sequence is its end.
                let echo = client.read_until(b"K", 1000).expect("an echo");
                assert!(echo.expect("not the end").contains(key));
            }
            client.write_all(b"\n").expect("written");
            assert_eq!(read_line(&client).trim_end(), "");
            let version = read_line(&client);
            assert!(version.starts_with(char::is_numeric), "{version}");
            prompt();
            client.bye(1000, "").expect("answered");
        }
    });
}

#[test]
fn vnc_of_qemu_serves_clients_one_after_another() {
    needs!("qemu-system-x86");
    in_time(|| {
        let port = free_port(Ipv4);
        let display = free_port(Ipv4) - 5900;
        let vnc = format!("127.0.0.1:{display},websocket={port}");
        let mut machine = Machine::start(port, &["-vnc", &vnc]);
        for protocol in [None, Some("binary"), None] {
            let client = machine.connect(protocol);
            let mut version = [0; 12];
            client.read_all(&mut version).expect("a version of RFB");
            assert_eq!(&version, b"RFB 003.008\n");
            client.write_all(&version).expect("written");
            let mut security = [0; 2];
            client.read_all(&mut security).expect("types of security");
            assert_eq!(security, [1, 1], "none");
            // The selected type, and a shared session.
            client.write_all(&[1]).expect("written");
            let mut result = [0xff; 4];
            client.read_all(&mut result).expect("a result");
            assert_eq!(result, [0; 4], "success");
            client.write_all(&[1]).expect("written");
            let mut init = [0; 24];
            client.read_all(&mut init).expect("the screen");
            let mut name = vec![0; usize::from(init[23])];
            client.read_all(&mut name).expect("a name");
            assert_eq!(name, b"QEMU");
            client.bye(1000, "").expect("answered");
        }
    });
}

/// QEMU answers no second one.
#[test]
fn clients_of_a_monitor_one_after_another_are_all_served() {
    in_time(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = thread::spawn(move || {
            for _ in 0..6 {
                let (stream, _) = listener.accept().expect("a connection");
                let socket = ChannelSocket::new_fd(OwnedFd::from(stream)).expect("a socket");
                let options = WebsockOptions::builder().protocol("binary").build();
                let options = options.expect("good options");
                let server = ChannelWebsock::new_server(&socket, &options).expect("a server");
                server.set_require_close(false);
                let greeted = server.write_all(b"{\"QMP\": {}}\r\n");
                while greeted.is_ok()
                    && let Ok(Some(_)) = server.read_line(1000)
                {
                    server.write_all(b"{\"return\": {}}\r\n").expect("written");
                }
                let _ = server.close();
            }
        });
        for end in ["a close frame", "the end of the stream", "a close frame"] {
            for protocol in [None, Some("binary")] {
                let stream = TcpStream::connect(address).expect("connected");
                let copy = stream.try_clone().expect("a copy");
                let socket = ChannelSocket::new_fd(OwnedFd::from(stream)).expect("a socket");
                let options = WebsockOptions::builder();
                let options = protocol
                    .into_iter()
                    .fold(options, |it, name| it.protocol(name));
                let options = options.build().expect("good options");
                let uri = format!("ws://{address}/");
                let client = ChannelWebsock::new_client(&socket, &uri, &options);
                let client = client.expect("a client");
                assert_eq!(read_line(&client), "{\"QMP\": {}}");
                assert_eq!(execute(&client, "qmp_capabilities"), "{\"return\": {}}");
                match end {
                    "a close frame" => client.bye(1000, "").expect("answered"),
                    _ => copy.shutdown(std::net::Shutdown::Both).expect("ended"),
                }
            }
        }
        serving.join().expect("no panic");
    });
}
