"""What the inspector shows: the channels of this process, or of another one."""

import json
import os

import gi

gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, Qio

NUMBERS = (
    "id below bytes-read bytes-written reads writes would-blocks waiters pending-output pushed-back slow-calls"
    " opened last-activity"
).split()
TEXTS = ["class-name", "label", "last-error"]

# The most bytes of a snapshot of another process.
LINE_MOST = 64 * 1024 * 1024


class Source:
    """Calls update(channels, warnings) each second: a list of dictionaries, and a list of texts."""

    update = None
    title = "this process"


class Local(Source):
    """The channels of this process, by a monitor."""

    def __init__(self, interval=1000):
        self.monitor = Qio.Monitor(interval=interval)
        self.warnings = []
        self.monitor.connect("warning", self.on_warning)
        GLib.timeout_add(interval, self.on_tick)

    def on_warning(self, monitor, item, kind, message):
        self.warnings.append(f"{item.props.label}: {message}")

    def on_tick(self):
        if self.update is None:
            return GLib.SOURCE_CONTINUE
        warnings, self.warnings = self.warnings, []
        if self.update([self.channel(item) for item in self.monitor], warnings) is False:
            return GLib.SOURCE_REMOVE
        return GLib.SOURCE_CONTINUE

    @staticmethod
    def channel(item):
        channel = {name: item.get_property(name) for name in NUMBERS + TEXTS}
        channel["state"] = item.props.state.value_nick
        return channel


class Remote(Source):
    """The channels of another process, by the socket that it listens on."""

    def __init__(self, path, title):
        self.title = title
        self.channel = Qio.ChannelSocket()
        self.channel.connect_async(
            Gio.UnixSocketAddress.new(path), None, GLib.PRIORITY_DEFAULT, None, self.on_connected
        )

    def on_connected(self, channel, result):
        try:
            channel.connect_finish(result)
            _, user, _ = channel.get_peer_credentials()
        except GLib.Error as error:
            return self.end(error.message)
        if user != os.geteuid():
            return self.end("it is a process of another user")
        self.read()

    def read(self):
        self.channel.read_line_async(LINE_MOST, GLib.PRIORITY_DEFAULT, None, self.on_line)

    def on_line(self, channel, result):
        try:
            line = channel.read_line_finish(result)
            if line is None:
                return self.end("the process has ended")
            snapshot = json.loads(line.get_data())
        except (GLib.Error, ValueError) as error:
            return self.end(getattr(error, "message", str(error)))
        channels = [channel | {"class-name": channel["class"]} for channel in snapshot["channels"]]
        warnings = [f"{it['label']}: {it['message']}" for it in snapshot["warnings"]]
        if self.update is None or self.update(channels, warnings) is not False:
            self.read()

    def end(self, reason):
        if self.update is not None:
            self.update([], [f"{self.title}: {reason}"])
