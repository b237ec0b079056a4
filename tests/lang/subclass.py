"""The part of the journey in Python with classes in Python: valid ones, and invalid ones."""

import ctypes
import os
import sys

from common import check, error_of, is_io, iterate_until, make_pair, wait_for
from gi.repository import Gio, GLib, Qio


class Echo(Qio.Channel):
    """Derived from the abstract class: what is written to it can be read from it."""

    def __init__(self, **properties):
        super().__init__(**properties)
        self.held = b""
        # Readable while something is held: what a reader waits for.
        self.bell, self.ringer = os.pipe()

    def do_io_write_bytes(self, data, fds, flags):
        if not self.held:
            os.write(self.ringer, b"!")
        self.held += data.get_data()
        return data.get_size()

    def do_io_read_bytes(self, count, flags):
        if not self.held:
            raise GLib.Error.new_literal(Gio.io_error_quark(), "Nothing is held", Gio.IOErrorEnum.WOULD_BLOCK)
        taken, self.held = self.held[:count], self.held[count:]
        if not self.held:
            os.read(self.bell, 1)
        return GLib.Bytes.new(taken), None

    def do_io_set_blocking(self, enabled):
        return 0

    def do_io_close(self):
        os.close(self.bell)
        os.close(self.ringer)
        return 0

    def do_io_wait_fd(self, condition):
        if condition & GLib.IOCondition.OUT:
            return Qio.CHANNEL_WAIT_NOW, 0
        return self.bell, GLib.IOCondition.IN


class Upper(Qio.ChannelFile):
    """Derived from the class of files: reads return capital letters."""

    closes = 0

    def do_io_read_bytes(self, count, flags):
        data, fds = Qio.ChannelFile.do_io_read_bytes(self, count, flags)
        return GLib.Bytes.new(data.get_data().upper()), fds

    def do_io_close(self):
        self.closes += 1
        return Qio.ChannelFile.do_io_close(self)


class Counter(Qio.ChannelSocket):
    """Derived from the class of sockets: counts the transferred bytes."""

    sent = received = 0

    def do_io_write_bytes(self, data, fds, flags):
        count = Qio.ChannelSocket.do_io_write_bytes(self, data, fds, flags)
        self.sent += count
        return count

    def do_io_read_bytes(self, count, flags):
        data, fds = Qio.ChannelSocket.do_io_read_bytes(self, count, flags)
        self.received += data.get_size()
        return data, fds


class Wrong(Qio.Channel):
    """Returns the invalid results that the test configures."""

    def __init__(self, read=None, watch=None):
        super().__init__()
        self.read, self.watch = read, watch

    def do_io_read_bytes(self, count, flags):
        return self.read(count), None

    def do_io_create_watch(self, condition):
        return self.watch()


