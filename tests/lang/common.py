"""What the parts of the journey in Python share."""

import inspect
import sys

import gi

gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, Qio

NONE = Qio.ChannelReadFlags(0)


def check(condition):
    """Reports a condition that does not hold, and exits."""
    if not condition:
        caller = inspect.stack()[1]
        sys.exit(f"{caller.filename}:{caller.lineno}: {caller.code_context[0].strip()}")


def error_of(call, *args):
    """The GLib.Error that a call raises."""
    try:
        call(*args)
    except GLib.Error as error:
        return error
    caller = inspect.stack()[1]
    sys.exit(f"{caller.filename}:{caller.lineno}: no error")


async def raised_by(awaitable, kind=GLib.Error):
    """The exception that is raised where a call is awaited."""
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def is_io(error, code):
    return error.matches(Gio.io_error_quark(), code)


def is_truncated(error):
    return error.matches(Qio.ChannelError.quark(), Qio.ChannelError.TRUNCATED)


def iterate_until(done, context=None):
    context = context or GLib.MainContext.default()
    while not done():
        context.iteration(True)


def wait_for(start, finish, *args, cancellable=None):
    """The result of an asynchronous call, once it is there."""
    results = []
    start(*args, GLib.PRIORITY_DEFAULT, cancellable, lambda source, result: results.append(result))
    check(not results)
    iterate_until(lambda: results)
    return finish(results[0])


def make_pair():
    return Qio.ChannelSocket.new_pair()


def psk_creds(endpoint):
    """Credentials with a pre-shared key."""
    builder = Qio.TlsCredsBuilder.new(endpoint)
    builder.add_psk("alice", b"sixteen bytes...")
    if endpoint == Qio.TlsEndpoint.CLIENT:
        builder.set_psk_user("alice")
    return builder.build()
