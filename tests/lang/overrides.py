"""What data/python/gi/overrides adds for Python, but for `await`."""

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
plain = ValueError("no idea")


def show(kind, error, traceback):
    if error is plain:
        shown.append(error)
    else:
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = show
for error in every_slot_of(Raising(plain)):
    assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.FAILED), error
    assert error.message == "ValueError: no idea", error
assert shown == [plain] * 6
shown.clear()
# What has a number keeps it, and is no surprise to the author of the class.
for error in every_slot_of(Raising(PermissionError(13, "Not today", "file"))):
    assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.PERMISSION_DENIED), error
    assert "Not today: 'file'" in error.message, error
codes = [error.code for error in every_slot_of(Raising(BlockingIOError(11, "Later")))]
# A flush has to wait then, for which this class has no virtual function.
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


class Returning(Qio.Channel):
    """A class whose methods return what they are given."""

    def __init__(self, result):
        super().__init__()
        self.result = result
        self.set_feature(Qio.ChannelFeature.FD_PASS)

    def give(self, *_):
        return self.result

    do_io_set_blocking = do_io_flush = do_io_read_bytes = do_io_write_bytes = do_io_close = give
    do_qio_channel_io_seek = do_io_wait_fd = do_io_create_watch = do_io_get_credentials = give


# Any buffer, alone or with descriptors, which the caller then has.
for buffer in (b"data", bytearray(b"data"), memoryview(b"data"), GLib.Bytes.new(b"data")):
    assert Returning(buffer).read_bytes(10).get_data() == b"data"
    for none in (None, [], ()):
        data, fds = Returning((buffer, none)).read_bytes_with_fds(10, 0)
        assert data.get_data() == b"data" and fds is None
read, write = os.pipe()
data, fds = Returning((b"data", [read])).read_bytes_with_fds(10, 0)
assert data.get_data() == b"data" and fds.get_length() == 1
data, again = Returning((b"data", fds)).read_bytes_with_fds(10, 0)
assert again.get_length() == 1
# The other end is closed once the list is freed.
del fds, again, data
try:
    os.write(write, b"x")
except BrokenPipeError:
    pass
else:
    raise AssertionError("a descriptor is left open")
not_open = error_of(Returning((b"data", [write + 1000])).read_bytes, 10)
place = f"Returning.do_io_read_bytes() returned descriptor {write + 1000}: Bad file descriptor"
assert place in not_open.message, not_open
# A condition may be a number.
assert Returning((write, int(GLib.IOCondition.OUT))).wait_timeout(GLib.IOCondition.OUT, 0) is not None

# What is wrong is named: the slot, what it returned, and what was expected.
sys.excepthook = lambda kind, error, traceback: shown.append(str(error))
wrong_results = ((b"x", 5), "(bytes, 5)"), ("text", "str"), (5.5, "float"), (True, "bool"), (1 << 70, 1 << 70), (-1, -1)
for wrong, described in wrong_results:
    channel = Returning(wrong)
    for slot, call, expected in (
        ("do_io_read_bytes", lambda: channel.read_bytes(1), "bytes, another buffer or GLib.Bytes, alone or in"),
        ("do_io_write_bytes", lambda: channel.write_bytes(b"x"), "an int, the number of bytes that were written"),
        ("do_qio_channel_io_seek", lambda: channel.io_seek(0, 0), "an int, the new position"),
        ("do_io_flush", channel.flush, "nothing, or 0"),
        ("do_io_set_blocking", lambda: channel.set_blocking(False), "nothing, or 0"),
        ("do_io_get_credentials", channel.get_credentials, "Gio.Credentials"),
        ("do_io_close", channel.close, "nothing, or 0"),
    ):
        error = error_of(call)
        reason = f"Returning.{slot}() returned {described}, expected {expected}"
        assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.FAILED) and reason in error.message, error
shown.clear()
# These have no place for an error: it is shown.
channel = Returning("text")
assert channel.create_watch(GLib.IOCondition.IN, lambda *_: False) is not None
channel.wait_timeout(GLib.IOCondition.IN, 0)
for slot, expected in (("do_io_create_watch", "a GLib.Source"), ("do_io_wait_fd", "a tuple of a descriptor")):
    assert any(f"Returning.{slot}() returned str, expected {expected}" in text for text in shown), (slot, shown)
sys.excepthook = show

# A watch has its callback from the beginning, or later, as those of GLib.
here, there = Qio.ChannelSocket.new_pair()
calls = []


def note(*arguments):
    calls.append(arguments)
    return GLib.SOURCE_REMOVE


sources = [here.create_watch(GLib.IOCondition.IN, note, "first"), here.create_watch(GLib.IOCondition.IN)]
sources[1].set_callback(note, "second")
for source in sources:
    source.attach(None)
there.write_bytes(b"x")
while len(calls) < 2:
    GLib.MainContext.default().iteration(True)
assert sorted(call[2] for call in calls) == ["first", "second"]
assert all(call[:2] == (here, GLib.IOCondition.IN) for call in calls)
assert all(source.is_destroyed() for source in sources)

# Addresses are text.
texts = ["tcp:[::1]:80", "unix:@name", "tcp::80"]
addresses = [Qio.NetAddress.new_from_string(text) for text in texts]
assert [str(address) for address in addresses] == texts and texts[0] in repr(addresses[0])
assert addresses[0] == addresses[0].copy() and not addresses[0] != addresses[0].copy()
assert addresses[0] != addresses[2] and addresses[2] != texts[2] and len({*addresses, *addresses}) == 3
print("overrides: ok")
