"""Channels as streams of asyncio: what connects and listens."""

import asyncio

from gi.repository import Qio

from ._qio_transport import ChannelTransport

# How long a handshake may take, in seconds, as in asyncio.
_HANDSHAKE = 60


class _Protocol(asyncio.StreamReaderProtocol):
    """Of a client of a server."""

    def __init__(self, reader, connected, loop):
        super().__init__(reader, connected, loop=loop)
        self.ended = loop.create_future()

    def connection_lost(self, error):
        super().connection_lost(error)
        self.ended.set_result(None)


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


async def _with_tls(channel, make, *arguments):
    """TLS above a channel, once the handshake is done. A failure closes the channel."""
    try:
        tls = make(channel, *arguments)
        await asyncio.wait_for(tls.handshake_async(), _HANDSHAKE)
        return tls
    except BaseException:
        channel.abort()
        raise


async def open_streams(address, creds, hostname, limit):
    channel = await _connect(address)
    if creds is not None:
        channel = await _with_tls(channel, Qio.ChannelTLS.new_client, creds, hostname)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport = ChannelTransport(loop, channel, protocol)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class Server(asyncio.AbstractServer):
    """Accepts connections, and calls a function with the streams of each."""

    def __init__(self, connected, listener, creds, limit):
        self._loop = asyncio.get_running_loop()
        self._connected = connected
        self._listener = listener
        self._creds = creds
        self._limit = limit
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
            channel = await _with_tls(channel, Qio.ChannelTLS.new_server, self._creds)
        reader = asyncio.StreamReader(limit=self._limit, loop=self._loop)
        protocol = _Protocol(reader, self._connected, self._loop)
        ChannelTransport(self._loop, channel, protocol)
        await protocol.ended

    def _ended(self, connection):
        self._connections.discard(connection)
        if not connection.cancelled() and connection.exception() is not None:
            self._loop.call_exception_handler(
                {"message": "Unable to serve a client", "exception": connection.exception(), "task": connection}
            )


async def start_server(connected, address, creds, limit, backlog, listener):
    listener = listener or Qio.NetListener()
    await _listen(listener, address, backlog)
    return Server(connected, listener, creds, limit)
