"""Coroutines of Python that await channels: on the main context, and under asyncio."""

import asyncio
import gc
import importlib.util
import inspect
import os
import signal
import sys
import threading
import types
import weakref

# The parent process may have SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

import gi

gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, Qio

context = GLib.MainContext.default()


def is_cancelled(error):
    return error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED)


def error_of(call, *arguments):
    try:
        call(*arguments)
    except GLib.Error as error:
        return error
    raise AssertionError("no error")


def iterate_until(done):
    while not done():
        context.iteration(True)


async def text(channel, count):
    return (await channel.read_bytes_all_async(count)).get_data()


def reads_well():
    async def conversation():
        here, there = Qio.ChannelSocket.new_pair()
        assert await there.write_bytes_async(memoryview(b"hello")) == 5
        data = await here.read_bytes_async(4096)
        assert data.get_data() == b"hello"
        # Several results, a result of nothing, and arguments by their names.
        await there.write_bytes_all_async(bytes=bytearray(b"by name"), io_priority=GLib.PRIORITY_HIGH)
        data, fds = await here.read_bytes_with_fds_async(4096, flags=0, cancellable=Gio.Cancellable())
        assert data.get_data() == b"by name" and fds is None
        async with here as channel:
            assert channel is here
        assert here.is_closed()
        return "talked"

    assert Qio.run(conversation()) == "talked"


def every_asynchronous_method_can_be_awaited():
    classes = [getattr(Qio, name) for name in dir(Qio) if name.startswith(("Channel", "Net"))]
    methods = {getattr(cls, name) for cls in classes for name in dir(cls) if name.endswith("_async")}
    for method in methods:
        assert inspect.signature(method).parameters["callback"].default is None, method
    assert len(methods) > 10


def several_run_at_once():
    """Each waits for the one after it: none would end if they ran one after the other."""
    pairs = [Qio.ChannelSocket.new_pair() for _ in range(20)]
    order = []

    async def relay(here, there):
        received = await text(here, 1)
        order.append(received)
        await there.write_bytes_all_async(received)

    async def all_of_them():
        tasks = [Qio.spawn(relay(before[1], after[0])) for before, after in zip(pairs, pairs[1:])]
        assert not any(task.done() for task in tasks)
        await pairs[0][0].write_bytes_all_async(b"x")
        assert await text(pairs[-1][1], 1) == b"x"
        for task in tasks:
            await task
        assert all(task.done() for task in tasks)

    Qio.run(all_of_them())
    assert order == [b"x"] * 19


def operations_begin_when_they_are_called():
    async def swapped():
        here, there = Qio.ChannelSocket.new_pair()
        read = here.read_bytes_async(5)
        written = there.write_bytes_all_async(b"early")
        await written
        assert (await read).get_data() == b"early"
        # Once more: it has its result.
        assert (await read).get_data() == read.result().get_data() == b"early"

    Qio.run(swapped())


def errors_are_raised_where_they_are_awaited():
    async def truncated():
        here, there = Qio.ChannelSocket.new_pair()
        there.close()
        try:
            await here.read_bytes_all_async(1)
        except GLib.Error as error:
            assert error.matches(Qio.ChannelError.quark(), Qio.ChannelError.TRUNCATED)
            raise KeyError("of one's own")

    try:
        Qio.run(truncated())
    except KeyError as error:
        assert error.args == ("of one's own",)
    else:
        raise AssertionError("no error")

    async def foreign():
        await types.coroutine(lambda: (yield "something else"))()

    try:
        Qio.run(foreign())
    except TypeError as error:
        assert "something else" in str(error)
    else:
        raise AssertionError("no error")


def cancelling_a_task_cancels_what_it_awaits():
    here, there = Qio.ChannelSocket.new_pair()
    cancellable = Gio.Cancellable()
    caught = []

    async def reader():
        try:
            await here.read_bytes_async(5, cancellable=cancellable)
        except GLib.Error as error:
            caught.append(error)
            # It can still clean up.
            await there.write_bytes_all_async(b"bye")
            raise

    async def outer():
        await Qio.spawn(reader())

    task = Qio.spawn(outer())
    task.cancel()
    assert cancellable.is_cancelled()
    iterate_until(task.done)
    assert is_cancelled(caught[0]) and is_cancelled(error_of(task.result))
    # No data is lost.
    assert here.read_bytes(5).get_data() == b"bye"

    async def too_late():
        assert task.done()
        await there.write_bytes_all_async(b"z")

    finished = Qio.spawn(too_late())
    iterate_until(finished.done)
    finished.cancel()
    finished.close()
    assert finished.result() is None


