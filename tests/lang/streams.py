"""The part of the journey in Python with lines, frames, and channels as streams of GIO."""

from common import check, error_of, is_io, is_truncated, iterate_until, make_pair, wait_for
from gi.repository import Gio, GLib, Qio

U32 = Qio.ChannelFraming.U32_BE


def text(data):
    return None if data is None else data.get_data().decode()


def items():
    one, other = make_pair()
    other.write_bytes_all(GLib.Bytes.new(b"one\r\ntwo;body"))
    check(text(one.read_line(100)) == "one")
    check(text(one.read_until(b";,", 100)) == "two;")
    # What was read ahead goes to the next reader.
    check(text(one.read_bytes_all(4)) == "body")
    one.push_back(b"pushed back\n")
    check(text(one.read_line(100)) == "pushed back")
    other.write_frame(U32, GLib.Bytes.new(b"a frame"))
    other.write_frame(Qio.ChannelFraming.NETSTRING, GLib.Bytes.new(b"net"))
    check(text(one.read_frame(U32, 100)) == "a frame")
    check(text(one.read_until(b",", 100)) == "3:net,")
    other.write_bytes_all(GLib.Bytes.new(b"too long\n"))
    check(is_io(error_of(one.read_line, 3), Gio.IOErrorEnum.MESSAGE_TOO_LARGE))
    other.write_bytes_all(GLib.Bytes.new(b"\0\0\0\5cut"))
    other.shutdown(Qio.ChannelShutdown.WRITE)
    check(text(one.read_line(8)) == "too long")
    check(is_truncated(error_of(one.read_frame, U32, 100)))
    check(one.read_to_end(100).get_data() == b"\0\0\0\5cut")
    check(one.read_line(100) is None)
    check(is_io(error_of(one.read_until, b"", 1), Gio.IOErrorEnum.INVALID_ARGUMENT))


def items_asynchronously():
    one, other = make_pair()
    wait_for(other.write_frame_async, other.write_frame_finish, U32, GLib.Bytes.new(b"frame"))
    other.write_bytes_all(GLib.Bytes.new(b"line\nfield;rest"))
    check(text(wait_for(one.read_frame_async, one.read_frame_finish, U32, 100)) == "frame")
    check(text(wait_for(one.read_line_async, one.read_line_finish, 100)) == "line")
    check(text(wait_for(one.read_until_async, one.read_until_finish, b";", 100)) == "field;")
    other.close()
    check(text(wait_for(one.read_to_end_async, one.read_to_end_finish, 100)) == "rest")
    check(wait_for(one.read_line_async, one.read_line_finish, 100) is None)


def lines():
    one, other = make_pair()
    other.write_bytes_all(b"one\r\ntwo\n\nbody\nlast")
    taken = []
    for line in one.lines():
        taken.append(line)
        if not line:
            break
    check(taken == [b"one", b"two", b""])
    # What follows is left to the next reader, also of another kind.
    check(text(one.read_bytes_all(2)) == "bo")

    async def rest():
        other.close()
        return [line async for line in one.lines(max=100)]

    check(Qio.run(rest()) == [b"dy", b"last"])
    check(list(one.lines()) == [])
    one, other = make_pair()
    other.write_bytes_all(b"longer\n")
    check(is_io(error_of(next, one.lines(max=3)), Gio.IOErrorEnum.MESSAGE_TOO_LARGE))
    check(next(one.lines(max=6)) == b"longer")


def streams():
    one, other = make_pair()
    stream = Qio.IOStream.new(one)
    check(stream.get_channel() == one and stream.props.channel == one)
    check(stream.get_input_stream() is stream.get_input_stream())
    check(isinstance(stream.get_input_stream(), Gio.PollableInputStream))
    check(stream.get_input_stream().can_poll() and not stream.get_input_stream().is_readable())
    lines = Gio.DataInputStream.new(stream.get_input_stream())
    stream_of_other = Qio.IOStream(channel=other)
    stream_of_other.get_output_stream().write_all(b"one\ntwo\n")
    check(lines.read_line_utf8() == ("one", 3))
    check(wait_for(lines.read_line_async, lines.read_line_finish_utf8)[0] == "two")

    # Cancelled, with nothing lost.
    results = []
    cancellable = Gio.Cancellable()
    stream.get_input_stream().read_bytes_async(
        5, 0, cancellable, lambda source, result: results.append(result)
    )
    cancellable.cancel()
    iterate_until(lambda: results)
    check(is_io(error_of(stream.get_input_stream().read_bytes_finish, *results), Gio.IOErrorEnum.CANCELLED))
    stream_of_other.get_output_stream().write_all(b"later")
    check(text(stream.get_input_stream().read_bytes(5)) == "later")

    # Dropping a stream leaves the channel open, closing it does not.
    del stream_of_other
    check(not other.is_closed())
    check(wait_for(stream.close_async, stream.close_finish))
    check(one.is_closed())
    check(other.read_bytes(1).get_size() == 0)


def dbus():
    one, other = make_pair()
    made = []
    flags = Gio.DBusConnectionFlags
    Gio.DBusConnection.new(
        Qio.IOStream.new(one),
        Gio.dbus_generate_guid(),
        flags.AUTHENTICATION_SERVER | flags.AUTHENTICATION_ALLOW_ANONYMOUS,
        None,
        None,
        lambda source, result: made.append(Gio.DBusConnection.new_finish(result)),
    )
    Gio.DBusConnection.new(
        Qio.IOStream.new(other),
        None,
        flags.AUTHENTICATION_CLIENT,
        None,
        None,
        lambda source, result: made.append(Gio.DBusConnection.new_finish(result)),
    )
    iterate_until(lambda: len(made) == 2)
    check(made[0].get_guid() == made[1].get_guid())
    made[0].close_sync()
    iterate_until(made[1].is_closed)


items()
items_asynchronously()
lines()
streams()
dbus()
print("streams: ok")
