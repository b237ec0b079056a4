"""A journey through the library in Python. Its stages are those of the other journeys of this folder."""

import ctypes
import inspect
import os
import sys
import tempfile

import gi

gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, GObject, Qio

NONE = Qio.ChannelReadFlags(0)


def check(condition):
    """Says where a condition does not hold, and gives up."""
    if not condition:
        caller = inspect.stack()[1]
        sys.exit(f"{caller.filename}:{caller.lineno}: {caller.code_context[0].strip()}")


def error_of(call, *args):
    """The GLib.Error that a call raises."""
    try:
        call(*args)
    except GLib.Error as error:
        return error
    caller = inspect.stack()[1]
    sys.exit(f"{caller.filename}:{caller.lineno}: no error")


def is_io(error, code):
    return error.matches(Gio.io_error_quark(), code)


def is_truncated(error):
    return error.matches(Qio.ChannelError.quark(), Qio.ChannelError.TRUNCATED)


def iterate_until(done, context=None):
    context = context or GLib.MainContext.default()
    while not done():
        context.iteration(True)


def wait_for(start, finish, *args, cancellable=None):
    """The result of an asynchronous call, once it is there."""
    results = []
    start(*args, GLib.PRIORITY_DEFAULT, cancellable, lambda source, result: results.append(result))
    check(not results)
    iterate_until(lambda: results)
    return finish(results[0])


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
    """Derived from the class of files: what is read comes in capitals."""

    closes = 0

    def do_io_read_bytes(self, count, flags):
        data, fds = Qio.ChannelFile.do_io_read_bytes(self, count, flags)
        return GLib.Bytes.new(data.get_data().upper()), fds

    def do_io_close(self):
        self.closes += 1
        return Qio.ChannelFile.do_io_close(self)


class Counter(Qio.ChannelSocket):
    """Derived from the class of sockets: counts what goes through it."""

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
    """Does what its owner tells it, which is wrong."""

    def __init__(self, read=None, watch=None):
        super().__init__()
        self.read, self.watch = read, watch

    def do_io_read_bytes(self, count, flags):
        return self.read(count), None

    def do_io_create_watch(self, condition):
        return self.watch()


def files(directory):
    path = os.path.join(directory, "file")
    file = Qio.ChannelFile.new_path(path, os.O_RDWR | os.O_CREAT, 0o600)
    check(file.get_path() == path and file.props.path == path)
    check(file.has_feature(Qio.ChannelFeature.SEEKABLE))
    check(not file.has_feature(Qio.ChannelFeature.FD_PASS))
    file.write_bytes_all(GLib.Bytes.new(b"hello"))
    check(file.io_seek(1, os.SEEK_SET) == 1)
    check(file.read_bytes(16).get_data() == b"ello")

    # The end of the file.
    check(file.read_bytes(16).get_size() == 0)
    check(file.read_bytes_all_eof(1) is None)
    check(file.io_seek(-2, os.SEEK_END) == 3)
    check(is_truncated(error_of(file.read_bytes_all, 3)))

    check(file.pread_bytes(3, 2).get_data() == b"llo")
    check(file.pwrite_bytes(GLib.Bytes.new(b"J"), 0) == 1)
    file.close()
    check(file.get_fd() == -1)
    check(is_io(error_of(file.read_bytes, 1), Gio.IOErrorEnum.CLOSED))

    missing = os.path.join(directory, "missing")
    error = error_of(Qio.ChannelFile.new_path, missing, os.O_RDONLY, 0)
    check(is_io(error, Gio.IOErrorEnum.NOT_FOUND) and missing in error.message)


def make_pair():
    return Qio.ChannelSocket.new_pair()


