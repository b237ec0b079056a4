//! `channel_for_stream()` returns what is behind a stream.

use std::{fs, os::fd::IntoRawFd as _};

use gio::prelude::*;
use qio::{ChannelFile, ChannelIoStream, ChannelSocket, channel_for_stream, prelude::*};

use crate::common::{in_loop, in_time};

#[test]
fn a_connection_becomes_a_socket_that_outlives_it() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let connection = here.to_connection().expect("connected");
        here.close().expect("closed");
        let channel = channel_for_stream(&connection).expect("a channel");
        assert!(channel.is::<ChannelSocket>());
        connection.close(gio::Cancellable::NONE).expect("closed");
        channel.write_all(b"hello").expect("written");
        let mut word = [0; 5];
        there.read_all(&mut word).expect("read");
        assert_eq!(&word, b"hello");
    });
}

#[test]
fn a_closed_connection_stays_a_stream() {
    in_time(|| {
        let (here, _there) = ChannelSocket::pair().expect("a pair");
        let connection = here.to_connection().expect("connected");
        connection.close(gio::Cancellable::NONE).expect("closed");
        let channel = channel_for_stream(&connection).expect("a channel");
        assert!(channel.is::<ChannelIoStream>());
        assert!(channel.read(&mut [0]).is_err());
        assert!(ChannelSocket::from_connection(&connection).is_err());
    });
}

#[test]
fn a_wrapped_connection_is_not_its_socket() {
    in_time(|| {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let socket = gio::Socket::new(
            gio::SocketFamily::Ipv4,
            gio::SocketType::Stream,
            gio::SocketProtocol::Tcp,
        );
        let socket = socket.expect("a socket");
        let wrapper = gio::TcpWrapperConnection::new(&here.io_stream(), &socket);
        let channel = channel_for_stream(&wrapper).expect("a channel");
        assert!(channel.is::<ChannelIoStream>());
        channel.write_all(b"hello").expect("written");
        let mut word = [0; 5];
        there.read_all(&mut word).expect("read");
        assert_eq!(&word, b"hello");
    });
}

#[test]
fn a_stream_of_a_channel_becomes_that_channel() {
    let (here, _there) = ChannelSocket::pair().expect("a pair");
    let channel = channel_for_stream(&here.io_stream()).expect("a channel");
    assert_eq!(channel, here.upcast::<qio::Channel>());
}

#[test]
fn streams_of_one_descriptor_become_a_file_until_one_of_them_is_closed() {
    in_time(|| {
        // GIO registers the classes of its pipes.
        let flags = gio::SubprocessFlags::STDIN_PIPE | gio::SubprocessFlags::STDOUT_PIPE;
        let pipes = gio::Subprocess::newv(&["true".as_ref()], flags).expect("true");
        let classes = (pipes.stdout_pipe(), pipes.stdin_pipe());
        let null = fs::File::options().read(true).write(true).open("/dev/null");
        let fd = null.expect("/dev/null").into_raw_fd();
        let input = glib::Object::builder_with_type(classes.0.expect("a pipe").type_())
            .property("fd", fd)
            .build()
            .downcast::<gio::InputStream>();
        let output = glib::Object::builder_with_type(classes.1.expect("a pipe").type_())
            .property("fd", fd)
            .property("close-fd", false)
            .build()
            .downcast::<gio::OutputStream>();
        let (input, output) = (input.expect("an input"), output.expect("an output"));
        let stream = gio::SimpleIOStream::new(&input, &output);
        let channel = channel_for_stream(&stream).expect("a channel");
        assert!(channel.is::<ChannelFile>());
        // From now on the number is free for other descriptors.
        input.close(gio::Cancellable::NONE).expect("closed");
        let channel = channel_for_stream(&stream).expect("a channel");
        assert!(channel.is::<ChannelIoStream>());
    });
}

#[test]
fn pipes_of_a_process_stay_streams() {
    in_loop(|_| {
        let flags = gio::SubprocessFlags::STDIN_PIPE | gio::SubprocessFlags::STDOUT_PIPE;
        let cat = gio::Subprocess::newv(&["cat".as_ref()], flags).expect("cat");
        let (output, input) = (cat.stdout_pipe(), cat.stdin_pipe());
        let stream = gio::SimpleIOStream::new(&output.expect("a pipe"), &input.expect("a pipe"));
        let channel = channel_for_stream(&stream).expect("a channel");
        assert!(channel.is::<ChannelIoStream>());
        channel.write_all(b"hello").expect("written");
        channel.shutdown(qio::Shutdown::Write).expect("shut down");
        assert_eq!(channel.read_to_end(10).expect("all"), b"hello".as_slice());
    });
}
