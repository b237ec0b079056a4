"""The part of the journey in Python with streams of GIO as channels."""

import ctypes
import socket
import threading

from common import check, error_of, is_io, iterate_until, make_pair, psk_creds, wait_for
from gi.repository import Gio, GLib, Qio

# PyGObject passes no buffer to do_read_fn(): the function is set without its help.
READ_FN = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_void_p,
)
SIZE_OF_OBJECT_CLASS = 136


class Numbers(Gio.InputStream):
    """A stream in Python: it counts, slowly, and cannot poll."""

    all = {}

    def __init__(self, gate=None):
        super().__init__()
        self.gate = gate
        self.count = 0
        self.threads = set()
        # The hash of an object is its address.
        self.all[hash(self)] = self

    def read_into(self, buffer, count):
        if self.gate:
            self.gate.wait()
        self.threads.add(threading.get_ident())
        size = min(count, 3)
        ctypes.memmove(buffer, numbers(self.count, size), size)
        self.count += size
        return size


@READ_FN
def read_fn(stream, buffer, count, cancellable, error):
    return Numbers.all[stream].read_into(buffer, count)


def set_read_fn(python_class):
    library = ctypes.CDLL("libgobject-2.0.so.0")
    library.g_type_class_ref.argtypes = [ctypes.c_size_t]
    library.g_type_class_ref.restype = ctypes.c_void_p
    # The number of a type is the address of its node.
    stream_class = library.g_type_class_ref(hash(python_class.__gtype__))
    place = ctypes.c_void_p.from_address(stream_class + SIZE_OF_OBJECT_CLASS)
    place.value = ctypes.cast(read_fn, ctypes.c_void_p).value


class Sink(Gio.OutputStream):
    """A stream in Python that collects what is written."""

    def __init__(self):
        super().__init__()
        self.data = b""
        self.flushes = 0

    def do_write_fn(self, buffer, count, cancellable):
        if self.data.endswith(b"full"):
            raise GLib.Error.new_literal(Gio.io_error_quark(), "full", Gio.IOErrorEnum.NO_SPACE)
        self.data += buffer[:1000]
        return min(count, 1000)

    def do_flush(self, cancellable):
        self.flushes += 1
        return True


def numbers(first, count):
    return bytes((first + i) % 251 for i in range(count))


def class_in_python():
    stream = Numbers()
    channel = Qio.ChannelIOStream.new_pair(stream, None)
    check(channel.get_input_stream() is stream and channel.get_output_stream() is None)
    check(channel.read_bytes_all(10).get_data() == numbers(0, 10))
    read = wait_for(channel.read_bytes_all_async, channel.read_bytes_all_finish, 1000)
    check(read.get_data() == numbers(10, 1000))
    check(threading.get_ident() not in stream.threads)
    channel.close()
    check(stream.is_closed())


def output_in_python():
    sink = Sink()
    channel = Qio.ChannelIOStream.new_pair(None, sink)
    data = numbers(0, 5000)
    channel.write_bytes_all(data)
    check(sink.data == data)
    wait_for(channel.write_bytes_all_async, channel.write_bytes_all_finish, GLib.Bytes.new(data))
    channel.flush()
    check(sink.data == data + data and sink.flushes == 1)
    channel.write_bytes_all(b"full")
    check(is_io(error_of(channel.write_bytes_all, b"more"), Gio.IOErrorEnum.NO_SPACE))
    # Accepted, and reported by the next call.
    channel.set_blocking(False)
    check(channel.write_bytes(b"more") == 4)
    check(is_io(error_of(channel.flush), Gio.IOErrorEnum.NO_SPACE))
    wait_for(channel.close_async, channel.close_finish)
    check(sink.is_closed())


def cancelled():
    """What a cancelled read gets is not lost."""
    gate = threading.Event()
    channel = Qio.ChannelIOStream.new_pair(Numbers(gate), None)
    cancellable = Gio.Cancellable()
    results = []
    channel.read_bytes_async(
        3, GLib.PRIORITY_DEFAULT, cancellable, lambda source, result: results.append(result)
    )
    GLib.MainContext.default().iteration(False)
    cancellable.cancel()
    iterate_until(lambda: results)
    check(is_io(error_of(channel.read_bytes_finish, *results), Gio.IOErrorEnum.CANCELLED))
    gate.set()
    read = wait_for(channel.read_bytes_all_async, channel.read_bytes_all_finish, 6)
    check(read.get_data() == numbers(0, 6))


def watched():
    channel = Qio.ChannelIOStream.new_pair(Numbers(), None)
    channel.set_blocking(False)
    got = []

    def readable(channel, condition, data):
        try:
            got.append(channel.read_bytes(3).get_data())
        except GLib.Error as e:
            check(is_io(e, Gio.IOErrorEnum.WOULD_BLOCK))
        return len(got) < 5

    channel.add_watch(GLib.IOCondition.IN, readable)
    iterate_until(lambda: len(got) == 5)
    check(b"".join(got) == numbers(0, 15))


