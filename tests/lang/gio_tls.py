"""GIO's own TLS over streams of channels, with ChannelTLS as the peer. QIO_TEST_PKI is a directory in QEMU's layout."""

import os

from common import check, iterate_until, make_pair, wait_for
from gi.repository import Gio, GLib, Qio

DATA = bytes(range(250)) * 4000


def path(name):
    return os.path.join(os.environ["QIO_TEST_PKI"], name)


def gio_client(channel):
    client = Gio.TlsClientConnection.new(Qio.IOStream.new(channel), Gio.NetworkAddress.new("localhost", 443))
    client.set_database(Gio.TlsFileDatabase.new(path("ca-cert.pem")))
    return client


def gio_server(channel):
    certificate = Gio.TlsCertificate.new_from_files(path("server-cert.pem"), path("server-key.pem"))
    return Gio.TlsServerConnection.new(Qio.IOStream.new(channel), certificate)


def qio_client(channel):
    builder = Qio.TlsCredsBuilder.new(Qio.TlsEndpoint.CLIENT)
    builder.add_trust_file(path("ca-cert.pem"))
    return Qio.IOStream.new(Qio.ChannelTLS.new_client(channel, builder.build(), "localhost"))


def qio_server(channel):
    builder = Qio.TlsCredsBuilder.new(Qio.TlsEndpoint.SERVER)
    builder.set_certificate_files(path("server-cert.pem"), path("server-key.pem"))
    return Qio.IOStream.new(Qio.ChannelTLS.new_server(channel, builder.build()))


def write(stream, results):
    def written(output, result):
        results.append(output.write_all_finish(result))

    stream.get_output_stream().write_all_async(DATA, GLib.PRIORITY_DEFAULT, None, written)


def read(stream, received):
    def have_read(source, result):
        data = source.read_bytes_finish(result).get_data()
        received.extend(data)
        if data and len(received) < len(DATA):
            read(stream, received)

    stream.get_input_stream().read_bytes_async(100_000, GLib.PRIORITY_DEFAULT, None, have_read)


def exchange(make_client, make_server):
    here, there = make_pair()
    ends = client, server = make_client(here), make_server(there)
    written, received = [], (bytearray(), bytearray())
    for end, data in zip(ends, received):
        write(end, written)
        read(end, data)
    iterate_until(lambda: len(written) == 2 and all(len(data) == len(DATA) for data in received))
    check(received[0] == DATA and received[1] == DATA)
    # The end of the stream is close_notify.
    wait_for(client.close_async, client.close_finish)
    check(here.is_closed())
    source = server.get_input_stream()
    check(wait_for(source.read_bytes_async, source.read_bytes_finish, 1).get_size() == 0)


exchange(gio_client, gio_server)
exchange(gio_client, qio_server)
exchange(qio_client, gio_server)
print("gio_tls: ok")
