"""Adds to the introspected API: `with`, `await`, `bytes` in place of GBytes, exceptions of any kind, and addresses
as strings.

A method `…_async` that is called without a callback returns an awaitable: for a coroutine that `run` or `spawn`
runs on the main context, or for asyncio if its loop runs that context.
"""

import atexit
import functools
from inspect import Parameter, Signature

from gi._gi import Direction, TypeTag
from gi.module import get_introspection_module
from gi.overrides import override
from gi.repository import Gio, GLib, GObject

from ._qio_slots import to_bytes, wrap_slots
from ._qio_tasks import Operation, gather, run, sleep, spawn, timeout

Qio = get_introspection_module("Qio")

# Threads of the library would release objects with data of Python after its end.
atexit.register(Qio.prepare_exit)

__all__ = [
    "Channel",
    "ChannelWebsock",
    "NetAddress",
    "NetListener",
    "create_connection",
    "create_server",
    "event_loop_policy",
    "gather",
    "new_event_loop",
    "open_streams",
    "run",
    "sleep",
    "spawn",
    "start_server",
    "start_tls",
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
    from ._qio_asyncio import new_event_loop_policy

    return new_event_loop_policy()


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


async def create_connection(protocol_factory, address, *, creds=None, hostname=None):
    """Connects, and returns an `asyncio.Transport` and the protocol that `protocol_factory()` has returned.

    The address, the credentials and the host name are as for `open_streams`. The protocol may be an
    `asyncio.BufferedProtocol`. Errors of the protocol are OSErrors, whose cause is a GLib.Error.
    """
    from ._qio_streams import create_connection

    return await create_connection(protocol_factory, address, creds, hostname)


async def create_server(protocol_factory, address, *, creds=None, backlog=100, listener=None):
    """Listens, and connects a protocol that `protocol_factory()` returns to each client. See `start_server`."""
    from ._qio_streams import create_server

    return await create_server(protocol_factory, address, creds, backlog, listener)


async def start_tls(transport, creds, *, hostname=None, timeout=None):
    """Starts TLS on the connection of a transport of a channel, or of an `asyncio.StreamWriter` with one.

    The end is that of the credentials: a client verifies that the server has this host name. The transport remains the
    same: what was written before is sent as plaintext, and what is written afterwards is sent when the handshake is
    done. What was read and not consumed, also by an `asyncio.StreamReader`, belongs to the handshake: plaintext that a
    peer has sent behind `STARTTLS` is never taken for data. A failure, a cancellation and a `timeout`, in seconds
    (default: 60), close the connection.
    """
    from ._qio_streams import start_tls

    await start_tls(transport, creds, hostname, timeout)


# The methods of all classes.


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
        arguments = [to_bytes(value) if place in places else value for place, value in enumerate(arguments)]
        return method(*arguments, **{name: to_bytes(value) if name in names else value for name, value in named.items()})

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


_create_watch = Qio.Channel.create_watch


class Channel(Qio.Channel):
    """A channel, which the end of a `with` block closes.

    In a derived class a method `do_io_…` may raise any exception: the caller gets a GLib.Error, with the same errno
    if it is an OSError. A method that returns a status in C may return nothing.
    """

    def __init_subclass__(cls, **arguments):
        super().__init_subclass__(**arguments)
        wrap_slots(cls)

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


_connect_to_uri_async = Qio.ChannelWebsock.connect_to_uri_async
_connect_to_uri_finish = Qio.ChannelWebsock.connect_to_uri_finish


class ChannelWebsock(Qio.ChannelWebsock):
    """A WebSocket. `for` and `async for` receive messages up to the end of the stream: `str` for text, and `bytes` for
    binary ones."""

    @staticmethod
    def connect_to_uri_async(
        uri, options=None, creds=None, io_priority=GLib.PRIORITY_DEFAULT, cancellable=None, callback=None, *user_data
    ):
        """Connects to the host of a URI, and performs the opening handshake. Without a callback, returns an awaitable."""
        begin = functools.partial(_connect_to_uri_async, uri, options, creds, io_priority)
        if callback is not None:
            return begin(cancellable, callback, *user_data)
        finish = lambda _source, result: _connect_to_uri_finish(result)
        return Operation(begin, finish, cancellable or Gio.Cancellable())

    def __iter__(self):
        return self

    def __next__(self):
        data, kind = self.receive()
        if data is None:
            raise StopIteration
        return _message(data, kind)

    def __aiter__(self):
        return self

    async def __anext__(self):
        data, kind = await self.receive_async()
        if data is None:
            raise StopAsyncIteration
        return _message(data, kind)


ChannelWebsock = override(ChannelWebsock)


def _message(data, kind):
    # It is None if there are no bytes, in some versions of PyGObject.
    data = data.get_data() or b""
    return data.decode() if kind == Qio.WebsockMessageKind.TEXT else data


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
