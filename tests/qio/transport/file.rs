//! `ChannelFile`: files, pipes, and whatever else has a descriptor.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _, SeekFrom, Write as _},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{fs::PermissionsExt, net::UnixStream},
    },
};

use glib::{MainContext, prelude::*};
use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    libc,
};
use qio::{
    Channel, ChannelFile, ChannelNull, ChannelSocket, Feature, ReadFlags, Shutdown, channel_for_fd,
    prelude::*, to_glib_error,
};

use crate::common::{fds, in_time, pattern};

fn scratch() -> ChannelFile {
    ChannelFile::from(tempfile::tempfile().expect("a file"))
}

#[test]
fn a_pipe_transfers_everything_in_both_modes() {
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    pattern::transfer_both_modes(&write, &read);
}

#[test]
fn a_file_returns_what_was_written() {
    for blocking in [true, false] {
        let file = scratch();
        file.set_blocking(blocking).expect("the mode");
        let sent: Vec<_> = (0..1_048_500).map(|i| (i % 251) as u8).collect();
        file.write_all(&sent).expect("written");
        assert_eq!(file.seek(SeekFrom::Start(0)).expect("moved"), 0);
        let mut got = vec![0; sent.len()];
        file.read_all(&mut got).expect("read");
        assert!(got == sent);
        assert_eq!(file.read(&mut [0]).expect("the end"), 0);
    }
}

#[test]
fn a_pipe_that_is_not_open_for_a_direction_fails_at_once_in_both_modes() {
    fn fails<T>(result: io::Result<T>, what: &str) {
        let e = result.err().expect(what);
        assert_eq!(e.raw_os_error(), Some(libc::EBADF), "{what}: {e}");
    }
    in_time(|| {
        for blocking in [true, false] {
            let (read, write) = ChannelFile::pipe().expect("a pipe");
            for end in [&read, &write] {
                end.set_blocking(blocking).expect("the mode");
            }
            fails(write.read(&mut [0]), "read");
            fails(write.read_all(&mut [0]), "read all");
            fails(read.write(b"x"), "write");
            fails(read.write_all(b"x"), "write all");
            let context = MainContext::new();
            fails(
                context.block_on(write.read_future(&mut [0])),
                "read in a future",
            );
            fails(
                context.block_on(read.write_future(b"x")),
                "write in a future",
            );
            let null = ChannelNull::new();
            let moved = write.splice_to(&null, None);
            moved.expect_err("splice from it");
            let (other, source) = ChannelFile::pipe().expect("a pipe");
            source.write_all(b"data").expect("space");
            drop(source);
            other.splice_to(&read, None).expect_err("splice to it");
            assert_eq!(other.read(&mut [0; 9]).expect("it is kept"), 4);
            read.close().expect("closed");
            let e = qio::to_glib_error(&read.write(b"x").unwrap_err());
            assert!(e.matches(gio::IOErrorEnum::Closed), "{e}");
        }
    });
}

#[test]
fn a_file_is_opened_with_flags_and_mode() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("new");
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    let file = ChannelFile::new_path(&path, flags, 0o600).expect("created");
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(file.path().as_deref(), Some(&*path));
    assert_eq!(
        file.property::<Option<String>>("path").as_deref(),
        path.to_str()
    );
    assert!(file.with_fd(fds::is_cloexec).expect("open"));
    let e = ChannelFile::new_path(&path, flags, 0o600).expect_err("it exists");
    assert_eq!(e.kind(), ErrorKind::AlreadyExists);
}

#[test]
fn appending_goes_to_the_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log");
    fs::write(&path, "one ").expect("written");
    let file = ChannelFile::new_path(&path, libc::O_WRONLY | libc::O_APPEND, 0).expect("opened");
    file.seek(SeekFrom::Start(0)).expect("moved");
    file.write_all(b"two").expect("written");
    assert_eq!(fs::read_to_string(&path).expect("read"), "one two");
}

#[test]
fn creating_empties_and_opening_only_reads() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    fs::write(&path, "a long text").expect("written");
    let file = ChannelFile::create(&path).expect("created");
    file.write_all(b"short").expect("written");
    assert_eq!(fs::read_to_string(&path).expect("read"), "short");
    let file = ChannelFile::open(&path).expect("opened");
    let e = file.write(b"x").expect_err("for reading only");
    assert_eq!(e.raw_os_error(), Some(libc::EBADF));
}

#[test]
fn a_missing_file_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("missing");
    let e = ChannelFile::open(&path).expect_err("missing");
    assert_eq!(e.kind(), ErrorKind::NotFound);
    let text = format!(
        "Unable to open {}: No such file or directory",
        path.display()
    );
    assert_eq!(e.to_string(), text);
    let error = to_glib_error(&e);
    assert!(error.matches(gio::IOErrorEnum::NotFound));
    assert_eq!(error.message(), text);
}

#[test]
fn a_directory_opens_for_reading_but_has_no_data() {
    let directory = tempfile::tempdir().expect("a directory");
    let e = ChannelFile::create(directory.path()).expect_err("a directory");
    assert_eq!(e.kind(), ErrorKind::IsADirectory);
    let channel = ChannelFile::open(directory.path()).expect("opened");
    let e = channel.read(&mut [0; 8]).expect_err("a directory");
    assert_eq!(e.kind(), ErrorKind::IsADirectory);
}

