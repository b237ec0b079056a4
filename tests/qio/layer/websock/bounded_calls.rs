//! One call processes a bounded amount of input, however fast the peer sends.

use std::{
    io::{self, Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    thread,
    time::Duration,
};

use glib::{IOCondition, subclass::prelude::*};
use qio::{ChannelSocket, ChannelWebsock, WebsockDeflate, WebsockOptions, prelude::*};

use super::fixtures::{REQUEST, URI, accept, read_head};
use crate::common::{classes::Stocked, in_time};

/// More than one call may process.
const STOCK: usize = 4 << 20;

/// A channel that reads from a store first, and then from the first end of the pair.
fn stocked() -> (Stocked, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a pair");
    let stocked: Stocked = glib::Object::new();
    let socket = ChannelSocket::new_fd(OwnedFd::from(near)).expect("a socket");
    stocked.imp().socket.set(socket).expect("once");
    (stocked, far)
}

/// Calls with so much input, which must return would-block with most of it left, and report that
/// there is more.
fn assert_bounded<T: std::fmt::Debug>(
    stocked: &Stocked,
    websock: &ChannelWebsock,
    input: Vec<u8>,
    call: impl Fn(&ChannelWebsock) -> io::Result<T>,
) {
    websock.set_blocking(false).expect("non-blocking");
    let all = input.len();
    *stocked.imp().stock.lock().expect("whole") = input;
    for _ in 0..3 {
        let before = stocked.imp().left();
        let error = call(websock).expect_err("no result");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
        let taken = before - stocked.imp().left();
        assert!(taken <= 1 << 20, "{taken} of {all} bytes in one call");
        let ready = websock.wait_timeout(IOCondition::IN, Duration::ZERO);
        ready.expect("there is more");
    }
}

#[test]
fn one_call_processes_a_bounded_amount_of_compressed_payload_without_data() {
    let calls: [fn(&ChannelWebsock) -> io::Result<usize>; 3] = [
        |server| server.read(&mut [0; 100]),
        |server| server.receive().map(|_| 0),
        // Which is dropped: its message is discarded.
        |server| {
            server
                .next_message()?
                .expect("a message")
                .read(&mut [0; 100])
        },
    ];
    in_time(move || {
        // Stored and final blocks without data.
        for block in [&b"\x00\x00\x00\xff\xff"[..], b"\x03\x00"] {
            for call in calls {
                let options = WebsockOptions::builder().deflate(WebsockDeflate::default());
                let options = options.build().expect("good options");
                let (stocked, mut far) = stocked();
                let server = ChannelWebsock::new_server(&stocked, &options).expect("a server");
                let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
                let request = REQUEST.replace("\r\n\r\n", offer);
                far.write_all(request.as_bytes()).expect("written");
                server.handshake().expect("accepted");
                read_head(&mut far);
                // A frame of 2^40 bytes.
                let header = b"\xc2\xff\0\0\x01\0\0\0\0\0\0\0\0\0";
                let input = [&header[..], &block.repeat(STOCK / block.len())].concat();
                assert_bounded(&stocked, &server, input, call);
            }
        }
    });
}

#[test]
fn one_call_discards_a_bounded_amount_behind_the_close_frame_of_a_server() {
    in_time(|| {
        let (stocked, mut far) = stocked();
        let options = WebsockOptions::default();
        let client = ChannelWebsock::new_client(&stocked, URI, &options).expect("a client");
        let server = thread::spawn(move || {
            accept(&mut far);
            far
        });
        client.handshake().expect("accepted");
        let _far = server.join().expect("no panic");
        let input = [&b"\x88\x02\x03\xe8"[..], &vec![0; STOCK]].concat();
        assert_bounded(&stocked, &client, input, |client| client.bye(1000, ""));
    });
}
