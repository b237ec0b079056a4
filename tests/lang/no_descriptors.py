"""Calls every function of the C library once where no descriptor is left, and then closes all channels.

The functions and their arguments are those of data/Qio-1.0.gir, also the ones that bindings skip. Each call is made in a
forked child, which must not be killed by a signal and must not hang; what was open before must be closable afterwards. An
asynchronous function runs until its callback, which calls the matching finish function.
"""

import ctypes
import errno
import os
import resource
import signal
import socket
import sys
import threading
import xml.etree.ElementTree as ElementTree

GIR = "{http://www.gtk.org/introspection/core/1.0}"
C = "{http://www.gtk.org/introspection/c/1.0}"

# Longer than any call takes that ends at all, in seconds.
LIMIT = 20

# A listener pauses while there is no descriptor for a connection: these return once there is one.
PAUSING = ("qio_net_listener_accept_async", "qio_net_listener_wait_client")

qio = ctypes.CDLL("libqio-1.0.so.0", mode=ctypes.RTLD_GLOBAL)
glib = ctypes.CDLL("libglib-2.0.so.0")
gobject = ctypes.CDLL("libgobject-2.0.so.0")
gio = ctypes.CDLL("libgio-2.0.so.0")

Callback = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3)


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def pointer(library, name, *arguments):
    """Calls a function that returns a pointer."""
    function = getattr(library, name)
    function.restype = ctypes.c_void_p
    function.argtypes = None
    addresses = (int, type(None))
    return function(*[ctypes.c_void_p(a) if isinstance(a, addresses) else a for a in arguments])


@Callback
def nothing(*_):
    return 0


