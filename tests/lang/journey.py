"""A journey through the library in Python. Its stages are those of the other journeys of this folder, and so are
those of waiting.py, subclass.py and network.py, which continue it."""

import os
import tempfile

from common import NONE, check, error_of, is_io, is_truncated, make_pair, wait_for
from gi.repository import Gio, GLib, Qio


def files(directory):
    path = os.path.join(directory, "file")
    file = Qio.ChannelFile.new_path(path, os.O_RDWR | os.O_CREAT, 0o600)
    check(file.get_path() == path and file.props.path == path)
    check(file.has_feature(Qio.ChannelFeature.SEEKABLE))
    check(not file.has_feature(Qio.ChannelFeature.FD_PASS))
    file.write_bytes_all(GLib.Bytes.new(b"hello"))
    check(file.io_seek(1, os.SEEK_SET) == 1)
    check(file.read_bytes(16).get_data() == b"ello")

    # The end of the file.
    check(file.read_bytes(16).get_size() == 0)
    check(file.read_bytes_all_eof(1) is None)
    check(file.io_seek(-2, os.SEEK_END) == 3)
    check(is_truncated(error_of(file.read_bytes_all, 3)))

    check(file.pread_bytes(3, 2).get_data() == b"llo")
    check(file.pwrite_bytes(GLib.Bytes.new(b"J"), 0) == 1)
    file.close()
    check(file.get_fd() == -1)
    check(is_io(error_of(file.read_bytes, 1), Gio.IOErrorEnum.CLOSED))

    missing = os.path.join(directory, "missing")
    error = error_of(Qio.ChannelFile.new_path, missing, os.O_RDONLY, 0)
    check(is_io(error, Gio.IOErrorEnum.NOT_FOUND) and missing in error.message)


def pair():
    one, other = make_pair()
    one.set_blocking(False)

    # Nothing there.
    check(is_io(error_of(one.read_bytes, 16), Gio.IOErrorEnum.WOULD_BLOCK))
    check(is_io(error_of(one.wait_timeout, GLib.IOCondition.IN, 1000), Gio.IOErrorEnum.TIMED_OUT))
    check(one.wait_timeout(GLib.IOCondition.OUT, -1) == GLib.IOCondition.OUT)

    check(other.write_bytes(GLib.Bytes.new(b"abc")) == 3)
    check(one.read_bytes(16).get_data() == b"abc")
    other.shutdown(Qio.ChannelShutdown.WRITE)
    check(one.read_bytes(16).get_size() == 0)
    one.close()
    other.close()


def descriptors():
    """Sends the write end of a pipe through a socket, and writes through what arrives."""
    one, other = make_pair()
    reader, writer = os.pipe()
    fds = Gio.UnixFDList.new()
    fds.append(writer)
    check(one.write_bytes_with_fds(GLib.Bytes.new(b"f"), fds, 0) == 1)
    data, arrived = other.read_bytes_with_fds(10, NONE)
    check(data.get_data() == b"f" and arrived.get_length() == 1)
    os.write(arrived.peek_fds()[0], b"x")
    check(os.read(reader, 1) == b"x")

    one.write_bytes_with_fds_all(GLib.Bytes.new(b"gh"), fds, 0)
    data, arrived = other.read_bytes_with_fds_all(2)
    check(data.get_data() == b"gh" and arrived.get_length() == 1)

    one.write_bytes_all(GLib.Bytes.new(b"none"))
    data, arrived = other.read_bytes_with_fds(10, NONE)
    check(data.get_data() == b"none" and arrived is None)
    os.close(reader)
    os.close(writer)