def closing_a_coroutine_cancels_what_it_awaits():
    here, there = Qio.ChannelSocket.new_pair()
    cancellable = Gio.Cancellable()
    ended = []

    async def reader():
        try:
            await here.read_bytes_async(5, cancellable=cancellable)
        finally:
            ended.append(True)

    task = Qio.spawn(reader())
    task.close()
    assert ended and task.done() and cancellable.is_cancelled()
    assert is_cancelled(error_of(task.result))
    there.write_bytes_all(b"kept")
    assert Qio.run(text(here, 4)) == b"kept"

    # So does an interrupt from the keyboard, which leaves run().
    cancellable = Gio.Cancellable()
    GLib.idle_add(os.kill, os.getpid(), signal.SIGINT)
    try:
        Qio.run(reader())
    except KeyboardInterrupt:
        assert len(ended) == 2 and cancellable.is_cancelled()
    else:
        raise AssertionError("not interrupted")


def nothing_is_left():
    """Callbacks, tasks and channels go when they have been called, and when they have been cancelled."""
    here, there = Qio.ChannelSocket.new_pair()
    left = []

    async def reader():
        operation = here.read_bytes_async(1)
        left.append(weakref.ref(operation))
        return await operation

    def task_of(end):
        task = Qio.spawn(reader())
        left.append(weakref.ref(task))
        end(task)
        iterate_until(task.done)

    for _ in range(50):
        task_of(lambda task: there.write_bytes(b"x"))
        task_of(lambda task: task.cancel())
        task_of(lambda task: task.close())
    # The last channel that was closed has not been notified yet.
    here.write_bytes(b"x")
    Qio.run(text(there, 1))
    while context.iteration(False):
        pass
    gc.collect()
    assert len(left) == 300
    assert not [reference for reference in left if reference() is not None]
    left_channel = weakref.ref(here)
    del here, reader, task_of
    gc.collect()
    assert left_channel() is None


def unretrieved_exceptions_are_reported():
    reported = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: reported.append(unraisable.exc_value)

    async def failing():
        raise ValueError("not retrieved")

    Qio.spawn(failing())
    gc.collect()
    assert [str(error) for error in reported] == ["not retrieved"]
    reported.clear()
    here, _there = Qio.ChannelSocket.new_pair()
    # A cancellation is not reported.
    task = Qio.spawn(text(here, 1))
    task.cancel()
    iterate_until(task.done)
    del task
    gc.collect()
    assert not reported
    sys.unraisablehook = hook


def callbacks_work_as_ever():
    here, there = Qio.ChannelSocket.new_pair()
    calls = []

    def note(source, result, *data):
        calls.append((source, source.read_bytes_finish(result).get_data(), *data))

    assert here.read_bytes_async(1, GLib.PRIORITY_DEFAULT, None, note, "data") is None
    there.write_bytes(b"x")
    iterate_until(lambda: calls)
    assert calls == [(here, b"x", "data")]
    assert here.read_bytes_async(1, callback=note) is None
    there.write_bytes(b"y")
    iterate_until(lambda: len(calls) > 1)
    assert calls[1] == (here, b"y")
    for wrong in ((), ("many",), (1, 2, 3, 4, 5)):
        try:
            here.read_bytes_async(*wrong)
        except TypeError:
            continue
        raise AssertionError(f"{wrong} are not its arguments")


