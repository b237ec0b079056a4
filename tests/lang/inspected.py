"""A program with channels that are busy, idle, slow, and polled without progress, for the inspector to show."""

import sys
import threading

import gi

gi.require_version("Qio", "1.0")
from gi.repository import GLib, Qio

here, there = Qio.ChannelSocket.new_pair()
for channel, name in ((here, "busy writer"), (there, "busy reader")):
    channel.set_blocking(False)
    channel.set_name(name)
idle = Qio.ChannelBuffer()
# Characters that peers may choose.
idle.set_name("idle \x1b[31m\u202e")
slow, late = Qio.ChannelSocket.new_pair()
slow.set_name("blocks the loop")
unread, peer = Qio.ChannelSocket.new_pair()
unread.set_name("closed unread")
ended, other_end = Qio.ChannelSocket.new_pair()
ended.set_name("busy loop")
other_end.close()
fired, sender = Qio.ChannelSocket.new_pair()
fired.set_name("fired in vain")
sender.write_bytes(b"never read")
# What is wrong with these, in the messages of their warnings.
WRONG = ("has blocked", "input that were not read", "called or polled 10000 times", "watch has fired 1000 times")
seen = set()
monitor = Qio.Monitor(interval=50)
monitor.connect("warning", lambda monitor, item, kind, message: seen.add(kind))


def on_readable(channel, condition, *data):
    channel.read_bytes(65536)
    return GLib.SOURCE_CONTINUE


def on_tick():
    here.write_bytes(b"x" * 20000)
    return GLib.SOURCE_CONTINUE


def block():
    threading.Timer(0.05, lambda: late.write_bytes(b"late")).start()
    slow.read_bytes(100)
    peer.write_bytes(b"never read")
    unread.close()


def read_the_end():
    """Continues after the end, until that is a warning."""
    for _ in range(12000):
        ended.read_bytes(1)
    return Qio.MonitorWarning.BUSY_LOOP not in seen


def read_nothing(channel, condition, *data):
    return Qio.MonitorWarning.UNREAD_WATCH not in seen


def go_wrong():
    fired.add_watch(GLib.IOCondition.IN, read_nothing)
    GLib.idle_add(block)
    GLib.idle_add(read_the_end)


def pages(widget):
    """The pages of the inspector in a widget, with their parents."""
    from qio_inspector import Page

    def search(widget, parents):
        if isinstance(widget, Page):
            yield widget, parents
            return
        child = widget.get_first_child()
        while child is not None:
            yield from search(child, (*parents, widget))
            child = child.get_next_sibling()

    return list(search(widget, ()))


def report_warnings():
    """Reports each page of the inspector that shows all warnings."""
    from gi.repository import Gtk

    for window in Gtk.Window.list_toplevels():
        for page, _ in pages(window):
            text = page.warnings.get_label()
            if all(message in text for message in WRONG) and window not in reported:
                reported.append(window)
                print(f"warnings: {type(window).__gtype__.name}", flush=True)
    return GLib.SOURCE_CONTINUE


def install():
    """With the argument "page": opens GTK Inspector, and reports its page."""
    gi.require_version("Gtk", "4.0")
    from gi.repository import Gtk

    Gtk.Window.set_interactive_debugging(True)

    def is_there():
        for window in Gtk.Window.list_toplevels():
            if type(window).__gtype__.name == "GtkInspectorWindow":
                [(page, parents)] = pages(window)
                for stack in parents:
                    if isinstance(stack, Gtk.Stack):
                        name = next(it.get_name() for it in stack.get_pages() if it.get_child() in (page, *parents))
                        stack.set_visible_child_name(name)
                window.maximize()
                print(f"page: {page.title}", flush=True)
                # A page shows what is wrong from then on.
                go_wrong()
                return GLib.SOURCE_REMOVE
        return GLib.SOURCE_CONTINUE

    GLib.timeout_add(50, is_there)


there.add_watch(GLib.IOCondition.IN, on_readable)
GLib.timeout_add(100, on_tick)
reported = []
if "qio_inspector" in sys.modules:
    GLib.timeout_add(100, report_warnings)
if "page" in sys.argv:
    GLib.timeout_add(200, install)
else:
    go_wrong()
print("inspected: running", flush=True)
loop = GLib.MainLoop()
# A test that ends the inspector with SIGKILL leaves this program.
GLib.timeout_add_seconds(120, loop.quit)
loop.run()
