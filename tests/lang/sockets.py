"""Sockets of every kind in Python: messages, options, peer credentials, zero-copy writes."""

import os

import gi

gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, Qio

PACKETS = Gio.SocketType.SEQPACKET
ZERO_COPY = Qio.ChannelWriteFlags.ZERO_COPY


def any_port():
    host = Gio.InetAddress.new_loopback(Gio.SocketFamily.IPV4)
    return Gio.InetSocketAddress.new(host, 0)


server = Qio.ChannelSocket()
server.dgram_sync(any_port(), None)
client = Qio.ChannelSocket()
loop = GLib.MainLoop()
opened = []


def done(source, result):
    source.dgram_finish(result)
    opened.append(source)
    loop.quit()


client.dgram_async(any_port(), server.get_local_address(), 0, None, done)
loop.run()
assert opened == [client]
assert client.props.socket_type == Gio.SocketType.DATAGRAM
assert client.write_bytes(b"question") == 8
assert server.get_next_message_size() == 8
data, sender = server.receive_from(64)
assert data.get_data() == b"question"
assert sender.get_port() == client.get_local_address().get_port()
assert server.send_to(GLib.Bytes.new(b""), sender) == 0
assert client.read_bytes(64).get_data() == b""
client.write_bytes(b"too long")
try:
    server.read_bytes(2)
    raise SystemExit("no error")
except GLib.Error as error:
    assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.MESSAGE_TOO_LARGE)

one, other = Qio.ChannelSocket.new_pair_of_type(PACKETS)
assert one.get_socket_type() == PACKETS
one.write_bytes(b"ab")
one.write_bytes(b"c")
assert [other.read_bytes(9).get_data() for _ in range(2)] == [b"ab", b"c"]
assert one.get_peer_credentials() == (os.getpid(), os.getuid(), os.getgid())
assert one.get_credentials().get_unix_pid() == os.getpid()
assert Qio.ChannelSocket(socket_type=PACKETS).props.socket_type == PACKETS

listener = Qio.ChannelSocket()
listener.listen_sync(any_port(), 1)
client = Qio.ChannelSocket()
client.connect_sync(listener.get_local_address())
server = listener.accept()
client.props.keep_alive = True
assert client.get_keep_alive() == 1
client.set_user_timeout(1234)
assert client.props.user_timeout == 1234
client.write_bytes_with_fds_all(GLib.Bytes.new(b"z" * 50000), None, ZERO_COPY)
assert server.read_bytes_all(50000).get_data() == b"z" * 50000
assert client.flush() == 1, "to this machine all is copied"
assert client.flush() == 0
print("sockets: ok")
