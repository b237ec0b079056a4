"""What annotations cannot say: `with`, and bytes of Python where C has a GBytes."""

from gi.overrides import override
from gi.module import get_introspection_module
from gi.repository import GLib

Qio = get_introspection_module("Qio")

__all__ = []


def _bytes(data):
    return data if isinstance(data, GLib.Bytes) else GLib.Bytes.new(bytes(data))


class Channel(Qio.Channel):
    """Closed at the end of a `with` block. Writes whatever `bytes()` understands."""

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def write_bytes(self, data):
        return Qio.Channel.write_bytes(self, _bytes(data))

    def write_bytes_with_fds(self, data, fds, flags):
        return Qio.Channel.write_bytes_with_fds(self, _bytes(data), fds, flags)

    def write_bytes_all(self, data):
        return Qio.Channel.write_bytes_all(self, _bytes(data))

    def write_bytes_with_fds_all(self, data, fds, flags):
        return Qio.Channel.write_bytes_with_fds_all(self, _bytes(data), fds, flags)

    def pwrite_bytes(self, data, offset):
        return Qio.Channel.pwrite_bytes(self, _bytes(data), offset)

    def write_bytes_async(self, data, *arguments):
        return Qio.Channel.write_bytes_async(self, _bytes(data), *arguments)

    def write_bytes_all_async(self, data, *arguments):
        return Qio.Channel.write_bytes_all_async(self, _bytes(data), *arguments)


Channel = override(Channel)
__all__.append("Channel")
