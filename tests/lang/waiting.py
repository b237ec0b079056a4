"""The part of the journey in Python that waits: watches, and asynchronous calls."""

from common import NONE, check, is_io, is_truncated, iterate_until, make_pair, wait_for
from gi.repository import Gio, GLib, Qio


def watches():
    one, other = make_pair()
    other.write_bytes_all(GLib.Bytes.new(b"w"))
    calls = []

    def note(channel, condition, *data):
        calls.append((channel, condition, *data))
        return GLib.SOURCE_REMOVE

    check(one.add_watch(GLib.IOCondition.IN, note) != 0)
    iterate_until(lambda: calls)
    check(calls[0][:2] == (one, GLib.IOCondition.IN))

    # On a private context: the default one has nothing to do with it.
    calls.clear()
    private = GLib.MainContext.new()
    source = one.create_watch(GLib.IOCondition.IN, note, "mine")
    source.attach(private)
    while GLib.MainContext.default().iteration(False):
        pass
    check(not calls)
    iterate_until(lambda: calls, private)
    check(calls == [(one, GLib.IOCondition.IN, "mine")])
    check(source.is_destroyed())
    calls.clear()
    one.add_watch(GLib.IOCondition.IN, note, "mine", private)
    iterate_until(lambda: calls, private)
    check(calls == [(one, GLib.IOCondition.IN, "mine")])

    # A source that is taken back.
    calls.clear()
    source = one.create_watch(GLib.IOCondition.IN, note)
    source.attach(private)
    source.destroy()
    check(not private.iteration(False) and not calls)

    # A hang-up is reported, whatever condition was requested.
    one.read_bytes_all(1)
    other.close()
    one.add_watch(GLib.IOCondition.IN, note)
    iterate_until(lambda: calls)
    check(calls[0][1] & GLib.IOCondition.HUP)


def asynchronous():
    one, other = make_pair()
    hello = GLib.Bytes.new(b"hello")

    # The read starts first, and waits.
    results = []
    one.read_bytes_all_async(5, GLib.PRIORITY_DEFAULT, None, lambda source, result: results.append(result))
    wait_for(other.write_bytes_all_async, other.write_bytes_all_finish, hello)
    iterate_until(lambda: results)
    check(one.read_bytes_all_finish(results[0]).get_data() == b"hello")

    # A cancelled read loses no data.
    cancellable = Gio.Cancellable()
    cancellable.cancel()
    try:
        wait_for(one.read_bytes_async, one.read_bytes_finish, 5, cancellable=cancellable)
        check(False)
    except GLib.Error as error:
        check(is_io(error, Gio.IOErrorEnum.CANCELLED))
    other.write_bytes_all(hello)
    check(wait_for(one.ready_async, one.ready_finish, GLib.IOCondition.IN) == GLib.IOCondition.IN)
    check(wait_for(one.read_bytes_async, one.read_bytes_finish, 2).get_data() == b"he")
    data, fds = wait_for(one.read_bytes_with_fds_async, one.read_bytes_with_fds_finish, 2, NONE)
    check(data.get_data() == b"ll" and fds is None)

    # The end, in the middle and at the start.
    other.shutdown(Qio.ChannelShutdown.WRITE)
    try:
        wait_for(one.read_bytes_all_async, one.read_bytes_all_finish, 10)
        check(False)
    except GLib.Error as error:
        check(is_truncated(error))
    check(wait_for(one.read_bytes_all_eof_async, one.read_bytes_all_eof_finish, 10) is None)
    wait_for(one.close_async, one.close_finish)
    check(one.is_closed())


watches()
asynchronous()
print("waiting: ok")
