"""The list of the channels of the process in Python, its warnings, and its socket."""

import json
import os
import socket
import stat
import tempfile
import threading
import time

from common import GLib, Gio, Qio, check, error_of, is_io, iterate_until

monitor = Qio.Monitor(interval=20)
check(isinstance(monitor, Gio.ListModel) and monitor.get_item_type() == Qio.MonitorItem.__gtype__)
check(monitor.get_interval() == 20 and monitor.props.blocked_threshold == 5000)
warnings = []
monitor.connect("warning", lambda monitor, item, kind, message: warnings.append((item.props.name, kind, message)))


def item(name):
    monitor.refresh()
    return next(item for item in monitor if item.props.name == name)


here, there = Qio.ChannelSocket.new_pair()
here.set_name("here")
there.set_name("there")
here.write_bytes(b"hello")
listed = item("here")
check((listed.props.bytes_written, listed.props.writes, listed.props.reads) == (5, 1, 0))
check(listed.props.class_name == "QIOChannelSocket" and listed.props.state == Qio.MonitorState.CONNECTED)
check(listed.props.label == 'QIOChannelSocket "here"' and listed.props.last_error is None)
check(abs(listed.props.opened - time.time() * 1e6) < 60e6)

# An update notifies properties: in the main loop, by the timer.
notified = []
listed.connect("notify::bytes-written", lambda item, pspec: notified.append(item.props.bytes_written))
here.write_bytes(b"world")
iterate_until(lambda: notified)
check(notified == [10])
check(there.read_bytes(100).get_data() == b"helloworld")


# The warning that graphical programs need: a call in a callback of the main loop that blocks it.
def block():
    late = threading.Timer(0.05, lambda: here.write_bytes(b"late"))
    late.start()
    check(there.read_bytes(100).get_data() == b"late")
    late.join()


GLib.idle_add(block)
iterate_until(lambda: warnings)
name, kind, message = warnings.pop()
check((name, kind) == ("there", Qio.MonitorWarning.BLOCKED_LOOP))
check(message.startswith("a read has blocked a thread that runs a main context for "))
check(item("there").props.slow_calls == 1)

# The same outside of the main loop is none.
block()
here.close()
check(item("here").props.state == Qio.MonitorState.CLOSED)
check(not warnings)

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "monitor")
    check(Qio.Monitor.listen(path) == path)
    check(stat.S_IMODE(os.stat(path).st_mode) == 0o600)
    check(is_io(error_of(Qio.Monitor.listen, "/another"), Gio.IOErrorEnum.INVALID_ARGUMENT))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        snapshot = json.loads(client.makefile().readline())
    check(snapshot["pid"] == os.getpid())
    channels = {channel["name"]: channel for channel in snapshot["channels"]}
    check(channels["here"]["state"] == "closed" and channels["here"]["bytes-written"] == 18)
    check(snapshot["warnings"][0]["kind"] == "blocked-loop")

del here, there
iterate_until(lambda: monitor.get_n_items() == 0)
print("monitor: ok")
