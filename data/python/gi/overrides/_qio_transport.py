"""A transport of asyncio on a channel."""

import asyncio
import collections

from gi.repository import Gio, GLib, Qio

# How much one read may return.
_READ = 64 * 1024
_ERRORS = {
    Gio.IOErrorEnum.CONNECTION_CLOSED: ConnectionResetError,
    Gio.IOErrorEnum.CONNECTION_REFUSED: ConnectionRefusedError,
    Gio.IOErrorEnum.TIMED_OUT: TimeoutError,
}


def _os_error(error):
    """What programs for streams of asyncio expect: an OSError, whose cause is the GLib.Error."""
    kind = ConnectionError
    if error.domain == GLib.quark_to_string(Gio.io_error_quark()):
        kind = _ERRORS.get(error.code, kind)
    converted = kind(error.message)
    converted.__cause__ = error
    return converted


def _call(loop, begin, finish, *arguments, cancellable, done):
    """Starts an asynchronous call of a channel, whose result the loop of asyncio passes to `done`."""

    def finished(_source, result, *_data):
        try:
            value, error = finish(result), None
        except GLib.Error as raised:
            value, error = None, raised
        if not loop.is_closed():
            loop.call_soon(done, value, error)

    begin(*arguments, GLib.PRIORITY_DEFAULT, cancellable, finished)


