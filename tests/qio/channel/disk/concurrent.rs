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
        let all = lines.concat().into_bytes();
        assert_eq!(content(&file), all);
        file.seek(SeekFrom::Start(0)).expect("seeks");
        let reads = (0..20).map(|_| async {
            let mut line = [0; 8];
            file.read_all_future(&mut line).await.expect("a line");
            line
        });
        let read = futures_util::future::join_all(reads).await;
        assert_eq!(read.concat(), all);
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
