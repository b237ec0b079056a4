"""What data/python/gi/overrides/Qio.py adds for Python."""

import gi

gi.require_version("Qio", "1.0")
from gi.repository import GLib, Qio

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
print("overrides: ok")
