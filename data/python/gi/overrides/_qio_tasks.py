"""What coroutines wait for: operations, tasks and times, on the main context and under asyncio."""

import functools
import signal
import sys
import threading

from gi.repository import Gio, GLib


def io_error(message, code):
    return GLib.Error.new_literal(Gio.io_error_quark(), message, code)


def _is_cancelled(error):
    return isinstance(error, GLib.Error) and error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED)


# Waiting. `Awaitable` is what coroutines wait for: an operation, or a task.

# Its `task` is the one whose coroutine runs in this thread just now, its `run` the innermost run().
_running = threading.local()

# What ends a program, and is never an error of something that it does.
EXITS = (SystemExit, KeyboardInterrupt)


def _end_program(error):
    """Ends the program, or this thread's run(), by an exception of `EXITS`. Called by C, which cannot propagate
    exceptions."""
    run = getattr(_running, "run", None)
    if run is not None:
        run.end(error)
    else:
        exit_program(error)


def exit_program(error):
    """Ends the program by an exception of `EXITS`."""
    if isinstance(error, KeyboardInterrupt):
        sys.excepthook(type(error), error, error.__traceback__)
        error = SystemExit(128 + signal.SIGINT)
    # PyGObject ends the program by that.
    raise error


def _asyncio_loop():
    """The loop of asyncio that runs in this thread, or None, also if the program does not use asyncio."""
    asyncio = sys.modules.get("asyncio")
    return asyncio and asyncio._get_running_loop()


def _cancel_again(task):
    """Cancels a task of asyncio, unless the cause of the first time is over: `asyncio.timeout`."""
    if task.done():
        return
    if hasattr(task, "uncancel"):
        if not task.cancelling():
            return
        # It is the same cancellation, and counts once.
        task.uncancel()
    task.cancel()


class Awaitable:
    """Has a result, or an exception, once it is done."""

    def __init__(self):
        self._done = self._cancelled = False
        self._result = self._error = None
        # An exception that was not retrieved.
        self._unseen = None
        self._callbacks = []

    def __del__(self):
        if self._unseen is not None:
            # Python logs an exception that is raised here.
            raise self._unseen

    def __await__(self):
        if not self._done:
            try:
                yield from self._wait()
            except BaseException:
                # The coroutine is closed, or cancelled by asyncio.
                self.cancel()
                raise
        return self.result()

    def done(self):
        """Whether there is a result, or an exception."""
        return self._done

    def result(self):
        """The result, once it is there; raises the exception, if there is one."""
        if not self._done:
            raise RuntimeError("There is no result yet")
        self._unseen = None
        if self._error is not None:
            raise self._error
        return self._result

    def _wait(self):
        loop = _asyncio_loop()
        if getattr(_running, "task", None) is not None:
            yield self
        elif loop is not None and GLib.MainContext.ref_thread_default().is_owner():
            yield from self._wait_in(loop, sys.modules["asyncio"])
        else:
            raise RuntimeError(
                "Nothing runs the main context here: await it in Qio.run(), or in a loop of Qio.new_event_loop()"
            )

    def _wait_in(self, loop, asyncio):
        """In a task of asyncio. If that is cancelled when there is a result already, which would be lost, the result
        is returned, and the task is cancelled where it waits next."""
        cancelled = None
        while not self._done:
            future = loop.create_future()
            self._callbacks.append(lambda future=future: future.done() or future.set_result(None))
            try:
                yield from future
            except asyncio.CancelledError as error:
                cancelled = error
                if not self._done:
                    self.cancel()
        if cancelled is None:
            return
        if self._error is not None:
            self._unseen = None
            raise cancelled
        loop.call_soon(_cancel_again, asyncio.current_task())

    def _settle(self, result=None, error=None):
        self._done, self._result, self._error = True, result, error
        expected = self._cancelled and _is_cancelled(error)
        if not (expected or isinstance(error, EXITS)):
            self._unseen = error
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


class Operation(Awaitable):
    """An asynchronous call, already started."""

    def __init__(self, begin, finish, cancellable):
        super().__init__()
        self._cancellable = cancellable

        def finished(source, result, *_):
            try:
                value = finish(source, result)
            except GLib.Error as error:
                self._settle(error=error)
            else:
                self._settle(value)

        begin(cancellable, finished)

    def cancel(self):
        """Cancels its GCancellable. A result that was there before remains."""
        self._cancelled = True
        self._cancellable.cancel()


class Task(Awaitable):
    """A coroutine that runs on the main context, already started."""

    def __init__(self, coroutine):
        super().__init__()
        self._coroutine = coroutine
        self._awaited = None
        # Cancelled while it was running: what it waits for next is.
        self._to_cancel = False
        self._step()
        if isinstance(self._error, EXITS):
            # By the caller.
            raise self._error

    def cancel(self):
        """Cancels what the coroutine waits for, now or next: there it gets `Gio.IOErrorEnum.CANCELLED`."""
        self._cancelled = True
        self._interrupt()

    def _interrupt(self):
        if self._awaited is not None:
            self._awaited.cancel()
        else:
            self._to_cancel = True

    def close(self):
        """Closes the coroutine, if it has not ended, and cancels what it waits for."""
        if self._done:
            return
        self._cancelled = True
        try:
            self._coroutine.close()
        finally:
            self._settle(error=io_error("The coroutine was closed", Gio.IOErrorEnum.CANCELLED))

    def _step(self):
        if self._done:
            return
        self._awaited = None
        outer, _running.task = getattr(_running, "task", None), self
        try:
            awaited = self._coroutine.send(None)
            while not isinstance(awaited, Awaitable):
                awaited = self._coroutine.throw(TypeError(f"Qio.run() and Qio.spawn() cannot wait for {awaited!r}"))
        except StopIteration as end:
            self._settle(end.value)
        except BaseException as error:
            # Without this call, whose frame has the task: an exception that has it in turn would be reported by
            # the garbage collector only.
            self._settle(error=error.with_traceback(error.__traceback__.tb_next))
        else:
            self._awaited = awaited
            awaited._callbacks.append(self._resume)
            if self._to_cancel:
                self._to_cancel = False
                awaited.cancel()
        finally:
            _running.task = outer

    def _resume(self):
        was_done = self._done
        self._step()
        if not was_done and isinstance(self._error, EXITS):
            _end_program(self._error)


