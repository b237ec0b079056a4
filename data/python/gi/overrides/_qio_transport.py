"""A transport of asyncio on a channel."""

import asyncio
import collections

from gi.repository import Gio, GLib, Qio

from ._qio_extra_info import extra_info

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


async def with_tls(channel, creds, hostname):
    """TLS above a channel, once the handshake is done. A failure closes the channel."""
    try:
        if creds.get_endpoint() == Qio.TlsEndpoint.SERVER:
            tls = Qio.ChannelTLS.new_server(channel, creds)
        else:
            tls = Qio.ChannelTLS.new_client(channel, creds, hostname)
        await tls.handshake_async()
        return tls
    except BaseException:
        channel.abort()
        raise


class _Upgrade:
    """The start of TLS on a transport: what was written before is plaintext, and the rest is not."""

    def __init__(self, plain):
        # The chunks of the output buffer that are plaintext.
        self.plain = plain
        self.progress = asyncio.Event()


class ChannelTransport(asyncio.Transport):
    """Reads from a channel for a protocol, and writes to it. Owns the channel."""

    # For `loop.start_tls`, which is TLS of the standard library.
    _start_tls_compatible = True

    def __init__(self, loop, channel, protocol):
        super().__init__()
        self._loop = loop
        self._use(channel)
        self._protocol = protocol
        self._is_reading = self._is_writing = False
        self._writes = Gio.Cancellable()
        # Read, and not yet passed to the protocol, as reading was paused.
        self._held = None
        self._upgrade = None
        self._ended = loop.create_future()
        self._is_paused = self._is_at_end = False
        self._buffer = collections.deque()
        self._buffered = 0
        self._is_protocol_paused = False
        self._ends_output = self._has_ended_output = False
        self._is_closing = self._is_lost = False
        self.set_write_buffer_limits()
        loop.call_soon(protocol.connection_made, self)
        loop.call_soon(self._read)

    def _use(self, channel):
        self._channel = channel
        # What writes at once as much as it can, where the channel has that.
        output = Qio.IOStream.new(channel).get_output_stream()
        self._output = output if output.can_poll() else None
        self._reads = Gio.Cancellable()

    async def wait_ended(self):
        """Waits until the protocol has lost its connection."""
        await asyncio.shield(self._ended)

    def get_extra_info(self, name, default=None):
        """`channel`; `sockname`, `peername` and `socket_channel` of its socket; `cipher`, `peercert` and
        `alpn_protocol` of TLS."""
        value = extra_info(self._channel, name)
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
        if self._held is not None and self._may_read():
            held, self._held = self._held, None
            self._deliver(held)
        if not self._is_reading and self._held is None and self._may_read():
            self._is_reading = True
            begin, finish = self._channel.read_bytes_async, self._channel.read_bytes_finish
            _call(self._loop, begin, finish, _READ, cancellable=self._reads, done=self._has_read)

    def _may_read(self):
        return self.is_reading() and self._upgrade is None

    def _has_read(self, data, error):
        self._is_reading = False
        if self._is_closing:
            return
        if self._upgrade is not None:
            # The handshake gets the data, the end or the error.
            self._held = None if error is not None else data.get_data() or None
            self._upgrade.progress.set()
        elif error is not None:
            self._fail(_os_error(error))
        else:
            # It is None if there are no bytes, in some versions of PyGObject.
            self._held = data.get_data() or b""
            self._read()

    def _deliver(self, data):
        """Passes data to the protocol, or its end. If the protocol pauses reading, the rest is held."""
        try:
            if not data:
                self._is_at_end = True
                if not self._protocol.eof_received():
                    self.close()
                return
            data = memoryview(data)
            while data:
                if not self._may_read():
                    self._held = bytes(data)
                    return
                if not isinstance(self._protocol, asyncio.BufferedProtocol):
                    self._protocol.data_received(bytes(data))
                    return
                data = data[self._fill(data) :]
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fail(error)

    def _fill(self, data):
        """Copies to the buffer of the protocol. Returns how much that has taken."""
        with memoryview(self._protocol.get_buffer(len(data))) as buffer, buffer.cast("B") as view:
            count = min(len(view), len(data))
            if count == 0:
                raise RuntimeError("get_buffer() returned an empty buffer")
            view[:count] = data[:count]
        self._protocol.buffer_updated(count)
        return count

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
        if not self._is_writing and self._upgrade is None and self._output is not None:
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
        count = len(self._buffer)
        if self._upgrade is not None:
            count, self._upgrade.plain = self._upgrade.plain, 0
            if not count:
                self._upgrade.progress.set()
                return
        if count:
            data = b"".join([self._buffer.popleft() for _ in range(count)])
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

    # TLS.

    async def start_tls(self, creds, hostname, timeout):
        if self._is_closing:
            raise RuntimeError("Cannot start TLS on a transport that is closing")
        if self._ends_output:
            raise RuntimeError("Cannot start TLS after write_eof()")
        if self._upgrade is not None:
            raise RuntimeError("TLS is being started already")
        self._upgrade = _Upgrade(len(self._buffer))
        try:
            await asyncio.wait_for(self._start_tls(creds, hostname), timeout)
        except BaseException as error:
            was_closed = self._is_closing
            self._lose(_os_error(error) if isinstance(error, GLib.Error) else error)
            if was_closed and isinstance(error, GLib.Error):
                raise ConnectionAbortedError("The transport was closed while TLS was started") from error
            raise
        finally:
            self._upgrade = None
        self._read()
        self._write()

    async def _start_tls(self, creds, hostname):
        self._reads.cancel()
        self._write()
        while not self._is_closing and (self._is_reading or self._is_writing or self._upgrade.plain):
            self._upgrade.progress.clear()
            await self._upgrade.progress.wait()
        ahead = self._take_ahead()
        if ahead:
            self._channel.push_back(ahead)
        self._use(await with_tls(self._channel, creds, hostname))

    def _take_ahead(self):
        """What was read and not consumed, which belongs to TLS."""
        ahead, self._held = self._held or b"", None
        reader = getattr(self._protocol, "_stream_reader", None)
        if reader is not None:
            ahead = bytes(reader._buffer) + ahead
            reader._buffer.clear()
            reader._maybe_resume_transport()
        return ahead

    # Closing.

    def is_closing(self):
        return self._is_closing

    def close(self):
        if self._upgrade is not None:
            self._lose(None)
        elif not self._is_closing:
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

    def _force_close(self, error):
        """What TLS of the standard library calls."""
        self._lose(error)

    def _lose(self, error):
        if self._is_lost:
            return
        if not isinstance(error, Exception):
            # A cancelled task is not a failure of the connection.
            error = None
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
        if self._upgrade is not None:
            self._upgrade.progress.set()
        self._loop.call_soon(self._end, error)

    def _end(self, error):
        try:
            self._protocol.connection_lost(error)
        finally:
            self._ended.set_result(None)
