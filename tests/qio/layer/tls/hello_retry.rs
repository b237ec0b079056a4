//! A server that sends a HelloRetryRequest.

use qio::{ChannelSocket, ChannelTls, TlsCreds, TlsEndpoint, TlsPskHash, prelude::*};

use super::fixtures::{NAME, authority};
use crate::common::in_time;

/// The extension with the names of keys.
const PRE_SHARED_KEY: u16 = 41;

/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446, section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Bytes after their number, which has `size` bytes itself.
fn prefixed(size: usize, bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len().to_be_bytes();
    [&len[len.len() - size..], bytes].concat()
}

/// Takes bytes that come after their number.
fn take<'a>(rest: &mut &'a [u8], size: usize) -> &'a [u8] {
    let (len, after) = rest.split_at(size);
    let len = len
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let (taken, after) = after.split_at(len);
    *rest = after;
    taken
}

/// The hello of a client: what it calls its session, and its extensions.
struct Hello {
    session: Vec<u8>,
    extensions: Vec<u16>,
}

impl Hello {
    /// Reads records until there is one, past what is only there to look like older versions.
    fn read(peer: &ChannelSocket) -> Self {
        loop {
            let mut header = [0; 5];
            peer.read_all(&mut header).expect("a record");
            let mut body = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
            peer.read_all(&mut body).expect("its body");
            if header[0] == 22 {
                return Self::of(&body);
            }
        }
    }

    fn of(message: &[u8]) -> Self {
        assert_eq!(message[0], 1, "a hello");
        let mut rest = &message[1..];
        let mut rest = &take(&mut rest, 3)[34..];
        let session = take(&mut rest, 1).to_vec();
        let _suites = take(&mut rest, 2);
        let _compressions = take(&mut rest, 1);
        let mut all = take(&mut rest, 2);
        let mut extensions = Vec::new();
        while let [high, low, after @ ..] = all {
            extensions.push(u16::from_be_bytes([*high, *low]));
            all = after;
            take(&mut all, 2);
        }
        Self {
            session,
            extensions,
        }
    }

    fn shows_keys(&self) -> bool {
        self.extensions.contains(&PRE_SHARED_KEY)
    }

    /// Sends one, for a suite with SHA-256, and with a share of the group P-384.
    fn again(&self, peer: &ChannelSocket) {
        let extension = |number: u16, body: &[u8]| {
            let number = number.to_be_bytes();
            [&number[..], &prefixed(2, body)].concat()
        };
        let extensions = [extension(43, &[3, 4]), extension(51, &[0, 24])].concat();
        let suite = [0x13, 0x01];
        let hello = [
            &[3, 3][..],
            &RETRY,
            &prefixed(1, &self.session),
            &suite,
            &[0],
            &prefixed(2, &extensions),
        ];
        let message = [&[2][..], &prefixed(3, &hello.concat())].concat();
        let record = [&[22, 3, 3][..], &prefixed(2, &message)].concat();
        peer.write_all(&record).expect("written");
    }
}

#[test]
fn a_psk_is_not_offered_for_another_hash() {
    in_time(|| {
        for (hash, again) in [(TlsPskHash::Sha256, true), (TlsPskHash::Sha384, false)] {
            let creds = TlsCreds::builder(TlsEndpoint::Client)
                .psk("qemu", *b"0123456789abcdef")
                .psk_hash(hash)
                // Other suites are for servers that show a certificate.
                .trust_pem(authority().pem.as_str())
                .build()
                .expect("a key");
            let (here, peer) = ChannelSocket::pair().expect("a pair");
            let client = ChannelTls::new_client(&here, &creds, NAME).expect("a client");
            let agreed = std::thread::spawn(move || client.handshake());
            let first = Hello::read(&peer);
            assert!(first.shows_keys(), "{hash:?}");
            first.again(&peer);
            assert_eq!(Hello::read(&peer).shows_keys(), again, "{hash:?}");
            peer.close().expect("closed");
            agreed.join().expect("no panic").expect_err("no peer");
        }
    });
}
