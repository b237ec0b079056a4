"""Channels as transports and streams of asyncio: what connects and listens."""

import asyncio

from gi.repository import Qio

from ._qio_transport import ChannelTransport, with_tls

# How long a handshake may take, in seconds, as in asyncio.
_HANDSHAKE = 60


def _as_address(address):
    return Qio.NetAddress.new_from_string(address) if isinstance(address, str) else address


async def _connect(address):
    address = _as_address(address)
    if isinstance(address, Qio.Channel):
        return address
    if isinstance(address, Qio.NetAddress):
        if address.get_scheme() == "fd":
            return address.connect_sync()
        address = address.get_connectable()
    channel = Qio.ChannelSocket()
    await channel.connect_async(address)
    return channel


async def _listen(listener, address, backlog):
    address = _as_address(address)
    if not isinstance(address, Qio.NetAddress):
        await listener.open_async(address, backlog)
    elif address.get_host() is None:
        # There is no name that would be looked up.
        listener.open_address(address, backlog)
    else:
        await listener.open_async(address.get_connectable(), backlog)


def _with_tls(channel, creds, hostname=None):
    return asyncio.wait_for(with_tls(channel, creds, hostname), _HANDSHAKE)


async def create_connection(protocol_factory, address, creds, hostname):
    channel = await _connect(address)
    if creds is not None:
        channel = await _with_tls(channel, creds, hostname)
    protocol = protocol_factory()
    transport = ChannelTransport(asyncio.get_running_loop(), channel, protocol)
    # The protocol has its transport then.
    await asyncio.sleep(0)
    return transport, protocol


async def open_streams(address, creds, hostname, limit):
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    protocol_factory = lambda: asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, protocol = await create_connection(protocol_factory, address, creds, hostname)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def start_tls(transport, creds, hostname, timeout):
    if isinstance(transport, asyncio.StreamWriter):
        transport = transport.transport
    if not isinstance(transport, ChannelTransport):
        raise TypeError(f"expected a transport of a channel, not {type(transport).__name__}")
    await transport.start_tls(creds, hostname, _HANDSHAKE if timeout is None else timeout)


class Server(asyncio.AbstractServer):
    """Accepts connections, and creates a protocol for each."""

    def __init__(self, protocol_factory, listener, creds):
        self._loop = asyncio.get_running_loop()
        self._protocol_factory = protocol_factory
        self._listener = listener
        self._creds = creds
        self._connections = set()
        self._accepting = self._loop.create_task(self._accept())
        self._serving = None

    @property
    def listener(self):
        return self._listener

    @property
    def addresses(self):
        return [Qio.NetAddress.new_from_socket_address(each) for each in self._listener.get_local_addresses()]

    def get_loop(self):
        return self._loop

    def is_serving(self):
        return self._listener.is_connected()

    def close(self):
        self._listener.close()
        if self._serving is not None and not self._serving.done():
            self._serving.cancel()

    async def start_serving(self):
        if not self.is_serving():
            raise RuntimeError("The server is closed")

    async def serve_forever(self):
        if self._serving is not None:
            raise RuntimeError("serve_forever() is being called already")
        await self.start_serving()
        self._serving = self._loop.create_future()
        try:
            await self._serving
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise
        finally:
            self._serving = None

    async def wait_closed(self):
        """Waits until the server is closed and all connections have ended."""
        await asyncio.wait([self._accepting])
        while self._connections:
            await asyncio.wait(self._connections)

    async def _accept(self):
        async for channel in self._listener:
            connection = self._loop.create_task(self._serve(channel))
            self._connections.add(connection)
            connection.add_done_callback(self._ended)

    async def _serve(self, channel):
        if self._creds is not None:
            channel = await _with_tls(channel, self._creds)
        try:
            protocol = self._protocol_factory()
        except BaseException:
            channel.abort()
            raise
        await ChannelTransport(self._loop, channel, protocol).wait_ended()

    def _ended(self, connection):
        self._connections.discard(connection)
        if not connection.cancelled() and connection.exception() is not None:
            self._loop.call_exception_handler(
                {"message": "Unable to serve a client", "exception": connection.exception(), "task": connection}
            )


async def create_server(protocol_factory, address, creds, backlog, listener):
    listener = listener or Qio.NetListener()
    await _listen(listener, address, backlog)
    return Server(protocol_factory, listener, creds)


async def start_server(connected, address, creds, limit, backlog, listener):
    loop = asyncio.get_running_loop()

    def protocol_factory():
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        return asyncio.StreamReaderProtocol(reader, connected, loop=loop)

    return await create_server(protocol_factory, address, creds, backlog, listener)