class Sleep(Awaitable):
    """Is done, with the result None, after a time."""

    def __init__(self, seconds):
        super().__init__()
        self._source = GLib.Timeout(max(0, round(seconds * 1000)))
        self._source.set_callback(self._elapsed)
        self._source.attach(GLib.MainContext.ref_thread_default())

    def _elapsed(self, *_data):
        if self._cancelled:
            self._settle(error=io_error("Operation was cancelled", Gio.IOErrorEnum.CANCELLED))
        else:
            self._settle()
        return GLib.SOURCE_REMOVE

    def cancel(self):
        """Ends it with `Gio.IOErrorEnum.CANCELLED`, after this call, as with operations."""
        if not self._done:
            self._cancelled = True
            self._source.set_ready_time(0)


class Gathered(Awaitable):
    """The results of several awaitables, in order."""

    def __init__(self, awaitables):
        super().__init__()
        self._all = [each if isinstance(each, Awaitable) else Task(_await(each)) for each in awaitables]
        self._left = [each for each in self._all if not each.done()]
        self._first = None
        for each in self._left[:]:
            each._callbacks.append(functools.partial(self._ended, each))
        for each in self._all:
            if each.done():
                self._look_at(each)
        self._settle_if_all_are_done()

    def cancel(self):
        """Cancels all that have not ended."""
        self._cancelled = True
        for each in self._left[:]:
            each.cancel()

    def _ended(self, each):
        self._left.remove(each)
        self._look_at(each)
        self._settle_if_all_are_done()

    def _look_at(self, each):
        try:
            each.result()
        except BaseException as error:
            if self._first is None:
                self._first = error
                for other in self._left[:]:
                    other.cancel()

    def _settle_if_all_are_done(self):
        if self._done or self._left:
            return
        if self._first is not None:
            self._settle(error=self._first)
        else:
            self._settle([each.result() for each in self._all])


async def _await(awaitable):
    return await awaitable


def set_run(run):
    """Sets what `SystemExit` and `KeyboardInterrupt` of tasks end in this thread, by its method `end`. Returns what
    it was."""
    outer, _running.run = getattr(_running, "run", None), run
    return outer


class _Run:
    """A call of run()."""

    def __init__(self):
        # Which, unlike the bare context, an interrupt from the keyboard ends.
        self.loop = GLib.MainLoop.new(GLib.MainContext.ref_thread_default(), False)
        self.exit = None

    def end(self, error):
        self.exit = error
        self.loop.quit()


def spawn(coroutine):
    """Starts a coroutine on the thread-default main context, which the caller has to run, and returns a task.

    The coroutine runs at once until its first wait. The task can be awaited; `cancel` cancels it, and `close` closes
    it. SystemExit and KeyboardInterrupt end the program, or the `run` that runs the context. Another exception that
    is never retrieved is logged by `sys.unraisablehook`.
    """
    return Task(coroutine)


def run(coroutine):
    """Runs a coroutine, and the thread-default main context until it has ended, and returns its result."""
    this = _Run()
    outer = set_run(this)
    try:
        task = Task(coroutine)
        task._callbacks.append(this.loop.quit)
        try:
            if not task.done():
                this.loop.run()
        finally:
            task.close()
        if this.exit is not None:
            raise this.exit
        return task.result()
    finally:
        set_run(outer)


def sleep(seconds):
    """Returns an awaitable that is done `seconds` from now. `cancel` cancels it."""
    return Sleep(seconds)


def gather(*awaitables):
    """Runs coroutines and other awaitables concurrently. The result is the list of their results, in order.

    Coroutines start at once. If one raises an exception the others are cancelled, and the exception is raised once
    all have ended. `cancel` cancels all.
    """
    return Gathered(awaitables)


class timeout:
    """`async with Qio.timeout(seconds):` cancels the block after that time, and raises TimeoutError.

    For coroutines of `run` or `spawn`; asyncio has `asyncio.timeout`.
    """

    def __init__(self, seconds):
        self._seconds = seconds
        self._timer = self._task = None
        self._expired = False

    async def __aenter__(self):
        self._task = getattr(_running, "task", None)
        if self._task is None:
            raise RuntimeError("Qio.timeout() is for coroutines of Qio.run() and Qio.spawn()")
        self._timer = sleep(self._seconds)
        self._timer._callbacks.append(self._expire)
        return self

    async def __aexit__(self, _type, error, _traceback):
        task, self._task = self._task, None
        self._timer.cancel()
        if not self._expired:
            return
        # It may have ended at the same time: then what comes next must not be cancelled for it.
        task._to_cancel = False
        if _is_cancelled(error):
            raise TimeoutError(f"It took longer than {self._seconds} s") from error

    def _expire(self):
        # Unless what is inside has ended.
        if self._task is not None:
            self._expired = True
            self._task._interrupt()
