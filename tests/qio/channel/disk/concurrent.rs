//! Futures that use the position of one file at the same time.

use super::*;

#[test]
fn concurrent_writes_of_one_file_overwrite_nothing_and_concurrent_reads_read_nothing_twice() {
    on_loop(|| async {
        let file = file(b"");
        let lines: Vec<_> = (0..20).map(|i| format!("line {i:02}\n")).collect();
        let writes = lines
            .iter()
            .map(|line| file.write_all_future(line.as_bytes()));
        for written in futures_util::future::join_all(writes).await {
            written.expect("written");
        }
        // In any order.
        let all = content(&file);
        let mut written: Vec<_> = all.chunks(8).collect();
        written.sort();
        assert!(
            written
                .iter()
                .eq(&lines.iter().map(String::as_bytes).collect::<Vec<_>>())
        );
        file.seek(SeekFrom::Start(0)).expect("seeks");
        let reads = (0..20).map(|_| async {
            let mut line = [0; 8];
            file.read_all_future(&mut line).await.expect("a line");
            line
        });
        let mut read = futures_util::future::join_all(reads).await;
        read.sort();
        assert!(read.iter().eq(&written));
        assert_eq!(position(&file), all.len() as u64);
    });
}

#[test]
fn a_write_that_was_dropped_does_not_overwrite_a_later_one() {
    on_loop(|| async {
        let large = vec![b'a'; 256 * 1024];
        for _ in 0..50 {
            let file = file(b"");
            (0..16).for_each(|_| begin(file.write_all_future(&large)));
            file.write_all_future(b"b").await.expect("written");
            assert_eq!(position(&file), 1);
            // After the dropped writes, if any is still in progress.
            file.write_all_future(b"c").await.expect("written");
            assert_eq!(content(&file)[..2], *b"bc");
        }
    });
}

#[test]
fn a_write_of_a_stream_that_was_not_flushed_keeps_no_other_call_waiting() {
    on_loop(|| async {
        let file = file(b"abcdef");
        let (mut read, mut write) = file.async_stream().split();
        write.write_all(b"x").await.expect("taken");
        let mut byte = [0];
        read.read_exact(&mut byte).await.expect("behind it");
        assert_eq!(byte, *b"b");
        write.write_all(b"y").await.expect("taken");
        file.read_all_future(&mut byte).await.expect("behind it");
        assert_eq!(byte, *b"d");
        let (mut one, mut other) = (file.async_stream(), file.async_stream());
        one.write_all(b"1").await.expect("taken");
        other.write_all(b"2").await.expect("taken");
        other.flush().await.expect("written");
        one.flush().await.expect("written");
        write.flush().await.expect("written");
        assert_eq!(content(&file), b"xbyd12");
    });
}

#[test]
fn a_read_that_is_not_polled_or_dropped_keeps_no_other_call_waiting() {
    on_loop(|| async {
        let file = file(b"abcdef");
        let mut buf = [0; 2];
        let mut first = Box::pin(file.read_all_future(&mut buf));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut cx).is_pending());
        let mut next = [0; 2];
        file.read_all_future(&mut next).await.expect("read");
        assert_eq!(next, *b"cd");
        first.as_mut().await.expect("read");
        drop(first);
        assert_eq!(buf, *b"ab");
        begin(file.read_future(&mut [0; 2]));
        file.read_all_future(&mut next).await.expect("read");
        assert_eq!(next, *b"ef");
    });
}