class Objects:
    """One instance of each class, made while descriptors are left."""

    def __init__(self):
        self.kept = [b"x" * 64, ctypes.create_string_buffer(4096)]
        # GLib ends the process where it gets no descriptor for a context: programs have made theirs before.
        glib.g_main_context_iteration(None, 0)
        here, there = ctypes.c_void_p(), ctypes.c_void_p()
        assert qio.qio_channel_socket_new_pair(ctypes.byref(here), ctypes.byref(there), None)
        sent = qio.qio_channel_write_all(there, b"y" * 4096, ctypes.c_size_t(4096), None)
        assert sent == 0
        # Reads get the data and then the end; no call waits for more.
        qio.qio_channel_close(there, None)
        qio.qio_channel_set_blocking(here, 0, None)
        address = pointer(gio, "g_inet_socket_address_new_from_string", ctypes.c_char_p(b"127.0.0.1"), ctypes.c_uint(0))
        # A connection waits to be accepted.
        listening = socket.create_server(("127.0.0.1", 0))
        self.kept.append(socket.create_connection(listening.getsockname()))
        channel = pointer(qio, "qio_channel_socket_new_fd", ctypes.c_int(listening.detach()), None)
        listener = pointer(qio, "qio_net_listener_new")
        added = qio.qio_net_listener_add(ctypes.c_void_p(listener), ctypes.c_void_p(channel), None)
        assert added == 0, "it listens"
        argv = (ctypes.c_char_p * 2)(b"true", None)
        builder = pointer(qio, "qio_tls_creds_builder_new", ctypes.c_int(0))
        anonymous = pointer(qio, "qio_tls_creds_builder_new", ctypes.c_int(0))
        qio.qio_tls_creds_builder_set_insecure_anonymous(ctypes.c_void_p(anonymous))
        creds = pointer(qio, "qio_tls_creds_builder_build", anonymous, None)
        assert creds, "credentials"
        self.creds = creds
        connection = pointer(qio, "qio_channel_socket_to_connection", here.value, None)
        assert connection, "a connection"
        memory = pointer(gio, "g_memory_input_stream_new")
        sink = pointer(gio, "g_memory_output_stream_new_resizable")
        stream = pointer(gio, "g_simple_io_stream_new", memory, sink)
        self.by_name = {
            "Channel": here.value,
            "ChannelSocket": here.value,
            "ChannelFile": pointer(qio, "qio_channel_file_new_path", ctypes.c_char_p(b"/dev/null"), ctypes.c_int(os.O_RDWR), ctypes.c_int(0), None),
            "ChannelBuffer": pointer(qio, "qio_channel_buffer_new", ctypes.c_size_t(16)),
            "ChannelCommand": pointer(qio, "qio_channel_command_new_spawn", argv, ctypes.c_int(os.O_RDWR), None),
            "ChannelTLS": pointer(qio, "qio_channel_tls_new_client", here.value, creds, ctypes.c_char_p(b"localhost"), None),
            "ChannelIOStream": pointer(qio, "qio_channel_io_stream_new", stream),
            "ChannelWebsock": pointer(qio, "qio_channel_websock_new_server", here.value, None, None),
            "NetListener": listener,
            "NetAddress": pointer(qio, "qio_net_address_new_from_string", ctypes.c_char_p(b"tcp:127.0.0.1:1"), None),
            "ContextPool": pointer(qio, "qio_context_pool_new", ctypes.c_uint(1), None),
            "Backoff": pointer(qio, "qio_backoff_new"),
            "Monitor": pointer(qio, "qio_monitor_new"),
            "ByteCounter": pointer(qio, "qio_byte_counter_new"),
            "TlsCredsBuilder": builder,
            "WebsockOptionsBuilder": pointer(qio, "qio_websock_options_builder_new"),
            "WebsockOptions": pointer(qio, "qio_websock_options_builder_build", pointer(qio, "qio_websock_options_builder_new"), None),
            "TlsCreds": creds,
            "GLib.Source": pointer(glib, "g_idle_source_new"),
            "GLib.Bytes": pointer(glib, "g_bytes_new", self.kept[0], ctypes.c_size_t(64)),
            "Gio.SocketConnectable": address,
            "Gio.SocketAddress": address,
            "Gio.IOStream": stream,
            "Gio.InputStream": memory,
            "Gio.OutputStream": sink,
            "Gio.SocketConnection": connection,
            "Gio.Cancellable": None,
            "GLib.MainContext": None,
            "Gio.UnixFDList": None,
            "Gio.SocketClient": None,
            "Gio.TlsCertificate": None,
        }
        missing = [name for name, value in self.by_name.items() if value is None and "." not in name]
        assert not missing, missing

    def argument(self, parameter):
        """A sensible value for a parameter."""
        name = parameter.get("name")
        kind = parameter.find(GIR + "type")
        if kind is None:
            kind = parameter.find(GIR + "array")
        if kind is None:
            return None
        ctype, type_name = kind.get(C + "type") or "", kind.get("name") or ""
        if parameter.get("direction") == "out" or ctype.endswith("**"):
            return self.zeros()
        if type_name in self.by_name:
            return ctypes.c_void_p(self.by_name[type_name])
        if ctype == "const iovec*":
            iov = Iovec(ctypes.addressof(self.kept[1]), 16)
            self.kept.append(iov)
            return ctypes.byref(iov)
        if ctype.startswith("const char* const*"):
            strings = (ctypes.c_char_p * 2)(b"true", None)
            self.kept.append(strings)
            return strings
        if type_name in ("utf8", "filename"):
            return ctypes.c_char_p(b"/dev/null") if type_name == "filename" else self.text()
        if type_name.endswith(("Func", "Handler", "Callback")):
            return nothing
        if ctype in ("gpointer", "GDestroyNotify", "GAsyncResult*") or type_name == "GLib.DestroyNotify":
            if ctype == "gpointer" and name in ("buf", "data"):
                return self.text()
            return None
        if ctype.endswith("*"):
            return self.zeros()
        return ctypes.c_int64(self.number(name, type_name))

    @staticmethod
    def number(name, type_name):
        if name in ("fd", "readfd", "writefd"):
            return -1
        if "timeout" in name:
            return 10
        if name.startswith("n") and name.endswith("fds"):
            return 0
        return 1

    def zeros(self):
        buffer = ctypes.create_string_buffer(64)
        self.kept.append(buffer)
        return buffer

    def text(self):
        buffer = ctypes.create_string_buffer(b"localhost", 4096)
        self.kept.append(buffer)
        return buffer

    def close(self):
        """What was open can be closed, whatever the call has done."""
        for name in ("ChannelWebsock", "ChannelTLS", "ChannelSocket", "ChannelFile", "ChannelBuffer", "ChannelCommand"):
            qio.qio_channel_close(ctypes.c_void_p(self.by_name[name]), None)
        qio.qio_net_listener_disconnect(ctypes.c_void_p(self.by_name["NetListener"]))