def loopback():
    anywhere = Gio.InetSocketAddress.new(Gio.InetAddress.new_loopback(Gio.SocketFamily.IPV4), 0)
    listener = Qio.ChannelSocket.new()
    listener.listen_sync(anywhere, 5)
    check(listener.has_feature(Qio.ChannelFeature.LISTEN))
    address = listener.get_local_address()
    check(address.get_port() != 0)

    listener.set_blocking(False)
    check(is_io(error_of(listener.accept), Gio.IOErrorEnum.WOULD_BLOCK))
    client = Qio.ChannelSocket()
    client.connect_sync(address)
    listener.wait(GLib.IOCondition.IN)
    server = listener.accept()
    check(client.get_remote_address().get_port() == address.get_port())
    client.set_delay(False)
    client.write_bytes_all(GLib.Bytes.new(b"ping"))
    check(server.read_bytes_all(4).get_data() == b"ping")

    late = Qio.ChannelSocket()
    late.connect_sync(address)
    second = wait_for(listener.accept_async, listener.accept_finish)
    check(isinstance(second, Qio.ChannelSocket))

    listener.close()
    error = error_of(Qio.ChannelSocket().connect_sync, address)
    check(is_io(error, Gio.IOErrorEnum.CONNECTION_REFUSED))


def properties():
    one, other = make_pair()
    notified = []
    one.connect("notify", lambda channel, pspec: notified.append(pspec.name))
    one.props.name = "first"
    one.props.blocking = False
    check(one.get_name() == "first" and not one.get_blocking())
    one.set_name("first")
    one.close()
    one.close()
    check(one.props.closed and not one.props.blocking)
    check(one.props.features == one.get_features())
    check(one.props.features & Qio.ChannelFeature.FD_PASS)
    check([name for name in notified if name in ("name", "blocking", "closed")] == ["name", "blocking", "closed"])
    one.set_name(None)
    check(one.get_name() is None)


def talk():
    """Both outputs, the status, and more descriptors of a command."""
    script = ["sh", "-c", "cat; echo err >&2; exit 3"]
    start = [script, None, None, os.O_RDWR, Qio.ChannelCommandStderr.PIPE]
    output, errors, status = Qio.ChannelCommand.new_full(*start).communicate(b"in", -1)
    check((output.get_data(), errors.get_data()) == (b"in", b"err\n"))
    check(os.waitstatus_to_exitcode(status) == 3)

    async def awaited():
        command = Qio.ChannelCommand.new_full(*start)
        output, errors, status = await command.communicate_async(b"in", -1)
        check((output.get_data(), errors.get_data()) == (b"in", b"err\n"))
        check(await command.wait_exit_async() == status)

    Qio.run(awaited())
    too_much = Qio.ChannelCommand.new_full(*start)
    check(is_io(error_of(too_much.communicate, b"in", 1), Gio.IOErrorEnum.MESSAGE_TOO_LARGE))

    reader, writer = os.pipe()
    script = ["sh", "-c", "echo three >&3; echo err >&2"]
    policy = Qio.ChannelCommandStderr.PIPE
    command = Qio.ChannelCommand.new_with_fds(script, None, None, os.O_RDONLY, policy, [writer], [3])
    os.close(writer)
    check(os.read(reader, 100) == b"three\n")
    os.close(reader)
    check(command.get_stderr().read_bytes_all(4).get_data() == b"err\n")
    command.close()


def others():
    command = Qio.ChannelCommand.new_spawn(["cat"], os.O_RDWR)
    command.write_bytes_all(GLib.Bytes.new(b"child"))
    check(command.read_bytes_all(5).get_data() == b"child")
    check(command.get_exit_status()[0] is False)
    command.close()
    check(command.get_exit_status() == (True, 0))
    talk()

    memory = Qio.ChannelBuffer.new(16)
    memory.write_bytes_all(GLib.Bytes.new(b"memory"))
    check(memory.get_data().get_data() == b"memory")
    nothing = Qio.ChannelNull.new()
    check(nothing.write_bytes(GLib.Bytes.new(b"void")) == 4)
    check(nothing.read_bytes(5).get_size() == 0)


with tempfile.TemporaryDirectory(prefix="qio-journey-") as directory:
    files(directory)
pair()
descriptors()
loopback()
properties()
others()
print("journey: ok")