def pair():
    one, other = make_pair()
    one.set_blocking(False)

    # Nothing there.
    check(is_io(error_of(one.read_bytes, 16), Gio.IOErrorEnum.WOULD_BLOCK))
    check(is_io(error_of(one.wait_timeout, GLib.IOCondition.IN, 1000), Gio.IOErrorEnum.TIMED_OUT))
    check(one.wait_timeout(GLib.IOCondition.OUT, -1) == GLib.IOCondition.OUT)

    check(other.write_bytes(GLib.Bytes.new(b"abc")) == 3)
    check(one.read_bytes(16).get_data() == b"abc")
    other.shutdown(Qio.ChannelShutdown.WRITE)
    check(one.read_bytes(16).get_size() == 0)
    one.close()
    other.close()


def descriptors():
    """Sends the write end of a pipe through a socket, and writes through what arrives."""
    one, other = make_pair()
    reader, writer = os.pipe()
    fds = Gio.UnixFDList.new()
    fds.append(writer)
    check(one.write_bytes_with_fds(GLib.Bytes.new(b"f"), fds, 0) == 1)
    data, arrived = other.read_bytes_with_fds(10, NONE)
    check(data.get_data() == b"f" and arrived.get_length() == 1)
    os.write(arrived.peek_fds()[0], b"x")
    check(os.read(reader, 1) == b"x")

    one.write_bytes_with_fds_all(GLib.Bytes.new(b"gh"), fds, 0)
    data, arrived = other.read_bytes_with_fds_all(2)
    check(data.get_data() == b"gh" and arrived.get_length() == 1)

    one.write_bytes_all(GLib.Bytes.new(b"none"))
    data, arrived = other.read_bytes_with_fds(10, NONE)
    check(data.get_data() == b"none" and arrived is None)
    os.close(reader)
    os.close(writer)


def loopback():
    anywhere = Gio.InetSocketAddress.new(Gio.InetAddress.new_loopback(Gio.SocketFamily.IPV4), 0)
    listener = Qio.ChannelSocket.new()
    listener.listen_sync(anywhere, 5)
    check(listener.has_feature(Qio.ChannelFeature.LISTEN))
    address = listener.get_local_address()
    check(address.get_port() != 0)

    listener.set_blocking(False)
    check(is_io(error_of(listener.accept), Gio.IOErrorEnum.WOULD_BLOCK))
    client = Qio.ChannelSocket()
    client.connect_sync(address)
    listener.wait(GLib.IOCondition.IN)
    server = listener.accept()
    check(client.get_remote_address().get_port() == address.get_port())
    client.set_delay(False)
    client.write_bytes_all(GLib.Bytes.new(b"ping"))
    check(server.read_bytes_all(4).get_data() == b"ping")

    late = Qio.ChannelSocket()
    late.connect_sync(address)
    second = wait_for(listener.accept_async, listener.accept_finish)
    check(isinstance(second, Qio.ChannelSocket))

    listener.close()
    error = error_of(Qio.ChannelSocket().connect_sync, address)
    check(is_io(error, Gio.IOErrorEnum.CONNECTION_REFUSED))


def watches():
    one, other = make_pair()
    other.write_bytes_all(GLib.Bytes.new(b"w"))
    calls = []

    def note(channel, condition, *data):
        calls.append((channel, condition, *data))
        return GLib.SOURCE_REMOVE

    check(one.add_watch(GLib.IOCondition.IN, note) != 0)
    iterate_until(lambda: calls)
    check(calls[0][:2] == (one, GLib.IOCondition.IN))

    # On a private context: the default one has nothing to do with it.
    calls.clear()
    private = GLib.MainContext.new()
    source = one.create_watch(GLib.IOCondition.IN, note, "mine")
    source.attach(private)
    while GLib.MainContext.default().iteration(False):
        pass
    check(not calls)
    iterate_until(lambda: calls, private)
    check(calls == [(one, GLib.IOCondition.IN, "mine")])
    check(source.is_destroyed())
    calls.clear()
    one.add_watch(GLib.IOCondition.IN, note, "mine", private)
    iterate_until(lambda: calls, private)
    check(calls == [(one, GLib.IOCondition.IN, "mine")])

    # A source that is taken back.
    calls.clear()
    source = one.create_watch(GLib.IOCondition.IN, note)
    source.attach(private)
    source.destroy()
    check(not private.iteration(False) and not calls)

    # A hang-up is told, whatever was asked for.
    one.read_bytes_all(1)
    other.close()
    one.add_watch(GLib.IOCondition.IN, note)
    iterate_until(lambda: calls)
    check(calls[0][1] & GLib.IOCondition.HUP)