def functions():
    found = {}
    for element in ElementTree.parse(sys.argv[1]).iter():
        if element.tag in (GIR + "function", GIR + "method", GIR + "constructor"):
            name = element.get(C + "identifier")
            if name:
                found[name] = element
    assert len(found) > 200, "the functions are found"
    return found


def parameters(element):
    return element.findall(f"{GIR}parameters/*")


def is_type(element, name):
    kinds = (parameter.find(GIR + "type") for parameter in parameters(element))
    return any(kind is not None and kind.get("name") == name for kind in kinds)


def call(objects, name, element, replaced=None):
    function = getattr(qio, name)
    function.restype = ctypes.c_void_p
    arguments = []
    for parameter in parameters(element):
        kind = parameter.find(GIR + "type")
        kind = None if kind is None else kind.get("name")
        arguments.append(replaced[kind] if replaced and kind in replaced else objects.argument(parameter))
    if element.get("throws") == "1":
        error = ctypes.c_void_p()
        function(*arguments, ctypes.byref(error))
    else:
        function(*arguments)


def call_async(objects, all_functions, name, element):
    """Runs the default main context until the callback, which finishes the operation."""
    done = []

    @Callback
    def finish(_source, result, _data):
        end = name.removesuffix("_async") + "_finish"
        if end in all_functions:
            call(objects, end, all_functions[end], {"Gio.AsyncResult": ctypes.c_void_p(result)})
        done.append(True)
        return 0

    objects.kept.append(finish)
    call(objects, name, element, {"Gio.AsyncReadyCallback": finish})
    while not done:
        glib.g_main_context_iteration(None, 1)


def exhaust():
    """Uses up all descriptors, and returns them."""
    taken = []
    try:
        while True:
            taken.append(os.dup(2))
    except OSError as e:
        assert e.errno == errno.EMFILE, e
    return taken


def in_child(all_functions, name, element):
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    objects = Objects()
    taken = exhaust()
    if name in PAUSING:
        threading.Timer(0.2, lambda: [os.close(fd) for fd in taken]).start()
    # The default action does not wait for the end of a call of C, as Python's handlers do.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LIMIT)
    if is_type(element, "Gio.AsyncReadyCallback"):
        call_async(objects, all_functions, name, element)
    elif not is_type(element, "Gio.AsyncResult"):
        call(objects, name, element)
    for _ in range(10):
        glib.g_main_context_iteration(None, 0)
    objects.close()


def main():
    all_functions = functions()
    only = sys.argv[2:]
    failures = []
    for name, element in all_functions.items():
        if only and name not in only:
            continue
        child = os.fork()
        if child == 0:
            status = 1
            try:
                in_child(all_functions, name, element)
                status = 0
            except BaseException as e:
                print(f"{name}: {type(e).__name__}: {e}", file=sys.stderr)
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            what = "hangs" if number == signal.SIGALRM else f"is killed by {signal.Signals(number).name}"
            failures.append(f"{name} {what}")
        elif os.WEXITSTATUS(status):
            failures.append(f"{name}: exit status {os.WEXITSTATUS(status)}")
    for failure in failures:
        print(failure)
    if failures:
        sys.exit(1)
    print("no descriptors: ok")


main()
