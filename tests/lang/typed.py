"""Names and types of the stubs: mypy accepts this program, and it runs."""

import asyncio

import gi

gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, Qio

U32 = Qio.ChannelFraming.U32_BE


class Upper(Qio.Channel):
    """A class in Python, whose methods have the types of the override."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""

    def do_io_write_bytes(self, bytes: GLib.Bytes, fds: Gio.UnixFDList | None, flags: Qio.ChannelWriteFlags) -> int:
        self.data += bytes.get_data().upper()
        return bytes.get_size()

    def do_io_read_bytes(self, count: int, flags: Qio.ChannelReadFlags) -> bytes:
        data, self.data = self.data[:count], self.data[count:]
        return data

    def do_io_close(self) -> None:
        self.data = b""


def blocking() -> None:
    here, there = Qio.ChannelSocket.new_pair()
    with here as channel:
        count: int = channel.write_bytes(b"abc")
        assert count == 3 and there.read_bytes_all(3).get_data() == b"abc"
        there.write_frame(U32, bytearray(b"frame"))
        frame = channel.read_frame(U32, 100)
        assert frame is not None and frame.get_data() == b"frame"
        there.write_bytes_all(b"a line\nrest")
        line: GLib.Bytes | None = channel.read_line(100)
        assert line is not None and line.get_data() == b"a line"
        data, fds = channel.read_bytes_with_fds(4, 0)
        assert data.get_data() == b"rest" and fds is None
    assert here.is_closed() and here.props.closed
    upper = Upper()
    upper.write_bytes(b"upper")
    assert upper.read_bytes(5).get_data() == b"UPPER"
    assert Qio.NetAddress.new_from_string("tcp::80").get_scheme() == "tcp"
    assert Qio.NetListener(name="service", max_clients=3).props.max_clients == 3


def with_callbacks() -> None:
    here, there = Qio.ChannelSocket.new_pair()
    received: list[bytes] = []

    def on_read(source: Qio.Channel, result: Gio.AsyncResult) -> None:
        received.append(source.read_bytes_finish(result).get_data())

    def on_input(channel: Qio.Channel, condition: GLib.IOCondition, *data: object) -> bool:
        channel.read_bytes_async(3, GLib.PRIORITY_DEFAULT, None, on_read)
        return GLib.SOURCE_REMOVE

    here.add_watch(GLib.IOCondition.IN, on_input)
    there.write_bytes(memoryview(b"abc"))
    while not received:
        GLib.MainContext.default().iteration(True)
    assert received == [b"abc"]


async def reading(channel: Qio.Channel) -> bytes:
    data: GLib.Bytes = await channel.read_bytes_async(100, cancellable=Gio.Cancellable())
    return data.get_data()


async def awaiting() -> str:
    here, there = Qio.ChannelSocket.new_pair()
    task = Qio.spawn(reading(here))
    written: int = await there.write_bytes_async(b"abc")
    assert written == 3 and await task == b"abc"
    async with Qio.timeout(60):
        assert await Qio.gather(reading(here), there.write_bytes_all_async(b"x")) == [b"x", None]
    await Qio.sleep(0.001)
    await there.close_async()
    assert [line async for line in here.lines(max=100)] == [] and list(here.lines()) == []
    return "awaited"


async def messages() -> list[str | bytes]:
    here, there = Qio.ChannelSocket.new_pair()
    client = Qio.ChannelWebsock.new_client(here, "ws://localhost/", None)
    server = Qio.ChannelWebsock.new_server(there, None)
    opened = client.handshake_async()
    await server.handshake_async()
    await opened
    client.send_text("text")
    client.send(Qio.WebsockMessageKind.BINARY, b"bytes")
    first: str | bytes = next(server)
    async for message in server:
        return [first, message]
    return []


async def streaming() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    server = await Qio.start_server(echo, "tcp:127.0.0.1:0")
    reader, writer = await Qio.open_streams(server.addresses[0])
    writer.write(b"line\n")
    assert await reader.read() == b"line\n"
    writer.close()
    server.close()
    await server.wait_closed()


class Receiving(asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self.buffer = bytearray(100)
        self.received = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.received.set_result(bytes(self.buffer[:nbytes]))


async def transporting() -> None:
    server = await Qio.create_server(Receiving, "tcp:127.0.0.1:0")
    transport, protocol = await Qio.create_connection(Receiving, server.addresses[0])
    server.close()
    here, there = Qio.ChannelSocket.new_pair()
    other: asyncio.Transport
    other, receiving = await Qio.create_connection(Receiving, here)
    there.write_bytes_all(b"data")
    assert await receiving.received == b"data"
    for each in (transport, other):
        each.write_eof()
        each.close()
    await server.wait_closed()
    creds = Qio.TlsCredsBuilder.new(Qio.TlsEndpoint.CLIENT).build()
    try:
        await Qio.start_tls(transport, creds, hostname="localhost", timeout=1)
    except RuntimeError:
        pass


def in_a_loop_of_glib() -> None:
    main_loop = GLib.MainLoop()
    loop = Qio.new_event_loop()
    loop.call_soon(main_loop.quit)
    with loop.running(main_loop.quit):
        main_loop.run()
    loop.close()


blocking()
with_callbacks()
assert Qio.run(awaiting()).upper() == "AWAITED"
assert Qio.run(messages()) == ["text", b"bytes"]
in_a_loop_of_glib()
with asyncio.Runner(loop_factory=Qio.new_event_loop) as runner:
    runner.run(streaming())
    runner.run(transporting())
print("typed: ok")
