"""Adds to the introspected API: `with`, `await`, `bytes` in place of GBytes, exceptions of any kind, and addresses
as strings.

A method `…_async` that is called without a callback returns an awaitable: for a coroutine that `run` or `spawn`
runs on the main context, or for asyncio if its loop runs that context.
"""

import fcntl
import functools
import signal
import sys
import threading
from inspect import Parameter, Signature

from gi._gi import Direction, TypeTag
from gi.module import get_introspection_module
from gi.overrides import override
from gi.repository import Gio, GLib, GObject
from gi.types import snake_case

Qio = get_introspection_module("Qio")

__all__ = ["Channel", "NetAddress", "gather", "run", "sleep", "spawn", "timeout"]


def _io_error(message, code):
    return GLib.Error.new_literal(Gio.io_error_quark(), message, code)


def _is_cancelled(error):
    return isinstance(error, GLib.Error) and error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED)


# Waiting. `Awaitable` is what coroutines wait for: an operation, or a task.

# Its `task` is the one whose coroutine runs in this thread just now, its `run` the innermost run().
_running = threading.local()

# What ends a program, and is never an error of something that it does.
_EXITS = (SystemExit, KeyboardInterrupt)


def _end_program(error):
    """Ends the program, or this thread's run(), by an exception of `_EXITS`. Called by C, which cannot propagate
    exceptions."""
    run = getattr(_running, "run", None)
    if run is not None:
        run.end(error)
    else:
        _exit(error)


def _exit(error):
    if isinstance(error, KeyboardInterrupt):
        sys.excepthook(type(error), error, error.__traceback__)
        error = SystemExit(128 + signal.SIGINT)
    # PyGObject ends the program by that.
    raise error


def _asyncio_loop():
    """The loop of asyncio that runs in this thread, or None, also if the program does not use asyncio."""
    asyncio = sys.modules.get("asyncio")
    return asyncio and asyncio._get_running_loop()


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
            future = loop.create_future()
            self._callbacks.append(lambda: future.done() or future.set_result(None))
            yield from future
        else:
            raise RuntimeError("Nothing runs the main context here: await it in Qio.run(), or in a loop of gi.events")

    def _settle(self, result=None, error=None):
        self._done, self._result, self._error = True, result, error
        expected = self._cancelled and _is_cancelled(error)
        if not (expected or isinstance(error, _EXITS)):
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
        if isinstance(self._error, _EXITS):
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
            self._settle(error=_io_error("The coroutine was closed", Gio.IOErrorEnum.CANCELLED))

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
        if not was_done and isinstance(self._error, _EXITS):
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
            self._settle(error=_io_error("Operation was cancelled", Gio.IOErrorEnum.CANCELLED))
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
    outer, _running.run = getattr(_running, "run", None), this
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
        _running.run = outer


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


# The methods of all classes.


def _bytes(data):
    return data if data is None or isinstance(data, GLib.Bytes) else GLib.Bytes.new(memoryview(data).tobytes())


def _query(info, *names):
    """A query of introspection data, by its name in this version of PyGObject: newer ones have those of
    girepository-2.0."""
    return next(getattr(info, name) for name in names if hasattr(info, name))()


def _type_of(argument):
    return _query(argument, "get_type_info", "get_type")


def _is_bytes(argument):
    kind = _type_of(argument)
    if kind.get_tag() != TypeTag.INTERFACE:
        return False
    interface = kind.get_interface()
    return (interface.get_namespace(), interface.get_name()) == ("GLib", "Bytes")


def _parameters(method):
    """The arguments of a method that Python gives: no results, and nothing that follows from others."""
    arguments = method.get_arguments()
    implied = set()
    for argument in arguments:
        implied.add(_query(argument, "get_closure_index", "get_closure"))
        implied.add(_query(argument, "get_destroy_index", "get_destroy"))
        implied.add(_query(_type_of(argument), "get_array_length_index", "get_array_length"))
    return [a for i, a in enumerate(arguments) if i not in implied and a.get_direction() != Direction.OUT]


def _signature(parameters, defaults):
    kind = Parameter.POSITIONAL_OR_KEYWORD
    named = [Parameter(p.get_name(), kind, default=defaults.get(p.get_name(), Parameter.empty)) for p in parameters]
    return Signature([Parameter("self", kind), *named, Parameter("user_data", Parameter.VAR_POSITIONAL)])


