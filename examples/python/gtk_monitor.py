"""A window that reads from a TCP server, and shows how much arrives, how fast, and what.

    python3 examples/python/gtk_monitor.py HOST:PORT

The socket is read by a watch on GTK's own main loop: no thread, and no call that blocks.
With QIO_MONITOR=listen in its environment, qio top shows its channels.
"""

import collections
import sys

import gi

gi.require_version("Gtk", "4.0")
gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, Gtk, Qio

# A Gtk.DrawingArea is painted by cairo, which PyGObject supports if python3-gi-cairo is installed.
try:
    gi.require_foreign("cairo")
    HAS_CAIRO = True
except ImportError:
    HAS_CAIRO = False

TICK_MS = 100
TICKS_SHOWN = 100
LOG_LINES = 100
# What one dispatch reads at most: the window has to be painted too.
READ_MOST = 256 * 1024


class Monitor(Gtk.ApplicationWindow):
    def __init__(self, app, channel, peer):
        super().__init__(application=app, title=f"Monitor of {peer}", default_width=480, default_height=360)
        self.channel = channel
        self.total = 0
        self.since_tick = 0
        self.rates = collections.deque([0] * TICKS_SHOWN, maxlen=TICKS_SHOWN)
        self.log_lines = collections.deque(maxlen=LOG_LINES)

        self.label = Gtk.Label(label="nothing received", css_classes=["title-2"])
        self.log = Gtk.TextView(editable=False, monospace=True, cursor_visible=False)
        scrolled = Gtk.ScrolledWindow(child=self.log, vexpand=True)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        box.append(self.label)
        if HAS_CAIRO:
            self.plot = Gtk.DrawingArea(content_height=120)
            self.plot.set_draw_func(self.draw)
            box.append(self.plot)
        else:
            self.plot = None
            self.note("no plot: python3-gi-cairo is not there")
        box.append(scrolled)
        self.set_child(box)

        # Below the priority of GTK's own painting, a fast sender cannot freeze the window.
        self.watch = channel.create_watch(GLib.IOCondition.IN, self.on_readable)
        self.watch.set_priority(GLib.PRIORITY_DEFAULT_IDLE)
        self.watch.attach(None)
        self.ticker = GLib.timeout_add(TICK_MS, self.on_tick)
        self.connect("close-request", self.on_close)

    def on_readable(self, channel, condition):
        try:
            data = channel.read_bytes(READ_MOST).get_data()
        except GLib.Error as error:
            if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.WOULD_BLOCK):
                return GLib.SOURCE_CONTINUE
            self.note(error.message)
            return GLib.SOURCE_REMOVE
        if not data:
            self.note("end of the stream")
            print(f"monitor: {self.label.get_label()}", flush=True)
            return GLib.SOURCE_REMOVE
        self.total += len(data)
        self.since_tick += len(data)
        self.label.set_label(f"{GLib.format_size(self.total)} received".replace("\xa0", " "))
        self.note(f"{len(data)} bytes: {data[:32]!r}")
        return GLib.SOURCE_CONTINUE

    def note(self, line):
        self.log_lines.append(line)
        self.log.get_buffer().set_text("\n".join(self.log_lines))

    def on_tick(self):
        self.rates.append(self.since_tick * 1000 // TICK_MS)
        self.since_tick = 0
        if self.plot:
            self.plot.queue_draw()
        return GLib.SOURCE_CONTINUE

    def draw(self, area, cr, width, height):
        most = max(max(self.rates), 1)
        cr.set_source_rgb(0.2, 0.4, 0.8)
        cr.move_to(0, height)
        for i, rate in enumerate(self.rates):
            cr.line_to(i * width / (TICKS_SHOWN - 1), height * (1 - 0.9 * rate / most))
        cr.line_to(width, height)
        cr.fill()
        cr.set_source_rgb(0.5, 0.5, 0.5)
        cr.move_to(6, 14)
        cr.show_text(f"{GLib.format_size(max(self.rates))}/s at most".replace("\xa0", " "))

    def on_close(self, window):
        self.watch.destroy()
        GLib.source_remove(self.ticker)
        self.channel.close()
        return False


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: gtk_monitor.py HOST:PORT")
    address = sys.argv[1]
    channel = Qio.ChannelSocket()
    try:
        channel.connect_sync(Gio.NetworkAddress.parse(address, 7))
        channel.set_blocking(False)
    except GLib.Error as error:
        sys.exit(f"monitor: {error.message}")

    app = Gtk.Application(flags=Gio.ApplicationFlags.NON_UNIQUE)
    app.connect("activate", lambda app: Monitor(app, channel, address).present())
    sys.exit(app.run())


main()
