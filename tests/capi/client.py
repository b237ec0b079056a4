"""A client of the library that is installed; with `--overrides`, of those for Python as well."""

import sys

import gi

gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, Qio

here, there = Qio.ChannelSocket.new_pair()
here.set_blocking(False)
try:
    here.read_bytes(16)
    raise SystemExit("nothing was there to be read")
except GLib.Error as error:
    assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.WOULD_BLOCK), error

loop = GLib.MainLoop()
read = []


def on_ready(channel, condition, *_):
    assert channel == here and condition & GLib.IOCondition.IN
    read.append(channel.read_bytes(16).get_data())
    loop.quit()
    return GLib.SOURCE_REMOVE


here.add_watch(GLib.IOCondition.IN, on_ready)
there.write_bytes_all(GLib.Bytes(b"hello"))
loop.run()
assert read == [b"hello"], read

if "--overrides" in sys.argv:
    there.write_bytes_all(b"bytes")
    assert here.read_bytes(16).get_data() == b"bytes"

    async def end():
        async with there:
            pass
        return (await here.read_bytes_async(16)).get_size()

    assert Qio.run(end()) == 0

    async def streams():
        reader, writer = await Qio.open_streams(Qio.ChannelSocket.new_pair()[0])
        writer.close()
        return await reader.read()

    loop = Qio.new_event_loop()
    assert loop.run_until_complete(streams()) == b""
    loop.close()
