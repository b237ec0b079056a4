//! Items of every kind, however they are cut, and reads that are dropped.

use futures_util::{FutureExt, future};
use qio::{Channel, ChannelSocket, Framing, prelude::*};

use crate::{common::on_loop, layer::tls::fixtures::before_handshake};

/// Random numbers, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

async fn model(writer: &Channel, reader: &Channel, seed: u64) {
    let mut random = Random(seed);
    let mut sent = Vec::new();
    let items: Vec<Vec<u8>> = (0..300)
        .map(|i| vec![b'a' + (i % 26) as u8; random.below(300)])
        .collect();
    for (i, item) in items.iter().enumerate() {
        match i % 3 {
            0 => sent.extend([item, &b"\r\n"[..]].concat()),
            1 => sent.extend([&(item.len() as u32).to_be_bytes()[..], item].concat()),
            _ => sent.extend(item),
        }
    }
    let writing = async {
        let (mut random, mut rest) = (Random(seed + 1), &sent[..]);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(random.below(700).clamp(1, rest.len()));
            writer.write_all_future(piece).await.expect("written");
            rest = after;
            glib::timeout_future(std::time::Duration::ZERO).await;
        }
        writer.flush_future().await.expect("flushed");
    };
    let reading = async {
        for (i, item) in items.iter().enumerate() {
            // A read that cannot be complete is dropped in between: it may take no byte.
            if random.below(3) == 0 {
                let read = reader.read_to_end_future(1 << 20).now_or_never();
                assert!(read.is_none(), "the writer has not closed");
            }
            let (max, mut buf) = (1000, Vec::new());
            let read = match i % 6 {
                0 => reader.read_line_future(max).await.expect("a line"),
                1 => {
                    let frame = reader.read_frame_future(Framing::U32Be, max).await;
                    frame.expect("a frame")
                }
                3 => {
                    let length = reader.read_line_into_future(&mut buf, max).await;
                    assert_eq!(length.expect("a line"), Some(buf.len()));
                    Some(glib::Bytes::from_owned(buf))
                }
                4 => {
                    let read = reader.read_frame_into_future(Framing::U32Be, &mut buf, max);
                    assert_eq!(read.await.expect("a frame"), Some(buf.len()));
                    Some(glib::Bytes::from_owned(buf))
                }
                _ => {
                    buf.resize(item.len(), 0);
                    reader.read_all_future(&mut buf).await.expect("data");
                    Some(glib::Bytes::from_owned(buf))
                }
            };
            assert!(read.as_deref() == Some(item), "item {i} of seed {seed}");
        }
    };
    future::join(writing, reading).await;
}

#[test]
fn items_of_every_kind_arrive_in_order_however_they_are_cut_and_dropped() {
    on_loop(|| async {
        for seed in 1..=10 {
            let (here, there) = ChannelSocket::pair().expect("a pair");
            model(here.upcast_ref(), there.upcast_ref(), seed).await;
            let (client, server) = before_handshake();
            model(client.upcast_ref(), server.upcast_ref(), seed).await;
        }
    });
}
