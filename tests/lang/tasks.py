"""Coroutines of Python apart from awaiting a channel: they sleep, run concurrently, time out, and exit the
program."""

import gc
import signal
import subprocess
import sys
import textwrap
import time

import gi

gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, Qio


def is_cancelled(error):
    return isinstance(error, GLib.Error) and error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED)


async def caught(awaitable, *kinds):
    try:
        await awaitable
    except (GLib.Error, *kinds) as error:
        return error
    raise AssertionError("no error")


async def text(channel, count):
    return (await channel.read_bytes_all_async(count)).get_data()


def sleeping_ends_after_its_time():
    async def sleeps():
        begin = time.monotonic()
        assert await Qio.sleep(0.05) is None
        assert time.monotonic() - begin >= 0.05
        # Both begin when they are made.
        long, short = Qio.sleep(60), Qio.sleep(0)
        await short
        assert not long.done()
        long.cancel()
        assert is_cancelled(await caught(long))
        task = Qio.spawn(text(Qio.ChannelSocket.new_pair()[0], 1))
        task.cancel()
        assert is_cancelled(await caught(task))

    Qio.run(sleeps())


def several_are_gathered_in_their_order():
    async def number(n, seconds):
        await Qio.sleep(seconds)
        return n

    async def gathers():
        here, there = Qio.ChannelSocket.new_pair()
        # Each waits for the next one: none would end if they ran one after the other.
        read = here.read_bytes_async(1)
        results = await Qio.gather(number(1, 0.02), text(there, 1), read, here.write_bytes_async(b"x"), wrote(there))
        assert results[:2] == [1, b"x"] and results[2].get_data() == b"y" and results[3:] == [1, "wrote"]
        assert await Qio.gather() == []
        assert await Qio.gather(number(1, 0), number(2, 0)) == [1, 2]

    async def wrote(channel):
        await channel.write_bytes_all_async(b"y")
        return "wrote"

    Qio.run(gathers())


def what_fails_cancels_what_it_was_gathered_with():
    ended = []

    async def fails():
        raise KeyError("at once")

    async def fails_later():
        await Qio.sleep(0)
        raise KeyError("later")

    async def waits(channel):
        try:
            await channel.read_bytes_async(1)
        finally:
            ended.append(True)

    async def gathers():
        here, there = Qio.ChannelSocket.new_pair()
        for failing in (fails, fails_later):
            error = await caught(Qio.gather(waits(here), failing(), waits(there)), KeyError)
            assert isinstance(error, KeyError), error
        assert ended == [True] * 4
        gathered = Qio.gather(waits(here), waits(there))
        gathered.cancel()
        assert is_cancelled(await caught(gathered)) and len(ended) == 6
        # No data is lost.
        await there.write_bytes_all_async(b"z")
        assert await text(here, 1) == b"z"

    Qio.run(gathers())


def what_takes_too_long_is_cancelled():
    async def timed():
        here, there = Qio.ChannelSocket.new_pair()
        try:
            async with Qio.timeout(0.01):
                await here.read_bytes_async(1)
        except TimeoutError as error:
            assert is_cancelled(error.__cause__)
        else:
            raise AssertionError("it is not too late")
        # In time; and what follows is not cancelled.
        async with Qio.timeout(60):
            await there.write_bytes_all_async(b"in time")
            assert await text(here, 7) == b"in time"
        # It was over when the time was.
        async with Qio.timeout(0):
            pass
        await Qio.sleep(0)
        # Errors of other kinds stay what they are, also cancelling by another.
        for wrong in (KeyError("own"), GLib.Error.new_literal(Gio.io_error_quark(), "", Gio.IOErrorEnum.CANCELLED)):
            try:
                async with Qio.timeout(60):
                    raise wrong
            except (KeyError, GLib.Error) as error:
                assert error is wrong
        try:
            async with Qio.timeout(0.01):
                async with Qio.timeout(60):
                    await Qio.sleep(60)
        except TimeoutError as error:
            assert "0.01" in str(error)
        else:
            raise AssertionError("it is not too late")

    Qio.run(timed())


def exceptions_that_are_never_retrieved_are_reported_at_once():
    reported = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: reported.append(str(unraisable.exc_value))

    async def fails():
        await Qio.sleep(0)
        task = Qio.spawn(nothing())
        raise ValueError(f"never retrieved {task.done()}")

    async def nothing():
        pass

    async def others():
        Qio.spawn(fails())
        await Qio.sleep(0.01)

    gc.disable()
    Qio.run(others())
    gc.enable()
    assert reported == ["never retrieved True"], reported
    sys.unraisablehook = hook


def program(body):
    """Runs a program to its end; returns its status and what it has printed."""
    beginning = "import sys, gi\ngi.require_version('Qio', '1.0')\nfrom gi.repository import GLib, Qio\n"
    ran = subprocess.run(
        [sys.executable, "-c", beginning + textwrap.dedent(body)], capture_output=True, text=True, timeout=60
    )
    return ran.returncode, ran.stdout, ran.stderr


def exits_end_the_program():
    # At once; later, in a loop of GLib, of run(), and of a run() that waits for something else; and in a slot.
    bodies = [
        "Qio.spawn(ends())\nprint('continued')",
        "Qio.run(ends())\nprint('continued')",
        "Qio.spawn(later())\nGLib.MainLoop().run()\nprint('continued')",
        "Qio.run(later())\nprint('continued')",
        "Qio.run(concurrent())\nprint('continued')",
        "Qio.run(awaits())\nprint('continued')",
        "Class().read_bytes(1)\nprint('continued')",
    ]
    definitions = """
        async def ends():
            raise {error}
        async def later():
            await Qio.sleep(0)
            raise {error}
        async def concurrent():
            Qio.spawn(later())
            try:
                await Qio.sleep(60)
            finally:
                print("cleaned up")
        async def awaits():
            await Qio.spawn(later())
        class Class(Qio.Channel):
            def do_io_read_bytes(self, count, flags):
                raise {error}
        """
    for error in ("SystemExit(3)", "KeyboardInterrupt"):
        for body in bodies:
            status, printed, errors = program(textwrap.dedent(definitions.format(error=error)) + body)
            expected = "cleaned up\n" if "concurrent" in body else ""
            assert printed == expected, (error, body, printed, errors)
            if error == "KeyboardInterrupt":
                # As Python ends, or as a shell reports it.
                assert status in (-signal.SIGINT, 128 + signal.SIGINT), (body, status, errors)
                assert "KeyboardInterrupt" in errors
            else:
                assert (status, errors) == (3, ""), (body, status, errors)


sleeping_ends_after_its_time()
several_are_gathered_in_their_order()
what_fails_cancels_what_it_was_gathered_with()
what_takes_too_long_is_cancelled()
exceptions_that_are_never_retrieved_are_reported_at_once()
exits_end_the_program()
print("tasks: ok")
