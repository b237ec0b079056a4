"""Python exits while another thread executes, or is about to execute, its code.

The argument is what that thread does. Python before 3.14 ends the thread by pthread_exit().
"""

import ctypes
import os
import pathlib
import sys
import tempfile
import threading
import time
from functools import partial

from common import check, error_of, is_io, iterate_until, make_pair, psk_creds
from gi.repository import Gio, GLib, Qio


class Exit:
    """Unblocks the thread once Python is exiting, and gives it time: it cannot report its end."""

    def __init__(self, unblock):
        self.unblock = unblock

    def __del__(self, sleep=time.sleep):
        self.unblock()
        sleep(0.3)


class Output(Gio.OutputStream):
    """Writes when a pipe is readable."""

    def __init__(self, gate):
        super().__init__()
        self.gate = gate
        self.begun = threading.Event()

    def do_write_fn(self, buffer, count, cancellable):
        self.begun.set()
        return len(os.read(self.gate, 1))


def in_call():
    """The thread executes a function of a class in Python."""
    gate, unblock = os.pipe()
    stream = Output(gate)
    channel = Qio.ChannelIOStream.new_pair(None, stream)
    channel.set_blocking(False)
    check(channel.write_bytes(b"1") == 1)
    check(stream.begun.wait(60))
    return Exit(partial(os.write, unblock, b"x")), channel


def would_block(call, *args):
    try:
        call(*args)
    except GLib.Error as e:
        return is_io(e, Gio.IOErrorEnum.WOULD_BLOCK)
    return False


def has_blocked_thread():
    """Whether a thread of the pool sleeps: within its job, for which it was started."""
    states = [path.read_text() for path in pathlib.Path("/proc/self/task").glob("*/stat")]
    return any("(qio-blocking) S" in state for state in states)


def with_last_reference():
    """The thread holds the last reference to an object with an attribute of Python."""
    return Exit(partial(os.write, reading_thread(), b"x"))


def after_python():
    """The same, and the thread releases it once Python is finalized, in a handler of exit()."""
    at_exit = ctypes.CDLL(None)["__cxa_atexit"]
    at_exit.argtypes = [ctypes.c_void_p] * 3

    def call(function, argument):
        address = ctypes.cast(getattr(ctypes.CDLL(None), function), ctypes.c_void_p)
        check(at_exit(address, argument, None) == 0)

    # The last one is called first. It cannot report the end of the thread's work.
    call("usleep", 300_000)
    call("close", reading_thread())


def reading_thread():
    """Has a thread read from a FIFO. Returns the other end."""
    folder = tempfile.mkdtemp()
    fifo = os.path.join(folder, "fifo")
    os.mkfifo(fifo)
    unblock = os.open(fifo, os.O_RDWR)
    stream = Gio.File.new_for_path(fifo).read(None)
    os.remove(fifo)
    os.rmdir(folder)
    stream.attribute = "in the dictionary of the wrapper"
    channel = Qio.ChannelIOStream.new_pair(stream, None)
    channel.set_blocking(False)
    check(would_block(channel.read_bytes, 1))
    # In read(2), which ignores that closing the channel cancels it.
    while not has_blocked_thread():
        time.sleep(0.001)
    return unblock


def tls_pair():
    one, other = make_pair()
    client = Qio.ChannelTLS.new_client(one, psk_creds(Qio.TlsEndpoint.CLIENT), None)
    server = Qio.ChannelTLS.new_server(other, psk_creds(Qio.TlsEndpoint.SERVER))

    async def handshake():
        read = server.read_bytes_all_async(1)
        await client.write_bytes_all_async(b"1")
        await read

    Qio.run(handshake())
    return client, other


def closing():
    """The thread closes a channel, to which it holds the last reference."""
    client, other = tls_pair()
    client.set_blocking(False)
    while not would_block(client.write_bytes, bytes(100_000)):
        pass
    client.attribute = "in the dictionary of the wrapper"
    cancellable = Gio.Cancellable()
    results = []
    client.close_async(0, cancellable, lambda source, result: results.append(result))
    while not has_blocked_thread():
        GLib.MainContext.default().iteration(False)
    cancellable.cancel()
    iterate_until(lambda: results)
    check(is_io(error_of(client.close_finish, results.pop()), Gio.IOErrorEnum.CANCELLED))
    return Exit(other.close)


class Channel(Qio.Channel):
    """Reads from a pipe."""

    def __init__(self, fd):
        super().__init__()
        self.fd = fd
        self.begun = threading.Event()

    def do_io_read_bytes(self, count, flags):
        self.begun.set()
        return GLib.Bytes.new(os.read(self.fd, count)), None


def in_virtual_function():
    """A thread of Python reads from a channel of a class in Python."""
    fd, unblock = os.pipe()
    channel = Channel(fd)
    threading.Thread(target=channel.read_bytes_all, args=(1,), daemon=True).start()
    check(channel.begun.wait(60))
    return Exit(partial(os.write, unblock, b"x"))


def in_callback():
    """A thread of Python runs a main context that dispatches a watch."""
    channel, peer = make_pair()
    context = GLib.MainContext.new()
    fd, unblock = os.pipe()
    begun = threading.Event()

    def dispatch(*_arguments):
        begun.set()
        os.read(fd, 1)
        return False

    channel.add_watch_source(GLib.IOCondition.OUT, dispatch, None, context)
    threading.Thread(target=GLib.MainLoop.new(context, False).run, daemon=True).start()
    check(begun.wait(60))
    return Exit(partial(os.write, unblock, b"x")), peer


def in_pool():
    """A thread of a context pool calls a function for a client."""
    listener, pool = Qio.NetListener(), Qio.ContextPool.new(1)
    port = listener.open_port(0, 1)
    fd, unblock = os.pipe()
    begun = threading.Event()

    def serve(*_arguments):
        begun.set()
        os.read(fd, 1)

    listener.serve_on(pool, serve)
    client = Qio.NetAddress.new_from_string(f"tcp:127.0.0.1:{port}").connect_sync()
    check(begun.wait(60))
    # The last one is released first: the pool waits for the end of the thread.
    return listener, client, pool, Exit(partial(os.write, unblock, b"x"))


def with_callback():
    """A thread of a context pool releases a function that it has not called."""
    listener, pool = Qio.NetListener(), Qio.ContextPool.new(1)
    listener.open_port(0, 1)
    listener.serve_on(pool, print)
    return listener, pool


# The dictionary of this module stays, as its classes do: that of `sys` is cleared.
sys.kept = {
    "call": in_call,
    "reference": with_last_reference,
    "late": after_python,
    "close": closing,
    "class": in_virtual_function,
    "watch": in_callback,
    "pool": in_pool,
    "callback": with_callback,
}[sys.argv[1]]()
print("exit: ok")