def _with_bytes(method, parameters):
    """A method that takes whatever is a buffer in Python where C has a GBytes."""
    places = {place for place, parameter in enumerate(parameters, 1) if _is_bytes(parameter)}
    names = {parameter.get_name() for parameter in parameters if _is_bytes(parameter)}
    if not places:
        return method

    @functools.wraps(method)
    def wrapper(*arguments, **named):
        arguments = [_bytes(value) if place in places else value for place, value in enumerate(arguments)]
        return method(*arguments, **{name: _bytes(value) if name in names else value for name, value in named.items()})

    return wrapper


def _with_await(method, finish, parameters):
    """An asynchronous method that can be called without a callback, priority and cancellable, and what else may be None."""
    defaults = {"io_priority": GLib.PRIORITY_DEFAULT, "cancellable": None, "callback": None}
    for parameter in reversed(parameters):
        name = parameter.get_name()
        if name not in defaults and not parameter.may_be_null():
            break
        defaults.setdefault(name)
    signature = _signature(parameters, defaults)

    @functools.wraps(method)
    def wrapper(*arguments, **named):
        bound = signature.bind(*arguments, **named)
        bound.apply_defaults()
        *arguments, cancellable, callback = list(bound.arguments.values())[:-1]
        if callback is not None:
            return method(*arguments, cancellable, callback, *bound.arguments["user_data"])
        # Also in a loop of `gi.events`, where PyGObject has an awaitable of its own: asyncio.gather() never ends
        # with one (up to 3.58 at least), and a task that awaits one cannot be cancelled (3.50).
        return Operation(functools.partial(method, *arguments), finish, cancellable or Gio.Cancellable())

    wrapper.__signature__ = signature
    return wrapper


def _adapt(cls):
    methods = {method.__name__: method for method in cls.__info__.get_methods() if method.is_method()}
    for name, method in methods.items():
        parameters = _parameters(method)
        adapted = _with_bytes(method, parameters)
        finish = methods.get(name.removesuffix("_async") + "_finish")
        if finish is not None and name.endswith("_async"):
            adapted = _with_await(adapted, finish, parameters)
        if adapted is not method:
            setattr(cls, name, adapted)


# Classes in Python. What a method `do_…` returns is converted; a TypeError is raised if it cannot be.


def _status(result):
    if result not in (None, 0) or isinstance(result, bool):
        raise TypeError
    return 0


def _number(result, least=0, bits=63):
    """A number that fits the C type; one of more bits would be truncated."""
    if isinstance(result, bool) or not isinstance(result, int) or not least <= result < 1 << bits:
        raise TypeError
    return result


def _count(result):
    return _number(result, least=Qio.CHANNEL_ERR_BLOCK) if result != -1 else _number(None)


def _instance_of(cls):
    def convert(result):
        if not isinstance(result, cls):
            raise TypeError
        return result

    return convert


def _data_and_descriptors(result):
    data, fds = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
    if data is None:
        raise TypeError
    return _bytes(data), _descriptors(fds)


def _descriptors(fds):
    if fds is None or isinstance(fds, Gio.UnixFDList):
        return fds
    fds = [_number(fd, bits=31) for fd in fds]
    for fd in fds:
        try:
            fcntl.fcntl(fd, fcntl.F_GETFD)
        except OSError as error:
            raise OSError(error.errno, f"descriptor {fd}: {error.strerror}") from None
    return Gio.UnixFDList.new_from_array(fds) if fds else None


def _descriptor_and_condition(result):
    fd, condition = result
    # The constants Qio.CHANNEL_WAIT_… are negative.
    return _number(fd, least=-(1 << 31), bits=31), GLib.IOCondition(_number(condition, bits=16))


_RESULTS = {
    "io_read_bytes": (
        _data_and_descriptors,
        "bytes, another buffer or GLib.Bytes, alone or in a tuple with a Gio.UnixFDList, a list of descriptors or None",
    ),
    "io_write_bytes": (_count, "an int, the number of bytes that were written"),
    "io_seek": (_number, "an int, the new position"),
    "io_get_credentials": (_instance_of(Gio.Credentials), "Gio.Credentials"),
    "io_wait_fd": (_descriptor_and_condition, "a tuple of a descriptor, or Qio.CHANNEL_WAIT_…, and a GLib.IOCondition"),
    "io_create_watch": (_instance_of((GLib.Source, type(None))), "a GLib.Source"),
}


