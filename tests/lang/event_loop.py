"""Channels under asyncio, in the event loop of `Qio.new_event_loop`: that of PyGObject, or the override's own."""

import asyncio
import gc
import importlib.util
import os
import signal
import socket
import sys
import threading
import time
import warnings

# The parent process may have SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

from common import raised_by
from gi.repository import Gio, GLib, Qio

warnings.simplefilter("error", ResourceWarning)


# Whether the loop is the override's.
IS_OWN = importlib.util.find_spec("gi.events") is None


def run(coroutine):
    with asyncio.Runner(loop_factory=Qio.new_event_loop) as runner:
        return runner.run(coroutine)


async def text(channel, count):
    return (await channel.read_bytes_all_async(count)).get_data()


async def channels_are_awaited_together():
    here, there = Qio.ChannelSocket.new_pair()
    results = await asyncio.gather(text(here, 2), there.write_bytes_all_async(b"ab"), asyncio.sleep(0.01, "slept"))
    assert results == [b"ab", None, "slept"], results
    async with asyncio.TaskGroup() as group:
        read = group.create_task(text(there, 3))
        group.create_task(text(here, 1))
        await here.write_bytes_all_async(b"one")
        await there.write_bytes_all_async(b"2")
    assert read.result() == b"one"
    there.write_bytes(b"x")
    assert await asyncio.wait_for(text(here, 1), 60) == b"x"


async def what_takes_too_long_is_cancelled_and_loses_nothing():
    here, there = Qio.ChannelSocket.new_pair()
    cancellable = Gio.Cancellable()
    try:
        async with asyncio.timeout(0.01):
            await here.read_bytes_async(5, cancellable=cancellable)
    except TimeoutError:
        assert cancellable.is_cancelled()
    else:
        raise AssertionError("in time")
    await raised_by(asyncio.wait_for(text(here, 5), 0.01), TimeoutError)
    await there.write_bytes_all_async(b"kept")
    assert await text(here, 4) == b"kept"

    # A member of a group that fails cancels the others.
    async def fails():
        raise KeyError("first")

    async def group():
        async with asyncio.TaskGroup() as group:
            group.create_task(text(here, 1))
            group.create_task(fails())

    errors = await raised_by(group(), ExceptionGroup)
    assert [type(error) for error in errors.exceptions] == [KeyError]
    await there.write_bytes_all_async(b"z")
    assert await text(here, 1) == b"z"


async def a_result_that_arrives_with_the_cancellation_is_returned():
    here, there = Qio.ChannelSocket.new_pair()
    received = []

    async def reader():
        received.append((await here.read_bytes_async(100)).get_data())
        await asyncio.sleep(60)

    # Whatever the number of iterations between the two: nothing is lost.
    for iterations in range(12):
        received.clear()
        task = asyncio.ensure_future(reader())
        await asyncio.sleep(0)
        there.write_bytes_all(b"data")
        for _ in range(iterations):
            await asyncio.sleep(0)
        task.cancel()
        await raised_by(task, asyncio.CancelledError)
        rest = b"" if received else await asyncio.wait_for(text(here, 4), 10)
        assert b"".join(received) + rest == b"data", (iterations, received)

    # A deadline that passes at the same time is over with its block, which has its result.
    read = here.read_bytes_async(4)
    async with asyncio.timeout(None) as deadline:
        there.write_bytes_all(b"data")
        while not read.done():
            await asyncio.sleep(0)
        wait = asyncio.ensure_future(here.ready_async(GLib.IOCondition.OUT))
        await wait
        deadline.reschedule(0)
        assert (await read).get_data() == b"data"
    await asyncio.sleep(0)


async def errors_and_exceptions_are_raised_where_they_are_awaited():
    here, there = Qio.ChannelSocket.new_pair()
    there.close()
    error = await raised_by(here.read_bytes_all_async(1), GLib.Error)
    assert error.matches(Qio.ChannelError.quark(), Qio.ChannelError.TRUNCATED)
    seen = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
    loop.call_soon(lambda: 1 / 0)
    GLib.idle_add(lambda: loop.call_soon(lambda: [][0]) and False)
    while len(seen) < 2:
        await asyncio.sleep(0.02)
    assert sorted(type(each).__name__ for each in seen) == ["IndexError", "ZeroDivisionError"]
    loop.set_exception_handler(None)


async def the_main_context_runs_with_the_loop():
    order = []
    GLib.timeout_add(1, lambda: order.append("timeout"))
    # Of the lowest priority: in the override's loop also while that is never idle.
    GLib.idle_add(lambda: order.append("idle"), priority=GLib.PRIORITY_LOW)
    while len(order) < 2:
        await asyncio.sleep(0 if IS_OWN else 0.02)
    # A callback of GLib wakes the loop, which has nothing else to do.
    loop = asyncio.get_running_loop()
    for wake in (loop.call_soon, lambda callback: loop.call_later(0.001, callback)):
        event = asyncio.Event()
        GLib.timeout_add(1, lambda: wake(event.set) and False)
        await event.wait()
    assert await Qio.spawn(sleeping()) == "slept"


