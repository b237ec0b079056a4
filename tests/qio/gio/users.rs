//! What takes a stream of GIO: readers of lines, converters, D-Bus, TLS.

use gio::{
    Cancellable, ConverterInputStream, ConverterOutputStream, DBusConnection, DBusConnectionFlags,
    DataInputStream, ZlibCompressor, ZlibCompressorFormat, ZlibDecompressor, prelude::*,
};
use qio::{ChannelBuffer, ChannelSocket, IoStream, prelude::*};

use crate::{
    common::{in_time, on_loop},
    layer::tls::fixtures::before_handshake,
};

#[test]
fn a_data_input_stream_reads_1000_lines_of_a_channel_asynchronously() {
    on_loop(|| async {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        let lines = DataInputStream::new(&here.io_stream().input_stream());
        let reading = async {
            for i in 0..1000 {
                let line = lines.read_line_utf8_future(glib::Priority::DEFAULT).await;
                assert_eq!(
                    line.expect("a line").expect("not the end"),
                    format!("line {i}")
                );
            }
        };
        let writing = async {
            for i in 0..1000 {
                let line = format!("line {i}\n");
                there
                    .write_all_future(line.as_bytes())
                    .await
                    .expect("written");
            }
        };
        futures_util::future::join(reading, writing).await;
    });
}

#[test]
fn a_data_input_stream_reads_lines_of_a_channel_blocking() {
    in_time(|| {
        let channel = ChannelBuffer::from(b"one\ntwo\n".to_vec());
        let lines = DataInputStream::new(&channel.io_stream().input_stream());
        for expected in [Some("one"), Some("two"), None] {
            let line = lines.read_line_utf8(Cancellable::NONE).expect("a line");
            assert_eq!(line.as_deref(), expected);
        }
    });
}

#[test]
fn converters_compress_and_decompress_over_a_channel() {
    in_time(|| {
        let data: Vec<u8> = (0..200_000).map(|i| (i / 7 % 251) as u8).collect();
        let channel = ChannelBuffer::new(0);
        let compressor = ZlibCompressor::new(ZlibCompressorFormat::Gzip, -1);
        let output = ConverterOutputStream::new(&channel.io_stream().output_stream(), &compressor);
        output.write_all(&data, Cancellable::NONE).expect("written");
        output.close(Cancellable::NONE).expect("closed");
        channel
            .seek(std::io::SeekFrom::Start(0))
            .expect("the start");
        let decompressor = ZlibDecompressor::new(ZlibCompressorFormat::Gzip);
        let input = ConverterInputStream::new(&channel.io_stream().input_stream(), &decompressor);
        let mut read = Vec::new();
        loop {
            let bytes = input.read_bytes(65_536, Cancellable::NONE).expect("data");
            if bytes.is_empty() {
                break;
            }
            read.extend_from_slice(&bytes);
        }
        assert!(read == data);
    });
}

/// Two connections over streams of channels: one calls a method of the other.
async fn call_over(server: &IoStream, client: &IoStream) {
    let guid = gio::dbus_generate_guid();
    let flags = DBusConnectionFlags::AUTHENTICATION_SERVER
        | DBusConnectionFlags::AUTHENTICATION_ALLOW_ANONYMOUS;
    let server = DBusConnection::new_future(server, Some(&guid), flags, None);
    let flags = DBusConnectionFlags::AUTHENTICATION_CLIENT;
    let client = DBusConnection::new_future(client, None, flags, None);
    let (server, client) = futures_util::future::join(server, client).await;
    let (server, client) = (server.expect("a server"), client.expect("a client"));

    let xml = "<node><interface name='org.example.Echo'><method name='Echo'>\
               <arg type='s' direction='in'/><arg type='s' direction='out'/>\
               </method></interface></node>";
    let node = gio::DBusNodeInfo::for_xml(xml).expect("valid");
    let interface = node.lookup_interface("org.example.Echo").expect("there");
    let _registered = server
        .register_object("/", &interface)
        .method_call(|_, _, _, _, _, parameters, invocation| {
            invocation.return_value(Some(&parameters));
        })
        .build()
        .expect("registered");
    for size in [1, 100_000] {
        let text = "x".repeat(size);
        let reply = client
            .call_future(
                None,
                "/",
                "org.example.Echo",
                "Echo",
                Some(&(&text,).to_variant()),
                None,
                gio::DBusCallFlags::NONE,
                60_000,
            )
            .await
            .expect("a reply");
        assert_eq!(reply.get::<(String,)>().expect("a text").0, text);
    }
    let closed = Cancellable::new();
    let on_closed = closed.clone();
    server.connect_closed(move |_, _, _| on_closed.cancel());
    client.close_future().await.expect("closed");
    closed.future().await;
}

#[test]
fn two_dbus_connections_talk_over_a_pair_of_channels() {
    on_loop(|| async {
        let (here, there) = ChannelSocket::pair().expect("a pair");
        call_over(&here.io_stream(), &there.io_stream()).await;
        assert!(there.is_closed());
    });
}

#[test]
fn two_dbus_connections_talk_over_tls() {
    on_loop(|| async {
        let (client, server) = before_handshake();
        call_over(&server.io_stream(), &client.io_stream()).await;
    });
}