def _slots(cls):
    """The virtual functions that return something: the names of their methods, and their own."""
    for base in cls.__mro__:
        info = base.__dict__.get("__info__")
        for slot in info.get_vfuncs() if info is not None else ():
            name, tag = slot.__name__, slot.get_return_type().get_tag()
            is_status = slot.can_throw_gerror() and tag == TypeTag.INT32
            result = _RESULTS.get(name) or ((_status, "nothing, or 0") if is_status else None)
            if result or slot.can_throw_gerror():
                # The long name, for those whose short one means another method too.
                for method in (f"do_{name}", f"do_{snake_case(info.get_type_name())}_{name}"):
                    yield method, (result, slot.can_throw_gerror())


def _described(result):
    if isinstance(result, tuple):
        return f"({', '.join(_described(each) for each in result)})"
    is_plain = result is None or type(result) is int
    return repr(result) if is_plain else type(result).__name__


def _slot(name, method, result, can_fail):
    """A virtual function whose exceptions are GLib.Errors: C has no others."""

    @functools.wraps(method)
    def wrapper(self, *arguments):
        try:
            returned = method(self, *arguments)
            if result is None:
                return returned
            convert, expected = result
            place = f"{type(self).__name__}.{name}() returned"
            try:
                return convert(returned)
            except OSError as error:
                raise OSError(error.errno, f"{place} {error.strerror}") from None
            except (TypeError, ValueError):
                raise TypeError(f"{place} {_described(returned)}, expected {expected}") from None
        except GLib.Error:
            raise
        except _EXITS as error:
            _exit(error)
        except BaseException as error:
            if not can_fail:
                # PyGObject shows it.
                raise
            if isinstance(error, OSError) and error.errno is not None:
                raise _io_error(str(error), Gio.io_error_from_errno(error.errno)) from error
            # As PyGObject does: the place is for the author of the class, the reason for the caller.
            sys.excepthook(*sys.exc_info())
            raise _io_error(f"{type(error).__name__}: {error}", Gio.IOErrorEnum.FAILED) from error

    return wrapper


_create_watch = Qio.Channel.create_watch


class Channel(Qio.Channel):
    """A channel, which the end of a `with` block closes.

    In a derived class a method `do_io_…` may raise any exception: the caller gets a GLib.Error, with the same errno
    if it is an OSError. A method that returns a status in C may return nothing.
    """

    def __init_subclass__(cls, **arguments):
        super().__init_subclass__(**arguments)
        for name, (result, can_fail) in dict(_slots(cls)).items():
            method = cls.__dict__.get(name)
            if callable(method):
                setattr(cls, name, _slot(name, method, result, can_fail))

    def create_watch(self, condition, func=None, *user_data):
        """Creates a source that waits for a condition and calls `func (channel, condition, *user_data)`.

        Without `func`, the callback is the one of the source's `set_callback`."""
        if func is not None:
            return _create_watch(self, condition, func, *user_data)
        callback = []

        def call(channel, condition, *_data):
            if not callback:
                return GLib.SOURCE_REMOVE
            func, user_data = callback[0]
            return func(channel, condition, *user_data)

        source = _create_watch(self, condition, call)
        source.set_callback = lambda func, *user_data: callback.__setitem__(slice(None), [(func, user_data)])
        return source

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_exception):
        await self.close_async()


Channel = override(Channel)


class NetAddress(Qio.NetAddress):
    """An address, which compares and prints as its string."""

    def __eq__(self, other):
        return self.equal(other) if isinstance(other, Qio.NetAddress) else NotImplemented

    def __ne__(self, other):
        # Which the base has, of its own kind.
        return not self == other

    def __hash__(self):
        return hash(self.to_string())

    def __str__(self):
        return self.to_string()

    def __repr__(self):
        return f"<Qio.NetAddress {self}>"


NetAddress = override(NetAddress)

for _name in dir(Qio):
    _class = getattr(Qio, _name, None) if _name[0].isupper() else None
    if isinstance(_class, type) and issubclass(_class, (GObject.Object, GObject.GBoxed)):
        _adapt(_class)
