"""What annotations cannot say: `with`, `await`, bytes of Python where C has a GBytes, exceptions of any kind, and
addresses that are text.

A method `…_async` that is called without a callback returns what can be awaited: in a coroutine that `run` or
`spawn` runs on the main context, or under asyncio if its loop runs that context.
"""

import functools
import sys
import threading
from inspect import Parameter, Signature

from gi._gi import Direction, TypeTag
from gi.module import get_introspection_module
from gi.overrides import override
from gi.repository import Gio, GLib, GObject
from gi.types import snake_case

Qio = get_introspection_module("Qio")

__all__ = ["Channel", "NetAddress", "run", "spawn"]


def _io_error(message, code):
    return GLib.Error.new_literal(Gio.io_error_quark(), message, code)


# Waiting. `Awaitable` is what coroutines wait for: an operation, or a task.

# Its `task` is the one whose coroutine runs in this thread just now.
_running = threading.local()


def _asyncio_loop():
    """The loop of asyncio that runs in this thread. A program that knows nothing of asyncio has none."""
    asyncio = sys.modules.get("asyncio")
    return asyncio and asyncio._get_running_loop()


class Awaitable:
    """What will have a result, or an exception."""

    def __init__(self):
        self._done = self._cancelled = False
        self._result = self._error = None
        # An exception that nobody has asked for.
        self._unseen = None
        self._callbacks = []

    def __del__(self):
        if self._unseen is not None:
            # Python tells of what is raised here.
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
        expected = isinstance(error, GLib.Error) and error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED)
        if not (self._cancelled and expected):
            self._unseen = error
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


class Operation(Awaitable):
    """An asynchronous call, which has begun."""

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
        """Cancels its GCancellable. What was done before that is still its result."""
        self._cancelled = True
        self._cancellable.cancel()


class Task(Awaitable):
    """A coroutine that runs on the main context, and has begun."""

    def __init__(self, coroutine):
        super().__init__()
        self._coroutine = coroutine
        self._awaited = None
        # Cancelled while it was running: what it waits for next is.
        self._to_cancel = False
        self._step()

    def cancel(self):
        """Cancels what the coroutine waits for, now or next: there it gets `Gio.IOErrorEnum.CANCELLED`."""
        self._cancelled = True
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
            self._settle(error=error)
        else:
            self._awaited = awaited
            awaited._callbacks.append(self._step)
            if self._to_cancel:
                self._to_cancel = False
                awaited.cancel()
        finally:
            _running.task = outer


def spawn(coroutine):
    """Runs a coroutine on the thread-default main context, which somebody has to run.

    It begins at once. What is returned can be awaited, cancelled by `cancel` and closed by `close`.
    """
    return Task(coroutine)


def run(coroutine):
    """Runs a coroutine, and the thread-default main context until it has ended. Returns what it returns."""
    task = Task(coroutine)
    # Which, unlike the bare context, an interrupt from the keyboard ends.
    loop = GLib.MainLoop.new(GLib.MainContext.ref_thread_default(), False)
    task._callbacks.append(loop.quit)
    try:
        if not task.done():
            loop.run()
    finally:
        task.close()
    return task.result()


# The methods of all classes.


def _bytes(data):
    return data if data is None or isinstance(data, GLib.Bytes) else GLib.Bytes.new(memoryview(data).tobytes())


def _ask(info, *names):
    """What introspection says, by the name that this PyGObject has for the question: newer ones have those of
    girepository-2.0."""
    return next(getattr(info, name) for name in names if hasattr(info, name))()


def _type_of(argument):
    return _ask(argument, "get_type_info", "get_type")


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
        implied.add(_ask(argument, "get_closure_index", "get_closure"))
        implied.add(_ask(argument, "get_destroy_index", "get_destroy"))
        implied.add(_ask(_type_of(argument), "get_array_length_index", "get_array_length"))
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


# Classes in Python.


def _slots(cls):
    """The names of the virtual functions that report errors, and whether they return nothing but a status."""
    for base in cls.__mro__:
        info = base.__dict__.get("__info__")
        for slot in info.get_vfuncs() if info is not None else ():
            if slot.can_throw_gerror():
                is_status = slot.get_return_type().get_tag() == TypeTag.INT32
                yield f"do_{slot.__name__}", is_status
                # The long name, for those whose short one means another method too.
                yield f"do_{snake_case(info.get_type_name())}_{slot.__name__}", is_status


def _slot(method, is_status):
    """A slot that never fails in silence: C knows of no exception but GLib.Error."""

    @functools.wraps(method)
    def wrapper(*arguments):
        try:
            result = method(*arguments)
        except (GLib.Error, SystemExit):
            raise
        except BaseException as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise _io_error(str(error), Gio.io_error_from_errno(error.errno)) from error
            # As PyGObject does: the place is for the author of the class, the reason for the caller.
            sys.excepthook(*sys.exc_info())
            raise _io_error(f"{type(error).__name__}: {error}", Gio.IOErrorEnum.FAILED) from error
        return 0 if is_status and result is None else result

    return wrapper


class Channel(Qio.Channel):
    """Closed at the end of a `with` block.

    In a class that derives from it, a method `do_io_…` may raise any exception: the caller gets a GLib.Error, of
    the same number if it is an OSError. One that returns a status may as well return nothing.
    """

    def __init_subclass__(cls, **arguments):
        super().__init_subclass__(**arguments)
        for name, is_status in dict(_slots(cls)).items():
            method = cls.__dict__.get(name)
            if callable(method):
                setattr(cls, name, _slot(method, is_status))

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
    """Equal to others that are written alike, and shown as it is written."""

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
