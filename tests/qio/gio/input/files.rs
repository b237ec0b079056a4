//! Files on disk as streams, and what has no positions.

use super::*;

#[test]
fn a_file_on_disk_is_not_pollable_and_seekable_and_is_read_asynchronously() {
    on_loop(|| async {
        let mut file = tempfile();
        file.write_all(b"0123456789").expect("written");
        file.rewind().expect("a position");
        let channel = ChannelFile::new_fd(file.into());
        let stream = channel.io_stream().input_stream();
        assert!(!pollable(&stream).can_poll());
        let seekable: gio::Seekable = stream.clone().dynamic_cast().expect("seekable");
        assert!(seekable.can_seek() && !seekable.can_truncate());
        seekable
            .seek(4, glib::SeekType::Set, Cancellable::NONE)
            .expect("a position");
        assert_eq!(seekable.tell(), 4);
        let bytes = stream.read_bytes_future(3, glib::Priority::DEFAULT).await;
        assert_eq!(&*bytes.expect("data"), b"456");
        seekable
            .seek(-2, glib::SeekType::Cur, Cancellable::NONE)
            .expect("a position");
        let bytes = stream.read_bytes(8, Cancellable::NONE);
        assert_eq!(&*bytes.expect("data"), b"56789");
        let e = seekable.seek(-1, glib::SeekType::Set, Cancellable::NONE);
        let e = e.expect_err("negative");
        assert_eq!(e.message(), "-1 is no position: it is negative");
        let e = seekable.truncate(0, Cancellable::NONE).expect_err("no");
        assert!(e.matches(IOErrorEnum::NotSupported), "{e}");
    });
}

fn tempfile() -> fs::File {
    let (file, stream) = gio::File::new_tmp(None::<&str>).expect("a temporary file");
    stream.close(Cancellable::NONE).expect("closed");
    let path = file.path().expect("local");
    let opened = fs::File::options().read(true).write(true).open(&path);
    fs::remove_file(path).expect("removed");
    opened.expect("opened")
}

#[test]
fn a_socket_without_positions_is_not_seekable() {
    let (here, _there) = ChannelSocket::pair().expect("a pair");
    let stream = here.io_stream().input_stream();
    let seekable: gio::Seekable = stream.dynamic_cast().expect("seekable");
    assert!(!seekable.can_seek());
    assert_eq!(seekable.tell(), 0);
}
