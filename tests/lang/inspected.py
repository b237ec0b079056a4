"""A program with channels that are busy, idle, layered and slow, for the inspector to show."""

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


def install():
    """With the argument "page": opens GTK Inspector, and reports its page."""
    gi.require_version("Gtk", "4.0")
    from gi.repository import Gtk
    from qio_inspector import Page

    Gtk.Window.set_interactive_debugging(True)

    def search(widget, parents=()):
        if isinstance(widget, Page):
            return [(widget, parents)]
        child, found = widget.get_first_child(), []
        while child is not None:
            found += search(child, (*parents, widget))
            child = child.get_next_sibling()
        return found

    def is_there():
        for window in Gtk.Window.list_toplevels():
            if type(window).__gtype__.name == "GtkInspectorWindow":
                [(page, parents)] = search(window)
                for stack in parents:
                    if isinstance(stack, Gtk.Stack):
                        name = next(it.get_name() for it in stack.get_pages() if it.get_child() in (page, *parents))
                        stack.set_visible_child_name(name)
                window.maximize()
                print(f"page: {page.title}", flush=True)
                return GLib.SOURCE_REMOVE
        return GLib.SOURCE_CONTINUE

    GLib.timeout_add(50, is_there)


there.add_watch(GLib.IOCondition.IN, on_readable)
GLib.timeout_add(100, on_tick)
GLib.idle_add(block)
if "page" in sys.argv:
    GLib.timeout_add(200, install)
print("inspected: running", flush=True)
loop = GLib.MainLoop()
# A test that ends the inspector with SIGKILL leaves this program.
GLib.timeout_add_seconds(120, loop.quit)
loop.run()
