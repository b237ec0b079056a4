"""Shows what a TCP server sends, with a watch on the main loop, until it has no more.

    python3 examples/python/watch.py HOST:PORT

With QIO_MONITOR=listen in its environment, qio top shows its channels.
"""

import sys

import gi

gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, Qio


def show(channel, condition, loop):
    try:
        data = channel.read_bytes(4096).get_data()
    except GLib.Error as error:
        if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.WOULD_BLOCK):
            return GLib.SOURCE_CONTINUE  # nothing there after all
        print("watch:", error.message, file=sys.stderr)
        loop.quit()
        return GLib.SOURCE_REMOVE
    if not data:
        print("watch: end", flush=True)
        loop.quit()
        return GLib.SOURCE_REMOVE
    print(f"watch: {len(data)} bytes: {data.decode(errors='replace').rstrip()}", flush=True)
    return GLib.SOURCE_CONTINUE


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: watch.py HOST:PORT")
    channel = Qio.ChannelSocket()
    try:
        channel.connect_sync(Gio.NetworkAddress.parse(sys.argv[1], 7))
        channel.set_blocking(False)
    except GLib.Error as error:
        sys.exit(f"watch: {error.message}")
    loop = GLib.MainLoop()
    channel.add_watch(GLib.IOCondition.IN, show, loop)
    loop.run()
    channel.close()


main()
