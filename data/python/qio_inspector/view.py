"""The window, and the page in GTK Inspector."""

import collections

import gi

gi.require_version("Gtk", "4.0")
gi.require_version("Gdk", "4.0")
gi.require_version("Graphene", "1.0")
gi.require_version("Qio", "1.0")
from gi.repository import Gdk, Gio, GLib, GObject, Graphene, Gtk, Qio

from .sources import Local

SECONDS_SHOWN = 60
WARNINGS_SHOWN = 100


def color(red, green, blue):
    result = Gdk.RGBA()
    result.red, result.green, result.blue, result.alpha = red / 255, green / 255, blue / 255, 1.0
    return result


# The colors of the two directions in the plot.
READ = color(51, 102, 204)
WRITTEN = color(220, 120, 30)


def printable(text):
    """A text without characters that change what is around it, which peers may have chosen."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text or "")


def size(count):
    """A size in bytes, in a narrow column."""
    for unit in ("", " k", " M", " G"):
        if count < 9999.5:
            return f"{count:.0f}{unit}"
        count /= 1000
    return f"{count:.0f} T"


class Row(GObject.Object):
    """A channel in the list: its last snapshot, and its rates."""

    __gsignals__ = {"changed": (GObject.SignalFlags.RUN_LAST, None, ())}

    def __init__(self, channel):
        super().__init__()
        self.channel = channel
        self.rates = (0, 0)

    def set(self, channel, seconds):
        before, self.channel = self.channel, channel
        names = ("bytes-read", "bytes-written")
        self.rates = tuple(max(channel[name] - before[name], 0) / seconds for name in names)
        self.emit("changed")

    @property
    def order(self):
        """The most active channels first."""
        return -sum(self.rates), -self.channel["last-activity"], self.channel["id"]


def label(channel):
    text = printable(channel["label"])
    return text.removeprefix("QIOChannel") + (f" over {channel['below']}" if channel["below"] else "")


# The title of a column, whether it grows, and its text.
COLUMNS = [
    ("Id", False, lambda row: str(row.channel["id"])),
    ("Channel", True, lambda row: label(row.channel)),
    ("State", False, lambda row: row.channel["state"]),
    ("In/s", False, lambda row: size(row.rates[0])),
    ("Out/s", False, lambda row: size(row.rates[1])),
    ("Read", False, lambda row: size(row.channel["bytes-read"])),
    ("Written", False, lambda row: size(row.channel["bytes-written"])),
    ("Calls", False, lambda row: str(row.channel["reads"] + row.channel["writes"])),
    ("Would block", False, lambda row: str(row.channel["would-blocks"])),
    ("Waiters", False, lambda row: str(row.channel["waiters"])),
    ("Pending", False, lambda row: size(row.channel["pending-output"])),
    ("Unread", False, lambda row: size(row.channel["pushed-back"])),
    ("Slow", False, lambda row: str(row.channel["slow-calls"])),
    ("Error", True, lambda row: printable(row.channel["last-error"])),
]


class Plot(Gtk.Widget):
    """The rates of the last minute: what was read above the middle, what was written below."""

    def __init__(self):
        super().__init__(height_request=100, hexpand=True)
        self.rates = collections.deque([(0, 0)] * SECONDS_SHOWN, maxlen=SECONDS_SHOWN)

    def add(self, rates):
        self.rates.append(rates)
        self.queue_draw()

    def do_snapshot(self, snapshot):
        width, height = self.get_width(), self.get_height()
        most = max(max(max(rates) for rates in self.rates), 1)
        step, middle = width / SECONDS_SHOWN, height / 2

        def bar(i, y, length, its_color):
            if length >= 0.5:
                rectangle = Graphene.Rect().init(i * step, y, max(step - 1, 1), length)
                snapshot.append_color(its_color, rectangle)

        for i, (read, written) in enumerate(self.rates):
            bar(i, middle - middle * read / most, middle * read / most, READ)
            bar(i, middle, middle * written / most, WRITTEN)


class Page(Gtk.Box):
    """The list of channels with its plot and its warnings: a page of GTK Inspector."""

    __gtype_name__ = "QioInspectorPage"

    # GTK Inspector reads it, and sets nothing else.
    title = GObject.Property(type=str, default="Channels")

    def __init__(self, source=None, **kwargs):
        super().__init__(**kwargs)
        # Not as arguments: GTK Inspector has constructed the object already.
        self.set_orientation(Gtk.Orientation.VERTICAL)
        self.set_spacing(6)
        self.rows = {}
        self.time = GLib.get_monotonic_time()
        self.store = Gio.ListStore(item_type=Row)
        self.total = Gtk.Label(label="no channels yet", xalign=0, margin_start=6, margin_top=6)
        self.plot = Plot()
        view = Gtk.ColumnView(model=Gtk.NoSelection(model=self.store), show_row_separators=True)
        for title, grows, text in COLUMNS:
            column = Gtk.ColumnViewColumn(title=title, factory=self.factory(text), expand=grows, resizable=True)
            view.append_column(column)
        self.warnings = Gtk.Label(xalign=0, yalign=0, selectable=True, wrap=True, margin_start=6)
        self.warning_lines = collections.deque(maxlen=WARNINGS_SHOWN)
        self.append(self.total)
        self.append(self.plot)
        self.append(Gtk.ScrolledWindow(child=view, vexpand=True))
        self.append(Gtk.ScrolledWindow(child=self.warnings, min_content_height=90))
        self.source = source or Local()
        self.source.update = self.update
        self.is_ended = False

    @staticmethod
    def factory(text):
        factory = Gtk.SignalListItemFactory()

        def bind(factory, item):
            row, child = item.get_item(), item.get_child()
            child.set_text(text(row))
            item.handler = row.connect("changed", lambda row: child.set_text(text(row)))

        factory.connect("setup", lambda factory, item: item.set_child(Gtk.Label(xalign=0)))
        factory.connect("bind", bind)
        factory.connect("unbind", lambda factory, item: item.get_item().disconnect(item.handler))
        return factory

    def update(self, channels, warnings):
        """Shows a snapshot. Returns False once the page is not shown any more."""
        if self.is_ended:
            return False
        now = GLib.get_monotonic_time()
        seconds, self.time = max(now - self.time, 1) / 1e6, now
        ids = {channel["id"] for channel in channels}
        for position in reversed(range(self.store.get_n_items())):
            row = self.store.get_item(position)
            if row.channel["id"] not in ids:
                self.store.remove(position)
                del self.rows[row.channel["id"]]
        for channel in channels:
            row = self.rows.get(channel["id"])
            if row is None:
                row = self.rows[channel["id"]] = Row(channel)
                self.store.append(row)
            else:
                row.set(channel, seconds)
        self.sort()
        # The bytes of a layered channel are those of its lower channel as well.
        below = {row.channel["below"] for row in self.rows.values()}
        top = [row.rates for id, row in self.rows.items() if id not in below]
        rates = tuple(sum(rates[side] for rates in top) for side in (0, 1))
        self.plot.add(rates)
        self.total.set_label(
            f"{self.source.title}: {len(ids)} channels, {size(rates[0])}B/s in, {size(rates[1])}B/s out"
        )
        self.warning_lines.extend(printable(warning) for warning in warnings)
        self.warnings.set_label("\n".join(reversed(self.warning_lines)) or "no warnings")
        return True

    def sort(self):
        order = sorted(self.rows.values(), key=lambda row: row.order)
        if order != list(self.store):
            self.store.splice(0, self.store.get_n_items(), order)


class Window(Gtk.Window):
    """A window with one page."""

    def __init__(self, source):
        super().__init__(title=f"Channels of {source.title}", default_width=960, default_height=480)
        self.page = Page(source)
        self.set_child(self.page)
        self.connect("close-request", self.on_close)

    def on_close(self, window):
        self.page.is_ended = True
        return False


def install():
    """Adds the page "Channels" to GTK Inspector, before that is opened: Ctrl+Shift+D."""
    Gtk.init()
    point = "gtk-inspector-page"
    if Gio.IOExtensionPoint.lookup(point) is None:
        raise RuntimeError("this version of GTK has no pages for GTK Inspector (since 4.8)")
    Gio.IOExtensionPoint.implement(point, Page.__gtype__, "qio-channels", 10)
