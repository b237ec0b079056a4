//! The position of streams that have one.

use std::{
    ffi::OsStr,
    io::{self, SeekFrom},
    time::Duration,
};

use futures_util::FutureExt as _;
use gio::{SubprocessFlags, prelude::*};
use glib::IOCondition;
use qio::{ChannelIoStream, Feature, prelude::*};

use super::{plain_pair, reading, writing};
use crate::common::{fill, in_loop, in_time};

const BEGIN: SeekFrom = SeekFrom::Start(0);
const HERE: SeekFrom = SeekFrom::Current(0);

fn file_with(data: &[u8]) -> ChannelIoStream {
    let (file, stream) = gio::File::new_tmp(None::<&str>).expect("a temporary file");
    file.delete(gio::Cancellable::NONE).expect("deleted");
    let channel = ChannelIoStream::new(&stream);
    channel.write_all(data).expect("written");
    assert_eq!(channel.seek(BEGIN).expect("a position"), 0);
    channel
}

fn line(channel: &ChannelIoStream) -> String {
    let line = channel
        .read_line(100)
        .expect("a line")
        .expect("not the end");
    String::from_utf8(line.to_vec()).expect("UTF-8")
}

#[test]
fn a_seek_in_a_file_of_gio_moves_the_position_of_reads_and_writes() {
    in_time(|| {
        let channel = file_with(b"one\ntwo\nthree\n");
        assert!(channel.has_feature(Feature::SEEKABLE));
        assert_eq!(channel.seek(SeekFrom::End(-6)).expect("a position"), 8);
        assert_eq!(line(&channel), "three");
        // What was read ahead does not count.
        channel.seek(BEGIN).expect("a position");
        assert_eq!(line(&channel), "one");
        assert_eq!(channel.seek(HERE).expect("a position"), 4);
        assert_eq!(line(&channel), "two");
        channel.write_all(b"THREE").expect("written");
        assert_eq!(channel.seek(HERE).expect("a position"), 13);
        channel.seek(BEGIN).expect("a position");
        let all = channel.read_to_end(100).expect("all");
        assert_eq!(&*all, b"one\ntwo\nTHREE\n");
        let e = channel.seek(SeekFrom::Current(-100));
        assert_eq!(e.expect_err("negative").kind(), io::ErrorKind::InvalidInput);
        assert!(channel.pread(&mut [0], 0).is_err(), "GIO has no pread");
    });
}

#[test]
fn a_seek_waits_for_the_call_in_progress_and_discards_what_that_has_read() {
    in_loop(|_| {
        let channel = file_with(b"0123456789");
        let mut buf = [0; 4];
        // Begins a read, which a thread makes, and does not wait for it. Returns what was consumed:
        // the thread may be faster.
        let begin = |channel: &ChannelIoStream| {
            let read = channel.read_future(&mut [0; 4]).now_or_never();
            read.map_or(0, |result| result.expect("data"))
        };
        for _ in 0..100 {
            let consumed = begin(&channel) as u64;
            assert_eq!(channel.seek(HERE).expect("a position"), consumed);
            begin(&channel);
            assert_eq!(channel.seek(SeekFrom::Start(6)).expect("a position"), 6);
            channel.read_all(&mut buf).expect("data");
            assert_eq!(&buf, b"6789");
            channel.seek(BEGIN).expect("a position");
        }
        // A thread has read what a smaller read leaves: a write follows what was consumed.
        let consumed = begin(&channel);
        assert_eq!(channel.read(&mut buf[..1]).expect("data"), 1);
        channel.write_all(b"x").expect("written");
        channel.seek(BEGIN).expect("a position");
        let mut expected = *b"0123456789";
        expected[consumed + 1] = b'x';
        assert_eq!(&*channel.read_to_end(100).expect("all"), expected);
    });
}

#[test]
fn the_position_of_a_single_half_is_that_of_the_channel() {
    in_time(|| {
        let data = glib::Bytes::from_static(b"one\ntwo\n");
        let input = reading(&gio::MemoryInputStream::from_bytes(&data));
        assert_eq!(line(&input), "one");
        assert_eq!(input.seek(HERE).expect("a position"), 4);
        input.seek(SeekFrom::End(-1)).expect("a position");
        assert_eq!(line(&input), "");
        let memory = gio::MemoryOutputStream::new_resizable();
        let output = writing(&memory);
        output.write_all(b"hello").expect("written");
        output.seek(BEGIN).expect("a position");
        output.write_all(b"J").expect("written");
        output.close().expect("closed");
        assert_eq!(&*memory.steal_as_bytes(), b"Jello");
    });
}

#[test]
fn streams_without_one_position_are_not_seekable() {
    let data = glib::Bytes::from_static(b"data");
    let (input, output) = (
        gio::MemoryInputStream::from_bytes(&data),
        gio::MemoryOutputStream::new_resizable(),
    );
    let two = ChannelIoStream::new(&gio::SimpleIOStream::new(&input, &output));
    for channel in [two, plain_pair().0] {
        assert!(!channel.has_feature(Feature::SEEKABLE));
        let e = channel.seek(BEGIN).expect_err("not seekable");
        assert_eq!(e.kind(), io::ErrorKind::Unsupported);
    }
}

#[test]
fn each_direction_of_two_pipes_has_the_readiness_of_its_descriptor() {
    in_time(|| {
        let flags = SubprocessFlags::STDIN_PIPE | SubprocessFlags::STDOUT_PIPE;
        let script = "echo ready; read _; exec cat";
        let command = ["sh", "-c", script].map(OsStr::new);
        let process = gio::Subprocess::newv(&command, flags).expect("sh");
        let (output, input) = (process.stdout_pipe(), process.stdin_pipe());
        let channel = ChannelIoStream::new_pair(output.as_ref(), input.as_ref()).expect("pipes");
        let both = IOCondition::IN | IOCondition::OUT;
        let at_once = |condition| {
            let ready = channel.wait_timeout(condition, Duration::ZERO);
            ready.unwrap_or(IOCondition::empty())
        };
        assert_eq!(
            channel.wait(IOCondition::IN).expect("ready"),
            IOCondition::IN
        );
        assert_eq!(at_once(both), both);
        assert_eq!(line(&channel), "ready");
        assert_eq!(at_once(IOCondition::IN), IOCondition::empty());
        assert_eq!(at_once(both), IOCondition::OUT);
        // It echoes what it reads, until nothing reads that.
        channel.set_blocking(false).expect("non-blocking");
        channel.write_all(b"\n").expect("written");
        channel.wait(IOCondition::OUT).expect("ready");
        while at_once(both) != IOCondition::IN {
            fill(&channel);
        }
        process.force_exit();
    });
}