def asynchronous():
    one, other = make_pair()
    hello = GLib.Bytes.new(b"hello")

    # The read comes first, and waits.
    results = []
    one.read_bytes_all_async(5, GLib.PRIORITY_DEFAULT, None, lambda source, result: results.append(result))
    wait_for(other.write_bytes_all_async, other.write_bytes_all_finish, hello)
    iterate_until(lambda: results)
    check(one.read_bytes_all_finish(results[0]).get_data() == b"hello")

    # A read that somebody cancels loses no data.
    cancellable = Gio.Cancellable()
    cancellable.cancel()
    try:
        wait_for(one.read_bytes_async, one.read_bytes_finish, 5, cancellable=cancellable)
        check(False)
    except GLib.Error as error:
        check(is_io(error, Gio.IOErrorEnum.CANCELLED))
    other.write_bytes_all(hello)
    check(wait_for(one.ready_async, one.ready_finish, GLib.IOCondition.IN) == GLib.IOCondition.IN)
    check(wait_for(one.read_bytes_async, one.read_bytes_finish, 2).get_data() == b"he")
    data, fds = wait_for(one.read_bytes_with_fds_async, one.read_bytes_with_fds_finish, 2, NONE)
    check(data.get_data() == b"ll" and fds is None)

    # The end, in the middle and at the start.
    other.shutdown(Qio.ChannelShutdown.WRITE)
    try:
        wait_for(one.read_bytes_all_async, one.read_bytes_all_finish, 10)
        check(False)
    except GLib.Error as error:
        check(is_truncated(error))
    check(wait_for(one.read_bytes_all_eof_async, one.read_bytes_all_eof_finish, 10) is None)
    wait_for(one.close_async, one.close_finish)
    check(one.is_closed())


def properties():
    one, other = make_pair()
    notified = []
    one.connect("notify", lambda channel, pspec: notified.append(pspec.name))
    one.props.name = "first"
    one.props.blocking = False
    check(one.get_name() == "first" and not one.get_blocking())
    one.set_name("first")
    one.close()
    one.close()
    check(one.props.closed and not one.props.blocking)
    check(one.props.features == one.get_features())
    check(one.props.features & Qio.ChannelFeature.FD_PASS)
    check([name for name in notified if name in ("name", "blocking", "closed")] == ["name", "blocking", "closed"])
    one.set_name(None)
    check(one.get_name() is None)


def others():
    command = Qio.ChannelCommand.new_spawn(["cat"], os.O_RDWR)
    command.write_bytes_all(GLib.Bytes.new(b"child"))
    check(command.read_bytes_all(5).get_data() == b"child")
    check(command.get_exit_status()[0] is False)
    command.close()
    check(command.get_exit_status() == (True, 0))

    memory = Qio.ChannelBuffer.new(16)
    memory.write_bytes_all(GLib.Bytes.new(b"memory"))
    check(memory.get_data().get_data() == b"memory")
    nothing = Qio.ChannelNull.new()
    check(nothing.write_bytes(GLib.Bytes.new(b"void")) == 4)
    check(nothing.read_bytes(5).get_size() == 0)


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

    # What it does not do, the base class says.
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

    # A source of another kind calls the callback nevertheless, and no source at all says so.
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


with tempfile.TemporaryDirectory(prefix="qio-journey-") as directory:
    files(directory)
pair()
descriptors()
loopback()
watches()
asynchronous()
properties()
others()
derived_from_abstract()
derived_from_concrete()
wrong_classes()
print("journey: ok")