def process():
    flags = Gio.SubprocessFlags.STDIN_PIPE | Gio.SubprocessFlags.STDOUT_PIPE
    cat = Gio.Subprocess.new(["cat"], flags)
    channel = Qio.ChannelIOStream.new_pair(cat.get_stdout_pipe(), cat.get_stdin_pipe())
    channel.write_bytes_all(b"through a pipe")
    channel.shutdown(Qio.ChannelShutdown.WRITE)
    check(channel.read_to_end(100).get_data() == b"through a pipe")
    check(cat.wait())


def positions():
    file, stream = Gio.File.new_tmp(None)
    channel = Qio.ChannelIOStream.new(stream)
    check(channel.has_feature(Qio.ChannelFeature.SEEKABLE))
    channel.write_bytes_all(b"one\ntwo\nthree\n")
    check(channel.io_seek(4, 0) == 4)
    check(channel.read_line(100).get_data() == b"two")
    check(channel.io_seek(0, 1) == 8)
    channel.write_bytes_all(b"THREE")
    channel.io_seek(-6, 2)
    check(channel.read_to_end(100).get_data() == b"THREE\n")
    check(is_io(error_of(channel.io_seek, -1, 0), Gio.IOErrorEnum.INVALID_ARGUMENT))
    channel.close()
    file.delete()
    pair = Gio.SimpleIOStream.new(Gio.MemoryInputStream(), Gio.MemoryOutputStream.new_resizable())
    channel = Qio.ChannelIOStream.new(pair)
    check(not channel.has_feature(Qio.ChannelFeature.SEEKABLE))
    check(is_io(error_of(channel.io_seek, 0, 0), Gio.IOErrorEnum.NOT_SUPPORTED))


def relayed():
    """The relay between a class in Python and a socket."""
    one, other = make_pair()
    source = Qio.ChannelIOStream.new_pair(Numbers(), None)
    moved = wait_for(source.splice_to_async, source.splice_to_finish, one, 99, None)
    check(moved == 99)
    check(other.read_bytes_all(99).get_data() == numbers(0, 99))


class SocketInput(Numbers):
    """Reads from a socket of Python."""

    def __init__(self, socket):
        super().__init__()
        self.socket = socket

    def read_into(self, buffer, count):
        return self.socket.recv_into((ctypes.c_char * count).from_address(buffer), count)


class SocketOutput(Gio.OutputStream):
    """Writes to a socket of Python."""

    def __init__(self, socket):
        super().__init__()
        self.socket = socket

    def do_write_fn(self, buffer, count, cancellable):
        return self.socket.send(buffer)


def python_pair():
    """Two connected channels on streams in Python."""

    def channel(end):
        return Qio.ChannelIOStream.new_pair(SocketInput(end), SocketOutput(end))

    return map(channel, socket.socketpair())


def tls_over_python():
    one, other = python_pair()
    client = Qio.ChannelTLS.new_client(one, psk_creds(Qio.TlsEndpoint.CLIENT), None)
    server = Qio.ChannelTLS.new_server(other, psk_creds(Qio.TlsEndpoint.SERVER))
    data = numbers(0, 50_000)

    async def transfer():
        for sender, receiver in ((client, server), (server, client)):
            written = sender.write_bytes_all_async(data)
            read = await receiver.read_bytes_all_async(len(data))
            await written
            check(read.get_data() == data)

    Qio.run(transfer())


def connections():
    one, other = make_pair()
    connection = one.to_connection()
    check(connection.__gtype__.name == "GUnixConnection")
    connection.get_output_stream().write_all(b"ping")
    check(other.read_bytes_all(4).get_data() == b"ping")
    check(isinstance(Qio.ChannelSocket.new_from_connection(connection), Qio.ChannelSocket))
    check(isinstance(Qio.Channel.for_stream(connection), Qio.ChannelSocket))
    check(Qio.Channel.for_stream(Qio.IOStream.new(other)) is other)
    memory = Gio.MemoryInputStream.new_from_bytes(GLib.Bytes.new(b"data"))
    stream = Gio.SimpleIOStream.new(memory, Gio.MemoryOutputStream.new_resizable())
    channel = Qio.Channel.for_stream(stream)
    check(isinstance(channel, Qio.ChannelIOStream) and channel.props.io_stream is stream)
    check(channel.read_to_end(10).get_data() == b"data")
    check(is_io(error_of(Qio.ChannelIOStream.new_pair, None, None), Gio.IOErrorEnum.INVALID_ARGUMENT))


for python_class in (Numbers, SocketInput):
    set_read_fn(python_class)
class_in_python()
output_in_python()
cancelled()
watched()
process()
positions()
relayed()
tls_over_python()
connections()
print("gio_streams: ok")
