"""Adds to the introspected API: `with`, `await`, `bytes` in place of GBytes, exceptions of any kind, and addresses
as strings.

A method `…_async` that is called without a callback returns an awaitable: for a coroutine that `run` or `spawn`
runs on the main context, or for asyncio if its loop runs that context.
"""

import fcntl
import functools
import sys
from inspect import Parameter, Signature

from gi._gi import Direction, TypeTag
from gi.module import get_introspection_module
from gi.overrides import override
from gi.repository import Gio, GLib, GObject
from gi.types import snake_case

from ._qio_tasks import EXITS, Operation, exit_program, gather, io_error, run, sleep, spawn, timeout

Qio = get_introspection_module("Qio")

__all__ = [
    "Channel",
    "NetAddress",
    "NetListener",
    "event_loop_policy",
    "gather",
    "new_event_loop",
    "open_streams",
    "run",
    "sleep",
    "spawn",
    "start_server",
    "timeout",
]


# asyncio. It is imported by programs that use it: that takes as long as the rest.


def new_event_loop(context=None):
    """Returns a new loop of asyncio that runs a main context: by default the one of this thread, a new one where there
    is none.

    `asyncio.Runner(loop_factory=Qio.new_event_loop)` runs coroutines in one. It is PyGObject's `gi.events`, from 3.50.
    """
    from ._qio_asyncio import new_event_loop

    return new_event_loop(context)


def event_loop_policy():
    """Returns an event-loop policy with loops of `new_event_loop`, for `asyncio.set_event_loop_policy`."""
    from ._qio_asyncio import EventLoopPolicy

    return EventLoopPolicy()


async def open_streams(address, *, creds=None, hostname=None, limit=2**16):
    """Connects, and returns an `asyncio.StreamReader` and an `asyncio.StreamWriter`.

    The address is a text, such as `tcp:localhost:80`, a `Qio.NetAddress`, a `Gio.SocketConnectable`, or a channel that
    is connected already, which then belongs to the streams. With credentials it is a connection with TLS, to a server
    of that host name. Errors of the streams are OSErrors, whose cause is a GLib.Error.
    """
    from ._qio_streams import open_streams

    return await open_streams(address, creds, hostname, limit)


async def start_server(connected, address, *, creds=None, limit=2**16, backlog=100, listener=None):
    """Listens, and calls `connected(reader, writer)`, which may be a coroutine function, for each client.

    The address is as for `open_streams`. With credentials the clients use TLS. Returns an `asyncio.AbstractServer`,
    which has the listener and its addresses as well. `listener` is a `Qio.NetListener` with other settings.
    """
    from ._qio_streams import start_server

    return await start_server(connected, address, creds, limit, backlog, listener)


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
    values = [defaults.get(parameter.get_name()) for parameter in parameters]
    required = sum(each.get_name() not in defaults for each in parameters)

    @functools.wraps(method)
    def wrapper(*arguments, **named):
        user_data = ()
        if not named and required < len(arguments) <= len(values) + 1:
            # The usual way, which needs no binding: that takes as long as the call.
            arguments = [*arguments, *values[len(arguments) - 1 :]]
        else:
            bound = signature.bind(*arguments, **named)
            bound.apply_defaults()
            *arguments, user_data = bound.arguments.values()
        *arguments, cancellable, callback = arguments
        if callback is not None:
            return method(*arguments, cancellable, callback, *user_data)
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
        except EXITS as error:
            exit_program(error)
        except BaseException as error:
            if not can_fail:
                # PyGObject shows it.
                raise
            if isinstance(error, OSError) and error.errno is not None:
                raise io_error(str(error), Gio.io_error_from_errno(error.errno)) from error
            # As PyGObject does: the place is for the author of the class, the reason for the caller.
            sys.excepthook(*sys.exc_info())
            raise io_error(f"{type(error).__name__}: {error}", Gio.IOErrorEnum.FAILED) from error

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

    def lines(self, max=2**16):
        """The lines, as `bytes` without LF or CRLF, up to end-of-file: `for` blocks, `async for` awaits.

        A line of more than `max` bytes is an error. What follows the last line that was taken is left to the next
        reader.
        """
        return _Lines(self, max)


Channel = override(Channel)


class _Lines:
    def __init__(self, channel, max):
        self._channel = channel
        self._max = max

    def __iter__(self):
        return self

    def __next__(self):
        line = self._channel.read_line(self._max)
        if line is None:
            raise StopIteration
        return line.get_data()

    def __aiter__(self):
        return self

    async def __anext__(self):
        line = await self._channel.read_line_async(self._max)
        if line is None:
            raise StopAsyncIteration
        return line.get_data()


class NetListener(Qio.NetListener):
    """A listener. `async for` accepts clients until it is closed, which the end of a `with` block does."""

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            return await self.accept_async()
        except GLib.Error:
            if self.is_connected():
                raise
            raise StopAsyncIteration from None


NetListener = override(NetListener)


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
