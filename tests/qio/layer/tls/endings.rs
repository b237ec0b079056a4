//! Who has written all, and what is still to come then.

use std::{io, thread};

use qio::{ChannelSocket, prelude::*};

use super::ends::{friends, over, shake};
use crate::common::{fill, in_time};

/// Over TCP the system throws away what was written if something that came is unread.
#[test]
fn who_never_reads_loses_nothing_that_it_has_written() {
    in_time(|| {
        let host = gio::InetAddress::new_loopback(gio::SocketFamily::Ipv4);
        let address = gio::InetSocketAddress::new(&host, 0);
        let listener = ChannelSocket::listen(&address, 1).expect("listens");
        let address = listener.local_address().expect("an address");
        for dropped in [false, true] {
            let here = ChannelSocket::connect(&address).expect("connects");
            let there = listener.accept().expect("it comes");
            // The server's sessions have come then, and nobody has read them.
            here.wait(glib::IOCondition::OUT).expect("connected");
            let (client, server) = over((here, there));
            shake(&client, &server);
            client.set_blocking(false).expect("non-blocking");
            let mut got = vec![0; fill(&client)];
            // The system has it all, and has not sent it all.
            let (first, rest) = got.split_at_mut(1 << 19);
            thread::scope(|scope| {
                scope.spawn(|| client.flush().expect("flushed"));
                server.read_all(first).expect("read");
            });
            match dropped {
                false => client.close().expect("closed"),
                true => drop(client),
            }
            server.read_all(rest).expect("all of it");
            assert_eq!(server.read(first).expect("a clean end"), 0);
        }
    });
}

#[test]
fn nothing_is_left_to_be_sent_after_the_goodbye() {
    in_time(|| {
        let (client, server) = friends();
        client.bye().expect("said");
        client.set_blocking(false).expect("non-blocking");
        fill(&client.master());
        // Which is to be answered with new keys, and there is no room.
        server.update_keys(true).expect("new keys");
        let e = client.read(&mut [0]).expect_err("there is no data");
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock, "{e}");
        client.flush().expect("all is said");
        client.close().expect("closed");
    });
}