async def sleeping():
    await Qio.sleep(0.001)
    return "slept"


async def timers_are_no_busy_loop():
    loop = asyncio.get_running_loop()
    iterations = 0
    run_once = loop._run_once

    def counted():
        nonlocal iterations
        iterations += 1
        run_once()

    loop._run_once = counted
    begin = time.monotonic()
    await asyncio.sleep(0.2)
    assert time.monotonic() - begin >= 0.19
    del loop._run_once
    assert iterations < 30, iterations


async def threads_and_executors_wake_it():
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, lambda: threading.current_thread().name) != "MainThread"
    assert await asyncio.to_thread(sum, [1, 2]) == 3
    event = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(event.set))
    thread.start()
    await event.wait()
    thread.join()


async def descriptors_and_sockets_of_asyncio_work():
    one, other = socket.socketpair()
    one.setblocking(False)
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(one, ready.set)
    other.send(b"x")
    await ready.wait()
    assert loop.remove_reader(one)
    assert await loop.sock_recv(one, 10) == b"x"
    one.close()
    other.close()

    async def echo(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    # One end of asyncio, the other one a channel.
    channel = await asyncio.to_thread(Qio.NetAddress.new_from_string(f"tcp:127.0.0.1:{port}").connect_sync)
    await channel.write_bytes_all_async(b"line\n")
    assert [line async for line in channel.lines()] == [b"line"]
    channel.close()
    server.close()
    await server.wait_closed()


async def child_processes_and_signals_work():
    child = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate(b"through cat")
    assert output == b"through cat" and child.returncode == 0
    failing = await asyncio.create_subprocess_shell("exit 3")
    assert await failing.wait() == 3
    # While there is a child process of Qio.
    command = Qio.ChannelCommand.new_spawn(["cat"], os.O_RDWR)
    await command.write_bytes_all_async(b"too")
    assert await text(command, 3) == b"too"
    await command.close_async()
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    for number in (signal.SIGUSR1, signal.SIGALRM):
        loop.add_signal_handler(number, event.set)
        os.kill(os.getpid(), number)
        await event.wait()
        assert loop.remove_signal_handler(number)
        event.clear()


async def the_loop_can_be_stopped_and_debugged():
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    here, there = Qio.ChannelSocket.new_pair()
    await asyncio.gather(text(here, 1), there.write_bytes_async(b"x"))
    loop.set_debug(False)
    assert loop.is_running() and loop.time() <= loop.time()


def the_loop_is_used_again():
    loop = Qio.new_event_loop()
    here, there = Qio.ChannelSocket.new_pair()
    for _ in range(3):
        there.write_bytes(b"x")
        assert loop.run_until_complete(text(here, 1)) == b"x"
        loop.call_soon(loop.stop)
        loop.run_forever()
        GLib.idle_add(lambda: loop.stop())
        loop.run_forever()
    loop.close()
    assert loop.is_closed()
    try:
        loop.run_forever()
    except RuntimeError:
        return
    raise AssertionError("it is closed")


def a_policy_makes_such_loops():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(Qio.event_loop_policy())
        assert asyncio.run(sleeping_here()) == "slept"
        results = []
        threads = [threading.Thread(target=lambda: results.append(asyncio.run(sleeping_here()))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == ["slept"] * 3, results
        asyncio.set_event_loop_policy(None)


async def sleeping_here():
    here, there = Qio.ChannelSocket.new_pair()
    there.write_bytes(b"x")
    assert await text(here, 1) == b"x"
    return await sleeping()


def interrupts_end_the_loop():
    interrupt = lambda: os.kill(os.getpid(), signal.SIGINT)
    here, there = Qio.ChannelSocket.new_pair()
    ended = []

    async def reader(start):
        start()
        try:
            await here.read_bytes_async(1)
        finally:
            ended.append(True)

    def in_a_thread():
        timer = threading.Timer(0.05, interrupt)
        timer.start()

    # By a callback of asyncio, of GLib, and while the loop waits: the runner cancels the coroutine.
    starts = (
        lambda: asyncio.get_running_loop().call_soon(interrupt),
        lambda: GLib.idle_add(lambda: interrupt() and False),
        in_a_thread,
    )
    for start in starts:
        try:
            run(reader(start))
        except KeyboardInterrupt:
            continue
        raise AssertionError("not interrupted")
    assert len(ended) == 3 and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    # Without a runner, too.
    for start in starts:
        loop = Qio.new_event_loop()
        task = loop.create_task(reader(start))
        try:
            loop.run_until_complete(task)
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("not interrupted")
        task.cancel()
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        loop.close()
    there.write_bytes(b"x")
    assert here.read_bytes(1).get_data() == b"x"


def exits_end_the_loop():
    async def exits():
        await asyncio.sleep(0)
        raise SystemExit(3)

    async def exits_on_the_main_context():
        await Qio.sleep(0)
        raise SystemExit(3)

    async def spawns():
        Qio.spawn(exits_on_the_main_context())
        await asyncio.sleep(60)

    for coroutine in (exits, spawns):
        try:
            run(coroutine())
        except SystemExit as error:
            assert error.code == 3
        else:
            raise AssertionError("no exit")


def a_loop_of_glib_runs_it():
    """As in programs with GTK, whose application runs the main context."""
    main_loop = GLib.MainLoop()
    loop = Qio.new_event_loop()
    here, there = Qio.ChannelSocket.new_pair()
    order = []

    async def conversation():
        async with asyncio.timeout(60):
            order.append(await text(here, 2))
        await asyncio.sleep(0.001)
        order.append(await asyncio.to_thread(lambda: "thread"))
        main_loop.quit()

    # A callback of GLib starts coroutines of asyncio.
    GLib.idle_add(lambda: order.append(asyncio.ensure_future(conversation())) and False)
    GLib.timeout_add(1, lambda: there.write_bytes_all(b"ab") and False)
    with loop.running(main_loop.quit):
        main_loop.run()
    assert order[1:] == [b"ab", "thread"] and order[0].done()

    # An inner loop, as a dialog has one.
    def dialog():
        inner = GLib.MainLoop()
        asyncio.get_running_loop().call_later(0.001, inner.quit)
        inner.run()
        order.append("inner")
        main_loop.quit()

    GLib.idle_add(lambda: dialog() and False)
    with loop.running(main_loop.quit):
        main_loop.run()
    assert order[-1] == "inner"
    # Stopping it stops the outer one.
    with loop.running(main_loop.quit):
        loop.call_soon(loop.stop)
        main_loop.run()
    # An exit ends the outer one, too.
    if IS_OWN:
        try:
            with loop.running(main_loop.quit):
                loop.call_soon(sys.exit, 3)
                main_loop.run()
        except SystemExit as error:
            assert error.code == 3
        else:
            raise AssertionError("no exit")
    assert loop.run_until_complete(sleeping_here()) == "slept"
    loop.close()


def loops_of_glib_in_a_callback_do_not_spin():
    """Inside of a coroutine, where asyncio cannot run others; and inside of a callback of GLib, where it can."""
    one, other = socket.socketpair()

    async def in_a_coroutine():
        loop = asyncio.get_running_loop()
        order = []
        # Input, a timer and a callback, which wait for the end of the inner loop.
        ready = asyncio.Event()
        loop.add_reader(one, ready.set)
        other.send(b"x")
        loop.call_soon(order.append, "asyncio")
        inner = GLib.MainLoop()
        GLib.timeout_add(100, lambda: order.append("inner") or inner.quit())
        begin = time.process_time()
        inner.run()
        assert time.process_time() - begin < 0.05 and order == ["inner"], order
        await ready.wait()
        assert order == ["inner", "asyncio"]
        loop.remove_reader(one)

        def dialog():
            inner = GLib.MainLoop()
            task = loop.create_task(conversation())
            task.add_done_callback(lambda _: inner.quit())
            inner.run()
            order.append(task.result())
            ended.set()

        async def conversation():
            await asyncio.sleep(0.05)
            return await sleeping_here()

        ended = asyncio.Event()
        begin = time.process_time()
        GLib.idle_add(lambda: dialog() and False)
        await ended.wait()
        assert time.process_time() - begin < 0.04 and order[2:] == ["slept"], order

    run(in_a_coroutine())
    one.close()
    other.close()


def an_application_runs_it():
    application = Gio.Application(application_id="org.example.Qio", flags=Gio.ApplicationFlags.NON_UNIQUE)
    loop = Qio.new_event_loop()
    results = []

    async def work():
        results.append(await sleeping_here())
        application.release()

    def activate(_application):
        application.hold()
        results.append(asyncio.ensure_future(work()))

    application.connect("activate", activate)
    with loop.running(application.quit):
        application.run()
    assert results[1:] == ["slept"]
    loop.close()


for case in (
    channels_are_awaited_together,
    what_takes_too_long_is_cancelled_and_loses_nothing,
    a_result_that_arrives_with_the_cancellation_is_returned,
    errors_and_exceptions_are_raised_where_they_are_awaited,
    the_main_context_runs_with_the_loop,
    timers_are_no_busy_loop,
    threads_and_executors_wake_it,
    descriptors_and_sockets_of_asyncio_work,
    child_processes_and_signals_work,
    the_loop_can_be_stopped_and_debugged,
):
    run(case())
the_loop_is_used_again()
a_policy_makes_such_loops()
interrupts_end_the_loop()
if IS_OWN:
    # The loop of PyGObject exits the process at once.
    exits_end_the_loop()
    loops_of_glib_in_a_callback_do_not_spin()
a_loop_of_glib_runs_it()
an_application_runs_it()
gc.collect()
print("event loop: ok")
