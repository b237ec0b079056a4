"""Classes in Python. What a method `do_…` returns is converted; a TypeError is raised if it cannot be."""

import fcntl
import functools
import sys

from gi._gi import TypeTag
from gi.module import get_introspection_module
from gi.repository import Gio, GLib
from gi.types import snake_case

from ._qio_tasks import EXITS, exit_program, io_error

Qio = get_introspection_module("Qio")


def to_bytes(data):
    return data if data is None or isinstance(data, GLib.Bytes) else GLib.Bytes.new(memoryview(data).tobytes())


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
    return to_bytes(data), _descriptors(fds)


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


def wrap_slots(cls):
    """Wraps the virtual functions that a class overrides."""
    for name, (result, can_fail) in dict(_slots(cls)).items():
        method = cls.__dict__.get(name)
        if callable(method):
            setattr(cls, name, _slot(name, method, result, can_fail))
