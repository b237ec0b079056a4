//! Masking keys of forked children.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
};

use qio::{ChannelWebsock, WebsockOptions, prelude::*};

use super::fixtures::{accept, raw_server};
use crate::common::{alone::alone, fork::in_child};

/// An open client, and the other end of its lower channel.
fn open() -> (ChannelWebsock, UnixStream) {
    let (client, mut far) = raw_server(&WebsockOptions::default());
    client.set_blocking(false).expect("non-blocking");
    client.handshake().expect_err("no response yet");
    accept(&mut far);
    client.handshake().expect("accepted");
    (client, far)
}

/// Sends a byte, and returns the masking key of its frame.
fn next_key((client, far): &mut (ChannelWebsock, UnixStream)) -> [u8; 4] {
    assert_eq!(client.write(b"x").expect("written"), 1);
    let mut frame = [0; 7];
    far.read_exact(&mut frame).expect("a frame");
    let [_, _, key @ .., masked] = frame;
    assert_eq!(masked, b'x' ^ key[0]);
    key
}

#[test]
fn a_forked_child_generates_other_masking_keys_than_its_parent() {
    alone(
        "layer::websock::forks::a_forked_child_generates_other_masking_keys_than_its_parent",
        || {
            let mut ends = open();
            next_key(&mut ends);
            let (mut of_parent, of_child) = UnixStream::pair().expect("a pair");
            in_child(|| {
                let keys = [(); 4].map(|()| next_key(&mut open()));
                (&of_child).write_all(&keys.concat()).expect("written");
            });
            let mut keys = [0; 16];
            of_parent.read_exact(&mut keys).expect("four keys");
            let keys = keys.as_chunks::<4>().0;
            for _ in 0..4 {
                let own = next_key(&mut ends);
                assert!(!keys.contains(&own), "{own:?} of {keys:?}");
            }
        },
    );
}