def each_thread_has_its_own_context():
    results = []

    def in_thread():
        own = GLib.MainContext.new()
        own.push_thread_default()
        here, there = Qio.ChannelSocket.new_pair()

        async def conversation():
            read = here.read_bytes_async(6)
            await there.write_bytes_all_async(b"thread")
            return (await read).get_data()

        results.append(Qio.run(conversation()))
        own.pop_thread_default()

    threads = [threading.Thread(target=in_thread) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [b"thread"] * 4


def under_asyncio(coroutine, loop):
    """Runs a coroutine in a loop of asyncio that iterates whenever the main context does."""
    task = loop.create_task(coroutine)

    def turn():
        loop.call_soon(loop.stop)
        loop.run_forever()
        return not task.done()

    GLib.idle_add(turn)
    iterate_until(task.done)
    return task.result()


async def cancelled(reader):
    task = asyncio.ensure_future(reader)
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return
    raise AssertionError("not cancelled")


async def conversation_of_asyncio():
    here, there = Qio.ChannelSocket.new_pair()
    here.write_bytes_all(b"cd")
    written = there.write_bytes_all_async(b"ab")
    first, second = await asyncio.gather(text(here, 2), asyncio.wait_for(text(there, 2), 60))
    assert await written is None
    assert (first, second) == (b"ab", b"cd")
    cancellable = Gio.Cancellable()

    async def reader():
        await here.read_bytes_async(5, cancellable=cancellable)

    await cancelled(reader())
    assert cancellable.is_cancelled()
    # Which has lost nothing.
    await there.write_bytes_all_async(b"kept")
    assert await text(here, 4) == b"kept"
    # A GCancellable ends one call, and no task of asyncio.
    cancellable = Gio.Cancellable()
    read = here.read_bytes_async(5, cancellable=cancellable)
    cancellable.cancel()
    try:
        await read
    except GLib.Error as error:
        assert is_cancelled(error)
    else:
        raise AssertionError("not cancelled")
    # A task of the main context can be awaited, and one can run inside.
    task = Qio.spawn(text(here, 7))
    await there.write_bytes_all_async(b"spawned")
    assert await task == b"spawned"
    assert Qio.run(ready_to_write(here)) == GLib.IOCondition.OUT
    async with there:
        pass
    try:
        await here.read_bytes_all_async(1)
    except GLib.Error as error:
        assert error.matches(Qio.ChannelError.quark(), Qio.ChannelError.TRUNCATED)
        return "talked"


async def ready_to_write(channel):
    return await channel.ready_async(GLib.IOCondition.OUT)


def asyncio_awaits_too():
    loop = asyncio.new_event_loop()
    assert under_asyncio(conversation_of_asyncio(), loop) == "talked"
    loop.close()


def a_loop_besides_the_main_context_is_refused():
    """It would wait forever."""
    here, _there = Qio.ChannelSocket.new_pair()
    try:
        asyncio.run(text(here, 1))
    except RuntimeError as error:
        assert "main context" in str(error)
    else:
        raise AssertionError("no error")


def a_loop_of_the_override_awaits_the_same():
    loop = Qio.new_event_loop()
    assert loop.run_until_complete(conversation_of_asyncio()) == "talked"
    loop.close()


def the_loop_of_pygobject_awaits_what_gio_has():
    if importlib.util.find_spec("gi.events") is None:
        # It is older than 3.50.
        return
    loop = Qio.new_event_loop()

    async def with_gio():
        here, there = Qio.ChannelSocket.new_pair()
        stream = Gio.MemoryInputStream.new_from_bytes(GLib.Bytes.new(b"of GIO"))
        theirs = stream.read_bytes_async(6, GLib.PRIORITY_DEFAULT)
        ours, nothing = await asyncio.gather(here.read_bytes_async(4), there.write_bytes_all_async(b"ours"))
        assert nothing is None
        return ours.get_data(), (await theirs).get_data()

    assert loop.run_until_complete(with_gio()) == (b"ours", b"of GIO")
    loop.close()


reads_well()
every_asynchronous_method_can_be_awaited()
several_run_at_once()
operations_begin_when_they_are_called()
errors_are_raised_where_they_are_awaited()
cancelling_a_task_cancels_what_it_awaits()
closing_a_coroutine_cancels_what_it_awaits()
nothing_is_left()
unretrieved_exceptions_are_reported()
callbacks_work_as_ever()
each_thread_has_its_own_context()
asyncio_awaits_too()
a_loop_besides_the_main_context_is_refused()
a_loop_of_the_override_awaits_the_same()
the_loop_of_pygobject_awaits_what_gio_has()
print("await: ok")
