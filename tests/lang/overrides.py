"""What data/python/gi/overrides/Qio.py adds for Python, but for `await`."""

import os
import sys

import gi

gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, Qio

one, other = Qio.ChannelSocket.new_pair()
assert isinstance(one, Qio.Channel)
for data in (b"abc", bytearray(b"abc"), memoryview(b"abc"), GLib.Bytes.new(b"abc")):
    assert one.write_bytes(data) == 3
    assert other.read_bytes_all(3).get_data() == b"abc"
with one as channel:
    channel.write_bytes_all(memoryview(b"last"))
    assert not one.is_closed()
assert one.is_closed()
assert other.read_bytes(10).get_data() == b"last"

try:
    with other:
        raise KeyError("inside")
except KeyError:
    pass
assert other.is_closed()


class Memory(Qio.Channel):
    """A class in Python is a channel like any other."""

    def do_io_write_bytes(self, data, fds, flags):
        self.held = data.get_data()
        return data.get_size()

    def do_io_close(self):
        return 0


with Memory() as memory:
    assert memory.write_bytes(b"held") == 4
assert memory.held == b"held"
for wrong in (5, "text"):
    try:
        Qio.ChannelNull.new().write_bytes(wrong)
    except TypeError:
        continue
    raise AssertionError(f"{wrong!r} is not bytes")


class Raising(Qio.Channel):
    """A class whose methods raise what they are given."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def fail(self, *_):
        if self.error is not None:
            raise self.error

    do_io_set_blocking = do_io_flush = do_io_read_bytes = do_io_write_bytes = do_io_close = fail
    # By its long name.
    do_qio_channel_io_seek = fail


def error_of(call, *arguments):
    try:
        call(*arguments)
    except GLib.Error as error:
        return error
    raise AssertionError("no error")


def every_slot_of(channel):
    yield error_of(channel.set_blocking, False)
    yield error_of(channel.flush)
    yield error_of(channel.read_bytes, 1)
    yield error_of(channel.write_bytes, b"x")
    yield error_of(channel.io_seek, 0, os.SEEK_SET)
    yield error_of(channel.close)


# C would take the nothing that a raising method leaves for a success.
shown = []
plain, interrupt = ValueError("no idea"), KeyboardInterrupt()


def show(kind, error, traceback):
    if error in (plain, interrupt):
        shown.append(error)
    else:
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = show
for error in every_slot_of(Raising(plain)):
    assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.FAILED), error
    assert error.message == "ValueError: no idea", error
assert shown == [plain] * 6
shown.clear()
assert "KeyboardInterrupt" in error_of(Raising(interrupt).close).message and shown == [interrupt]
shown.clear()
# What has a number keeps it, and is no surprise to the author of the class.
for error in every_slot_of(Raising(PermissionError(13, "Not today", "file"))):
    assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.PERMISSION_DENIED), error
    assert "Not today: 'file'" in error.message, error
codes = [error.code for error in every_slot_of(Raising(BlockingIOError(11, "Later")))]
# A flush waits then, which nothing here tells how to do.
assert codes.pop(1) == Gio.IOErrorEnum.NOT_SUPPORTED
assert codes == [Gio.IOErrorEnum.WOULD_BLOCK] * 5
for error in every_slot_of(Raising(GLib.Error.new_literal(Gio.io_error_quark(), "own", Gio.IOErrorEnum.BUSY))):
    assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.BUSY) and error.message == "own", error
# Where nothing but a status is returned, nothing is a success.
silent = Raising(None)
silent.set_blocking(False)
silent.flush()
silent.close()
assert silent.is_closed() and not shown

# Addresses are text.
texts = ["tcp:[::1]:80", "unix:@name", "tcp::80"]
addresses = [Qio.NetAddress.new_from_string(text) for text in texts]
assert [str(address) for address in addresses] == texts and texts[0] in repr(addresses[0])
assert addresses[0] == addresses[0].copy() and not addresses[0] != addresses[0].copy()
assert addresses[0] != addresses[2] and addresses[2] != texts[2] and len({*addresses, *addresses}) == 3
print("overrides: ok")
