"""Loops of asyncio that run a main context: those of PyGObject's `gi.events`, or, before 3.50, one of our own.

That is the loop of the standard library, whose selector does not wait: the main context waits, and polls the descriptor
of the selector with its other sources. So signals, subprocesses, executors and transports are those of asyncio.
"""

import asyncio
import contextlib
import math
import selectors
import signal
import sys
import threading

from gi.repository import GLib

from ._qio_tasks import set_run

try:
    from gi.events import GLibEventLoop
except ImportError:
    GLibEventLoop = None


class _Selector(selectors.EpollSelector):
    """Polls after `wait`, which waits for at most as long as prepare of the source returns."""

    def __init__(self, wait):
        super().__init__()
        self._wait = wait

    def select(self, timeout=None):
        self._wait(may_block=timeout is None or timeout > 0)
        return super().select(0)


class _Source(GLib.Source):
    """Makes the main context wake for the loop, and dispatches the loop where a loop of GLib is the outer one."""

    def __init__(self, loop, priority):
        super().__init__()
        self._loop = loop
        self._tag = self.add_unix_fd(loop._selector.fileno(), GLib.IOCondition.IN)
        self._is_paused = False
        self._depth = GLib.main_depth()
        self._is_nested = False
        self.set_name("asyncio")
        self.set_priority(priority)

    def prepare(self):
        self._pause(self._loop._is_in_callback())
        if self._is_paused:
            return False, -1
        self._is_nested = GLib.main_depth() > self._depth
        timeout = self._loop._timeout()
        return timeout == 0, timeout

    def check(self):
        return not self._is_paused and (self._loop._timeout() == 0 or bool(self.query_unix_fd(self._tag)))

    def dispatch(self, _callback, _data):
        self._loop._dispatch(self._is_nested)
        return GLib.SOURCE_CONTINUE

    def _pause(self, is_paused):
        if is_paused != self._is_paused:
            self._is_paused = is_paused
            self.modify_unix_fd(self._tag, GLib.IOCondition(0) if is_paused else GLib.IOCondition.IN)


class EventLoop(asyncio.SelectorEventLoop):
    """Runs a main context while it runs itself.

    A loop of GLib can run it, too: see `running`.
    """

    def __init__(self, context):
        self._context = context
        self._source = None
        # What stops the loop of GLib that runs this one.
        self._quit = None
        self._is_iterating = False
        # Raised where no exception can propagate: in a callback of C.
        self._error = None
        super().__init__(_Selector(self._iterate))

    def run_forever(self):
        self._check_closed()
        self._check_running()
        # GLib's sources of all priorities precede: one iteration of the context belongs to each one of the loop.
        with self._attached(GLib.PRIORITY_LOW), self._interruptible():
            super().run_forever()

    @contextlib.contextmanager
    def running(self, quit_func):
        """While a loop of GLib runs the context in this block, it runs this loop as well.

        `stop` calls `quit_func`, which has to end the loop of GLib: `with loop.running(app.quit): app.run()`.
        """
        self._check_closed()
        self._check_running()
        hooks = sys.get_asyncgen_hooks()
        with self._attached(GLib.PRIORITY_DEFAULT):
            self._quit = quit_func
            self._thread_id = threading.get_ident()
            sys.set_asyncgen_hooks(firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook)
            asyncio._set_running_loop(self)
            try:
                yield
            finally:
                asyncio._set_running_loop(None)
                sys.set_asyncgen_hooks(*hooks)
                self._thread_id = self._quit = None
                self._stopping = False
        self._raise_error()

    def stop(self):
        super().stop()
        if self._quit is not None:
            self._quit()

    def end(self, error):
        """Ends the loop by an exception, which a coroutine of `Qio.spawn` has raised."""
        self._error = error
        self.stop()

    @contextlib.contextmanager
    def _attached(self, priority):
        if not self._context.acquire():
            raise RuntimeError("Another thread runs the main context of this loop")
        is_default = hash(self._context) == hash(GLib.MainContext.ref_thread_default())
        if not is_default:
            self._context.push_thread_default()
        self._error = None
        outer = set_run(self)
        self._source = _Source(self, priority)
        self._source.attach(self._context)
        try:
            yield
        finally:
            self._source.destroy()
            self._source = None
            set_run(outer)
            if not is_default:
                self._context.pop_thread_default()
            self._context.release()

    @contextlib.contextmanager
    def _interruptible(self):
        """While the context iterates, what the handler of SIGINT raises is raised after the iteration: it would be
        lost in a callback of C. The selector has a descriptor that the signal makes ready."""
        handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(handler):
            yield
            return

        def handle(number, frame):
            if not self._is_iterating:
                return handler(number, frame)
            try:
                handler(number, frame)
            except BaseException as error:
                self._error = error

        signal.signal(signal.SIGINT, handle)
        wakeup_fd = signal.set_wakeup_fd(self._csock.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            # A handler of this loop continues to need it.
            if not self._signal_handlers:
                signal.set_wakeup_fd(wakeup_fd)
            if signal.getsignal(signal.SIGINT) is handle:
                signal.signal(signal.SIGINT, handler)

    def _is_in_callback(self):
        """Whether a callback of asyncio runs a loop of GLib, in which asyncio cannot run other callbacks."""
        return self._quit is None and not self._is_iterating

    def _iterate(self, may_block):
        # By GLib already, or in a loop of GLib inside of this iteration.
        if self._quit is not None or self._is_iterating:
            return
        self._is_iterating = True
        try:
            self._context.iteration(may_block)
        finally:
            self._is_iterating = False
        self._raise_error()

    def _raise_error(self):
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _timeout(self):
        """In milliseconds, until there is something to do; -1 for no limit."""
        if self._ready or self._stopping:
            return 0
        if not self._scheduled:
            return -1
        return min(max(0, math.ceil((self._scheduled[0].when() - self.time()) * 1000)), GLib.MAXINT32)

    def _dispatch(self, is_nested):
        if self._quit is None and not is_nested:
            # The iteration ends, and the loop continues.
            return
        try:
            self._run_once()
        except (SystemExit, KeyboardInterrupt) as error:
            self.end(error)


def _context():
    """The main context of this thread. A thread without one gets one: the default one is the main thread's."""
    context = GLib.MainContext.get_thread_default()
    if context is None and threading.current_thread() is not threading.main_thread():
        context = GLib.MainContext.new()
        context.push_thread_default()
    return context or GLib.MainContext.default()


def new_event_loop(context=None):
    return (GLibEventLoop or EventLoop)(context or _context())


def new_event_loop_policy():
    # Defined here: Python 3.14 deprecates policies, and a later version will have none.
    class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
        _loop_factory = staticmethod(new_event_loop)

    return EventLoopPolicy()