#[test]
fn an_adopted_descriptor_keeps_its_mode() {
    let (read, _write) = std::io::pipe().expect("a pipe");
    let fd = OwnedFd::from(read);
    let other = fd.try_clone().expect("a duplicate");
    assert!(ChannelFile::new_fd(other).is_blocking());
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("non-blocking");
    let number = fd.as_raw_fd();
    let channel = ChannelFile::new_fd(fd);
    assert_eq!(
        (channel.fd(), channel.property::<i32>("fd")),
        (number, number)
    );
    assert!(!channel.is_blocking());
    assert_eq!(
        channel.read(&mut [0]).expect_err("empty").kind(),
        ErrorKind::WouldBlock
    );
    channel.close().expect("closed");
    assert_eq!((channel.fd(), channel.property::<i32>("fd")), (-1, -1));
}

#[test]
fn an_adopted_descriptor_is_closed_with_the_channel() {
    for explicit in [true, false] {
        let (mut read, write) = std::io::pipe().expect("a pipe");
        let channel = ChannelFile::new_fd(write.into());
        channel.write_all(b"x").expect("written");
        if explicit {
            channel.close().expect("closed");
        }
        drop(channel);
        let mut text = String::new();
        read.read_to_string(&mut text).expect("up to the end");
        assert_eq!(text, "x");
    }
}

#[test]
fn a_borrowed_descriptor_is_the_file() {
    let file = tempfile::tempfile().expect("a file");
    let target = fds::target(file.as_fd());
    let channel = ChannelFile::from(file);
    assert_eq!(channel.with_fd(fds::target).expect("open"), target);
    channel.close().expect("closed");
    let e = channel.with_fd(|_| ()).expect_err("closed");
    assert!(to_glib_error(&e).matches(gio::IOErrorEnum::Closed));
}

#[test]
fn seeking_honors_whence() {
    let file = scratch();
    assert!(file.has_feature(Feature::SEEKABLE));
    file.write_all(b"0123456789").expect("written");
    let steps = [
        (SeekFrom::Start(4), 4),
        (SeekFrom::Current(3), 7),
        (SeekFrom::Current(-5), 2),
        (SeekFrom::End(-1), 9),
        (SeekFrom::End(5), 15),
    ];
    for (to, position) in steps {
        assert_eq!(file.seek(to).expect("moved"), position, "{to:?}");
    }
    let e = file.seek(SeekFrom::End(-11)).expect_err("before the start");
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    assert_eq!(file.seek(SeekFrom::Current(0)).expect("moved"), 15);
}

#[test]
fn offsets_leave_the_position() {
    let file = scratch();
    file.write_all(b"0123456789").expect("written");
    file.seek(SeekFrom::Start(3)).expect("moved");
    let mut two = [0; 2];
    assert_eq!(file.pread(&mut two, 8).expect("read"), 2);
    assert_eq!(&two, b"89");
    assert_eq!(file.pwrite(b"ab", 0).expect("written"), 2);
    assert_eq!(file.seek(SeekFrom::Current(0)).expect("moved"), 3);
    assert_eq!(file.pread(&mut two, 0).expect("read"), 2);
    assert_eq!(&two, b"ab");
}

#[test]
fn a_pipe_has_no_positions() {
    const TEXT: &str = "Channel does not support random access";
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    assert!(!read.has_feature(Feature::SEEKABLE) && !write.has_feature(Feature::SEEKABLE));
    write.write_all(b"x").expect("written");
    for e in [
        read.seek(SeekFrom::Start(0)).expect_err("no position"),
        read.pread(&mut [0], 0).expect_err("no position"),
        write.pwrite(b"x", 0).expect_err("no position"),
        write.pwrite_all(b"x", 0).expect_err("no position"),
    ] {
        assert_eq!((e.kind(), &*e.to_string()), (ErrorKind::Unsupported, TEXT));
    }
}

#[test]
fn a_pipe_neither_peeks_nor_shuts_down() {
    let (read, write) = ChannelFile::pipe().expect("a pipe");
    write.write_all(b"x").expect("written");
    let mut byte = [0];
    let iov = &mut [std::io::IoSliceMut::new(&mut byte)];
    let e = read
        .readv_full(iov, None, ReadFlags::PEEK)
        .expect_err("unable");
    assert_eq!(e.kind(), ErrorKind::InvalidInput);
    let e = write.shutdown(Shutdown::Write).expect_err("unable");
    assert_eq!(e.to_string(), "Data path shutdown not supported");
    read.read_all(&mut byte).expect("still there");
}

#[test]
fn any_descriptor_gets_the_channel_that_fits() {
    let (socket, mut peer) = UnixStream::pair().expect("a socketpair");
    let (read, _write) = std::io::pipe().expect("a pipe");
    let null = File::options()
        .write(true)
        .open("/dev/null")
        .expect("/dev/null");
    let socket: Channel = channel_for_fd(socket.into()).expect("a socket");
    assert!(socket.is::<ChannelSocket>());
    peer.write_all(b"x").expect("written");
    socket.read_all(&mut [0]).expect("read");
    let pipe = channel_for_fd(read.into()).expect("a pipe");
    assert!(pipe.is::<ChannelFile>() && !pipe.has_feature(Feature::SEEKABLE));
    let file = channel_for_fd(tempfile::tempfile().expect("a file").into()).expect("a file");
    assert!(file.is::<ChannelFile>() && file.has_feature(Feature::SEEKABLE));
    let null = channel_for_fd(null.into()).expect("a device");
    assert!(null.is::<ChannelFile>());
    assert_eq!(null.write(b"gone").expect("written"), 4);
}

#[test]
fn a_file_is_always_ready() {
    let file = scratch();
    let got = file.wait(glib::IOCondition::IN | glib::IOCondition::OUT);
    assert!(!got.expect("at once").is_empty());
}

#[test]
fn an_open_file_outlives_its_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    let file = ChannelFile::new_path(&path, libc::O_RDWR | libc::O_CREAT, 0o600).expect("created");
    drop(directory);
    file.write_all(b"x").expect("written");
    file.pread_all(&mut [0], 0).expect("read");
}