def read_in_c(channel, count):
    """What C code reads from a channel, through qio_channel_read()."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    read = ctypes.CDLL("libqio-1.0.so.0").qio_channel_read
    read.restype = ctypes.c_ssize_t
    read.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
    memory = ctypes.create_string_buffer(count)
    got = read(pointer(channel.__gpointer__, None), memory, count, None)
    return memory.raw[:got] if got >= 0 else got


def derived_from_abstract():
    check_abstract()
    echo = Echo(name="echo")
    check(is_io(error_of(echo.read_bytes, 1), Gio.IOErrorEnum.WOULD_BLOCK))
    check(read_in_c(echo, 1) == -2)
    echo.write_bytes_all(GLib.Bytes.new(b"abcde"))
    check(read_in_c(echo, 2) == b"ab")
    check(echo.read_bytes_all(3).get_data() == b"cde")

    # One small method is enough to wait by a watch, and asynchronously.
    calls = []

    def note(channel, condition, *data):
        calls.append(condition)
        return GLib.SOURCE_REMOVE

    echo.add_watch(GLib.IOCondition.IN, note)
    echo.add_watch(GLib.IOCondition.OUT, note)
    iterate_until(lambda: calls)
    check(calls == [GLib.IOCondition.OUT])
    echo.write_bytes(GLib.Bytes.new(b"x"))
    iterate_until(lambda: len(calls) > 1)
    check(calls[1] == GLib.IOCondition.IN)
    check(echo.read_bytes(8).get_data() == b"x")

    results = []
    echo.read_bytes_all_async(8, GLib.PRIORITY_DEFAULT, None, lambda source, result: results.append(result))
    echo.write_bytes_all(GLib.Bytes.new(b"by bytes"))
    iterate_until(lambda: results)
    check(echo.read_bytes_all_finish(results[0]).get_data() == b"by bytes")

    # The base class reports what it does not implement.
    check(is_io(error_of(echo.io_seek, 0, os.SEEK_SET), Gio.IOErrorEnum.NOT_SUPPORTED))
    echo.set_cork(True)
    echo.close()
    check(is_io(error_of(echo.write_bytes, GLib.Bytes.new(b"x")), Gio.IOErrorEnum.CLOSED))


def check_abstract():
    try:
        Qio.Channel()
    except TypeError:
        return
    check(False)


def derived_from_concrete():
    upper = Upper()
    reader, writer = os.pipe()
    upper.adopt_fd(reader)
    os.write(writer, b"abcdefgh")
    check(upper.read_bytes_all(3).get_data() == b"ABC")
    check(read_in_c(upper, 3) == b"DEF")
    check(upper.read_bytes(10).get_data() == b"GH")
    upper.close()
    upper.close()
    check(upper.closes == 1)
    os.close(writer)

    peer, other = make_pair()
    counter = Counter()
    counter.adopt_fd(os.dup(other.get_fd()))
    counter.write_bytes_all(GLib.Bytes.new(b"four"))
    check(peer.read_bytes_all(4).get_data() == b"four")
    peer.write_bytes_all(GLib.Bytes.new(b"xyz"))
    check(wait_for(counter.read_bytes_all_async, counter.read_bytes_all_finish, 3).get_data() == b"xyz")
    check((counter.sent, counter.received) == (4, 3))


def raising(error):
    def call(*args):
        raise error

    return call


def wrong_classes():
    # An error of GLib is the caller's; of any other exception he learns that there was one.
    denied = GLib.Error.new_literal(Gio.io_error_quark(), "Not today", Gio.IOErrorEnum.PERMISSION_DENIED)
    error = error_of(Wrong(read=raising(denied)).read_bytes, 1)
    check(is_io(error, Gio.IOErrorEnum.PERMISSION_DENIED) and error.message == "Not today")
    hook, sys.excepthook = sys.excepthook, lambda *args: None
    check(is_io(error_of(Wrong(read=raising(ValueError("x"))).read_bytes, 1), Gio.IOErrorEnum.FAILED))
    sys.excepthook = hook
    # No result, and too much of it.
    check(is_io(error_of(Wrong(read=lambda count: None).read_bytes, 1), Gio.IOErrorEnum.FAILED))
    more = Wrong(read=lambda count: GLib.Bytes.new(b"x" * (count + 1)))
    check(is_io(error_of(more.read_bytes, 1), Gio.IOErrorEnum.FAILED))

    # A watch of a descriptor, in place of one of the channel's own.
    calls = []

    def note(channel, condition, *data):
        calls.append((channel, condition))
        return GLib.SOURCE_REMOVE

    reader, writer = os.pipe()
    os.write(writer, b"x")
    piped = Wrong(watch=lambda: piped.create_fd_watch(reader, GLib.IOCondition.IN))
    piped.add_watch(GLib.IOCondition.IN, note)
    iterate_until(lambda: calls)
    check(calls == [(piped, GLib.IOCondition.IN)])
    os.close(reader)
    os.close(writer)

    # A source of GIO, whose callback has other arguments.
    calls.clear()
    stream = Gio.MemoryInputStream.new_from_bytes(GLib.Bytes.new(b"x"))
    for make in (lambda: pollable.create_child_watch(GLib.IOCondition.IN, stream.create_source(None)),
                 lambda: stream.create_source(None)):
        pollable = Wrong(watch=make)
        pollable.add_watch(GLib.IOCondition.IN, note)
        iterate_until(lambda: calls)
        check(calls == [(pollable, GLib.IOCondition.IN)])
        calls.clear()
    cancellable = Gio.Cancellable()
    stopped = Wrong(watch=cancellable.source_new)
    stopped.add_watch(GLib.IOCondition.IN, note)
    GLib.idle_add(cancellable.cancel)
    iterate_until(lambda: calls)
    check(calls == [(stopped, GLib.IOCondition.IN)])

    # A source of another kind calls the callback nevertheless, and a missing source is reported.
    calls.clear()
    timer = Wrong(watch=lambda: GLib.Timeout(1))
    timer.add_watch(GLib.IOCondition.IN, note)
    iterate_until(lambda: calls)
    check(calls == [(timer, GLib.IOCondition.IN)])
    calls.clear()
    broken = Wrong(watch=lambda: None)
    broken.add_watch(GLib.IOCondition.IN, note)
    iterate_until(lambda: calls)
    check(calls == [(broken, GLib.IOCondition.NVAL)])


derived_from_abstract()
derived_from_concrete()
wrong_classes()
print("subclass: ok")
