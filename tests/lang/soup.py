"""libsoup over channels, with TLS of channels: a server of HTTP, and WebSockets at both ends."""

import gi

gi.require_version("Soup", "3.0")

from common import check, iterate_until, make_pair, wait_for
from gi.repository import Gio, GLib, Qio, Soup

# A WebSocket message.
DATA = bytes(range(250)) * 12_000


def creds(endpoint):
    builder = Qio.TlsCredsBuilder.new(endpoint)
    builder.add_psk("alice", b"sixteen bytes...")
    return builder.build()


def make_streams():
    one, other = make_pair()
    client = Qio.ChannelTLS.new_client(one, creds(Qio.TlsEndpoint.CLIENT), None)
    server = Qio.ChannelTLS.new_server(other, creds(Qio.TlsEndpoint.SERVER))
    return Qio.IOStream.new(client), Qio.IOStream.new(server)


def http():
    client, stream = make_streams()
    server = Soup.Server()

    def answer(server, message, path, *args):
        message.set_status(200, None)
        message.get_response_body().append(path.encode())
        message.get_response_body().complete()

    server.add_handler(None, answer)
    address = Gio.InetSocketAddress.new_from_string("127.0.0.1", 80)
    check(server.accept_iostream(stream, address, address))
    channel = client.get_channel()
    channel.set_blocking(False)
    request = GLib.Bytes.new(b"GET /path HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
    wait_for(channel.write_bytes_all_async, channel.write_bytes_all_finish, request)
    # An end without close_notify would be an error.
    answered = wait_for(channel.read_to_end_async, channel.read_to_end_finish, 10000).get_data()
    check(answered.startswith(b"HTTP/1.1 200 OK\r\n"))
    check(answered.endswith(b"\r\n\r\n/path"))


def websocket(stream, kind):
    uri = GLib.Uri.parse("wss://test/", GLib.UriFlags.NONE)
    connection = Soup.WebsocketConnection.new(stream, uri, kind, None, None, [])
    connection.set_max_incoming_payload_size(len(DATA))
    return connection


def websockets():
    here, there = make_streams()
    client = websocket(here, Soup.WebsocketConnectionType.CLIENT)
    server = websocket(there, Soup.WebsocketConnectionType.SERVER)
    received, closed = [], []
    server.connect("message", lambda connection, kind, message: connection.send_message(kind, message))
    client.connect("message", lambda connection, kind, message: received.append(message))
    client.connect("closed", closed.append)
    server.connect("closed", closed.append)
    for count in (1, 2):
        client.send_message(Soup.WebsocketDataType.BINARY, GLib.Bytes.new(DATA))
        iterate_until(lambda: len(received) == count)
        check(received[-1].get_data() == DATA)
    client.close(Soup.WebsocketCloseCode.NORMAL, None)
    iterate_until(lambda: len(closed) == 2)
    check(server.get_close_code() == Soup.WebsocketCloseCode.NORMAL)
    check(here.get_channel().is_closed() and there.get_channel().is_closed())


http()
websockets()
print("soup: ok")