class ChannelTransport(asyncio.Transport):
    """Reads from a channel for a protocol, and writes to it. Owns the channel."""

    def __init__(self, loop, channel, protocol):
        super().__init__()
        self._loop = loop
        self._channel = channel
        self._protocol = protocol
        # What writes at once as much as it can, where the channel has that.
        output = Qio.IOStream.new(channel).get_output_stream()
        self._output = output if output.can_poll() else None
        self._is_reading = self._is_writing = False
        self._reads, self._writes = Gio.Cancellable(), Gio.Cancellable()
        # Read while reading was paused.
        self._held = None
        self._is_paused = self._is_at_end = False
        self._buffer = collections.deque()
        self._buffered = 0
        self._is_protocol_paused = False
        self._ends_output = self._has_ended_output = False
        self._is_closing = self._is_lost = False
        self.set_write_buffer_limits()
        loop.call_soon(protocol.connection_made, self)
        loop.call_soon(self._read)

    def get_extra_info(self, name, default=None):
        """`channel`; `sockname`, `peername` and `socket_channel` of its socket; `cipher`, `peercert` and
        `alpn_protocol` of TLS."""
        value = _EXTRA[name](self._channel) if name in _EXTRA else None
        return default if value is None else value

    def set_protocol(self, protocol):
        self._protocol = protocol

    def get_protocol(self):
        return self._protocol

    # Reading.

    def is_reading(self):
        return not (self._is_paused or self._is_closing or self._is_at_end)

    def pause_reading(self):
        self._is_paused = True

    def resume_reading(self):
        if self._is_paused:
            self._is_paused = False
            self._loop.call_soon(self._read)

    def _read(self):
        if self._held is not None and self.is_reading():
            held, self._held = self._held, None
            self._receive(held)
        if not self._is_reading and self._held is None and self.is_reading():
            self._is_reading = True
            begin, finish = self._channel.read_bytes_async, self._channel.read_bytes_finish
            _call(self._loop, begin, finish, _READ, cancellable=self._reads, done=self._has_read)

    def _has_read(self, data, error):
        self._is_reading = False
        if self._is_closing:
            return
        if error is not None:
            self._fail(_os_error(error))
        elif self._is_paused:
            self._held = data.get_data()
        else:
            self._receive(data.get_data())
            self._read()

    def _receive(self, data):
        try:
            if data:
                self._protocol.data_received(data)
                return
            self._is_at_end = True
            keeps_open = self._protocol.eof_received()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fail(error)
        else:
            if not keeps_open:
                self.close()

    # Writing.

    def set_write_buffer_limits(self, high=None, low=None):
        if high is None:
            high = 64 * 1024 if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) must be >= low ({low}) must be >= 0")
        self._high, self._low = high, low
        self._control_flow()

    def get_write_buffer_limits(self):
        return self._low, self._high

    def get_write_buffer_size(self):
        return self._buffered

    def write(self, data):
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"expected a bytes-like object, not {type(data).__name__}")
        if self._ends_output:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._is_closing or not data:
            return
        # The caller may change its buffer afterwards.
        data = bytes(data)
        if not self._is_writing and self._output is not None:
            data = self._write_at_once(data)
            if not data:
                return
        self._buffer.append(data)
        self._buffered += len(data)
        self._write()
        self._control_flow()

    def _write_at_once(self, data):
        """Returns the rest."""
        try:
            count = self._output.write_nonblocking(data)
        except GLib.Error as error:
            if error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.WOULD_BLOCK):
                return data
            self._fail(_os_error(error))
            return b""
        return data[count:]

    def writelines(self, list_of_data):
        self.write(b"".join(list_of_data))

    def can_write_eof(self):
        return self._channel.has_feature(Qio.ChannelFeature.SHUTDOWN)

    def write_eof(self):
        if not self.can_write_eof():
            raise NotImplementedError("The channel cannot end its output alone")
        if not self._is_closing:
            self._ends_output = True
            self._write()

    def _write(self):
        """Starts to write what is in the buffer; or else does what was to be done after that."""
        if self._is_writing or self._is_lost:
            return
        if self._buffer:
            data = self._buffer[0] if len(self._buffer) == 1 else b"".join(self._buffer)
            self._buffer.clear()
            channel = self._channel
            self._start_write(channel.write_bytes_all_async, channel.write_bytes_all_finish, data)
        elif self._ends_output and not self._has_ended_output:
            self._has_ended_output = True
            self._end_output()
        elif self._is_closing:
            self._start_write(self._channel.close_async, self._channel.close_finish, done=self._has_closed)

    def _start_write(self, begin, finish, *arguments, done=None):
        self._is_writing = True
        _call(self._loop, begin, finish, *arguments, cancellable=self._writes, done=done or self._has_written)

    def _has_written(self, _result, error):
        self._is_writing = False
        if error is not None:
            self._fail(_os_error(error))
            return
        self._buffered = sum(map(len, self._buffer))
        self._control_flow()
        self._write()

    def _end_output(self):
        if isinstance(self._channel, Qio.ChannelTLS):
            # Its close_notify may have to wait.
            self._start_write(self._channel.bye_async, self._channel.bye_finish)
            return
        error = None
        try:
            self._channel.shutdown(Qio.ChannelShutdown.WRITE)
        except GLib.Error as raised:
            error = raised
        self._has_written(None, error)

    def _control_flow(self):
        was_paused = self._is_protocol_paused
        if self._buffered > self._high:
            self._is_protocol_paused = True
        elif self._buffered <= self._low:
            self._is_protocol_paused = False
        if self._is_protocol_paused != was_paused and not self._is_lost:
            (self._protocol.pause_writing if self._is_protocol_paused else self._protocol.resume_writing)()

    # Closing.

    def is_closing(self):
        return self._is_closing

    def close(self):
        if not self._is_closing:
            self._is_closing = True
            self._reads.cancel()
            self._write()

    def abort(self):
        self._lose(None)

    def _fail(self, error):
        if not isinstance(error, OSError):
            self._loop.call_exception_handler(
                {
                    "message": "Fatal error: a protocol has raised an exception",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
        self._lose(error)

    def _lose(self, error):
        if self._is_lost:
            return
        self._is_closing = True
        self._reads.cancel()
        self._writes.cancel()
        self._buffer.clear()
        self._buffered = 0
        self._channel.abort()
        self._has_lost(error)

    def _has_closed(self, _result, error):
        self._is_writing = False
        if not self._is_lost:
            self._has_lost(None if error is None else _os_error(error))

    def _has_lost(self, error):
        self._is_lost = True
        self._loop.call_soon(self._protocol.connection_lost, error)


# What `get_extra_info` returns.


def _find(channel, kind):
    """The first channel of a class, among this one and its lower channels."""
    while channel is not None and not isinstance(channel, kind):
        if isinstance(channel, (Qio.ChannelTLS, Qio.ChannelWebsock)):
            channel = channel.get_master()
        elif isinstance(channel, Qio.ChannelFilter):
            channel = channel.get_base_channel()
        else:
            channel = None
    return channel


def _name(channel, which):
    """The address of a socket as the `socket` module has it."""
    bottom = _find(channel, Qio.ChannelSocket)
    try:
        address = bottom and which(bottom)
    except GLib.Error:
        return None
    if isinstance(address, Gio.InetSocketAddress):
        host = address.get_address().to_string(), address.get_port()
        is_six = address.get_family() == Gio.SocketFamily.IPV6
        return (*host, address.get_flowinfo(), address.get_scope_id()) if is_six else host
    if isinstance(address, Gio.UnixSocketAddress):
        return address.get_path()
    return address


def _of_tls(get):
    def find(channel):
        tls = _find(channel, Qio.ChannelTLS)
        return tls and get(tls)

    return find


_EXTRA = {
    "channel": lambda channel: channel,
    "socket_channel": lambda channel: _find(channel, Qio.ChannelSocket),
    "sockname": lambda channel: _name(channel, Qio.ChannelSocket.get_local_address),
    "peername": lambda channel: _name(channel, Qio.ChannelSocket.get_remote_address),
    "cipher": _of_tls(Qio.ChannelTLS.get_cipher),
    "peercert": _of_tls(Qio.ChannelTLS.get_peer_certificate),
    "alpn_protocol": _of_tls(Qio.ChannelTLS.get_alpn_protocol),
}
