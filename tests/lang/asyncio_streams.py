"""Channels as streams of asyncio. QIO_TEST_PKI is a directory in QEMU's layout."""

import asyncio
import gc
import os
import tempfile
import warnings

from common import raised_by
from gi.repository import Gio, GLib, Qio

warnings.simplefilter("error", ResourceWarning)
PKI = os.environ["QIO_TEST_PKI"]


def pem(name):
    with open(os.path.join(PKI, name), "rb") as file:
        return GLib.Bytes.new(file.read())


def client_creds():
    builder = Qio.TlsCredsBuilder.new(Qio.TlsEndpoint.CLIENT)
    builder.add_trust_pem(pem("ca-cert.pem"))
    builder.set_alpn_protocols(["echo"])
    return builder.build()


def server_creds():
    builder = Qio.TlsCredsBuilder.new(Qio.TlsEndpoint.SERVER)
    builder.set_certificate_pem(pem("server-cert.pem"), pem("server-key.pem"))
    builder.set_alpn_protocols(["echo"])
    return builder.build()


async def pair():
    """The streams of one end, and the channel of the other."""
    here, there = Qio.ChannelSocket.new_pair()
    return *await Qio.open_streams(here), there


async def echo(reader, writer):
    """Echoes lines, until the end of the input."""
    async for line in reader:
        writer.write(line)
        await writer.drain()
    writer.write_eof()
    writer.close()


async def lines_are_echoed(address, creds=(None, None), hostname=None):
    mine, theirs = creds
    server = await Qio.start_server(echo, address, creds=theirs)
    assert server.is_serving() and server.get_loop() is asyncio.get_running_loop()
    bound = server.addresses[0]
    clients = [await Qio.open_streams(str(bound), creds=mine, hostname=hostname) for _ in range(3)]
    for number, (reader, writer) in enumerate(clients):
        writer.writelines([b"hello ", b"%d\n" % number])
        await writer.drain()
        assert await reader.readline() == b"hello %d\n" % number
    for reader, writer in clients:
        # Ends the output alone: the rest of the input arrives.
        writer.write(b"last")
        assert writer.can_write_eof()
        writer.write_eof()
        assert await reader.read() == b"last" and reader.at_eof()
        writer.close()
        await writer.wait_closed()
        assert writer.is_closing() and writer.get_extra_info("channel").is_closed()
    server.close()
    await server.wait_closed()
    assert not server.is_serving() and server.addresses == []


async def much_is_transferred(creds=(None, None)):
    """More than all buffers hold, in both directions at once, and whole."""
    data = os.urandom(1 << 16) * 64
    received = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        writer.write(data)
        received.set_result(await reader.readexactly(len(data)))
        await writer.drain()
        writer.close()

    mine, theirs = creds
    server = await Qio.start_server(serve, "tcp:127.0.0.1:0", creds=theirs)
    hostname = "localhost" if mine else None
    reader, writer = await Qio.open_streams(server.addresses[0], creds=mine, hostname=hostname)
    # The peer reads and writes at the same time: none waits for the other forever.
    read = asyncio.ensure_future(reader.read())
    for start in range(0, len(data), 100_000):
        writer.write(data[start : start + 100_000])
        await writer.drain()
    assert await received == data
    assert await read == data
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def as_much_is_read_elsewhere():
    """What was not transferred meanwhile is suspended."""
    reader, writer, there = await pair()
    written = there.write_bytes_all_async(bytes(8 << 20))
    assert await reader.readexactly(8 << 20) == bytes(8 << 20)
    await written
    writer.close()
    await writer.wait_closed()


async def writers_are_paused_while_the_peer_does_not_read():
    reader, writer, there = await pair()
    transport = writer.transport
    assert transport.get_write_buffer_limits() == (16384, 65536)
    transport.set_write_buffer_limits(high=1000)
    assert transport.get_write_buffer_limits() == (250, 1000)
    for wrong in ({"high": 1, "low": 2}, {"low": -1}):
        try:
            transport.set_write_buffer_limits(**wrong)
        except ValueError:
            continue
        raise AssertionError(wrong)
    await writer.drain()
    # More than the buffer of the kernel has space for.
    rest = 8 << 20
    writer.write(bytes(rest))
    assert transport.get_write_buffer_size() > 1000
    drain = asyncio.ensure_future(writer.drain())
    await as_much_is_read_elsewhere()
    assert not drain.done()
    while rest:
        rest -= (await there.read_bytes_async(1 << 20)).get_size()
    await drain
    assert transport.get_write_buffer_size() == 0
    writer.close()
    await writer.wait_closed()
    assert (await there.read_bytes_async(1)).get_size() == 0


async def a_paused_reader_leaves_data_to_the_peer():
    reader, writer, there = await pair()
    transport = writer.transport
    assert transport.is_reading()
    transport.pause_reading()
    assert not transport.is_reading()
    written = there.write_bytes_all_async(bytes(4 << 20))
    await as_much_is_read_elsewhere()
    assert not written.done()
    transport.resume_reading()
    assert await reader.readexactly(4 << 20) == bytes(4 << 20)
    await written
    # A reader with more than twice its limit pauses by itself.
    here, there = Qio.ChannelSocket.new_pair()
    reader, other = await Qio.open_streams(here, limit=1000)
    written = there.write_bytes_all_async(bytes(4 << 20))
    await as_much_is_read_elsewhere()
    assert not written.done() and not other.transport.is_reading()
    assert await reader.readexactly(4 << 20) == bytes(4 << 20)
    await written
    for each in (writer, other):
        each.close()
        await each.wait_closed()


async def a_cancelled_reader_loses_nothing():
    reader, writer, there = await pair()
    for part in (b"a ", b"line\n"):
        assert isinstance(await raised_by(asyncio.wait_for(reader.readline(), 0.01), TimeoutError), TimeoutError)
        await there.write_bytes_all_async(part)
    assert await reader.readline() == b"a line\n"
    writer.close()
    await writer.wait_closed()


async def errors_are_os_errors_with_a_cause():
    async def echo_until_it_fails(reader, writer):
        failed.set_result(await raised_by(echo(reader, writer), ConnectionResetError))

    # Of a channel that is closed meanwhile, and at its peer.
    failed = asyncio.get_running_loop().create_future()
    server = await Qio.start_server(echo_until_it_fails, "tcp:127.0.0.1:0")
    reader, writer = await Qio.open_streams(server.addresses[0])
    writer.get_extra_info("channel").abort()
    error = await raised_by(reader.read(), ConnectionError)
    assert isinstance(error.__cause__, GLib.Error), error
    await raised_by(writer.wait_closed(), ConnectionError)
    assert (await failed).__cause__.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CONNECTION_CLOSED)
    writer.write(b"ignored")
    await raised_by(writer.drain(), ConnectionError)
    address = server.addresses[0]
    server.close()
    await server.wait_closed()
    # Of connecting: as channels report them.
    error = await raised_by(Qio.open_streams(address), GLib.Error)
    assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CONNECTION_REFUSED)
    await raised_by(Qio.open_streams("tcp:localhost:http"), GLib.Error)
    # Of a TLS stream that ends without close_notify.
    mine, theirs = client_creds(), server_creds()
    here, there = Qio.ChannelSocket.new_pair()
    ends = Qio.ChannelTLS.new_client(here, mine, "localhost"), Qio.ChannelTLS.new_server(there, theirs)
    await asyncio.gather(*(end.handshake_async() for end in ends))
    reader, writer = await Qio.open_streams(ends[0])
    there.close()
    error = await raised_by(reader.read(), ConnectionError)
    assert error.__cause__.domain == "g-tls-error-quark" or "truncated" in str(error), error.__cause__
    await raised_by(writer.wait_closed(), ConnectionError)


async def aborting_closes_at_once():
    reader, writer, there = await pair()
    writer.write(bytes(10 << 20))
    writer.transport.abort()
    await writer.wait_closed()
    assert writer.get_extra_info("channel").is_closed() and await reader.read() == b""
    try:
        writer.write("text")
    except TypeError:
        pass
    else:
        raise AssertionError("text is not bytes")


async def closing_sends_what_was_written():
    reader, writer, there = await pair()
    chunk = bytearray(1 << 20)
    writer.write(memoryview(chunk).cast("I"))
    # The data were taken.
    chunk[:] = b"x" * len(chunk)
    writer.write(bytes(3 << 20))
    writer.close()
    assert (await there.read_to_end_async(8 << 20)).get_data() == bytes(4 << 20)
    await writer.wait_closed()


class Forwarding(Qio.ChannelFilter):
    """A class in Python."""

    def do_io_write_bytes(self, data, fds, flags):
        return self.props.base_channel.write_bytes(data.get_data()[:50_000])


async def a_class_in_python_is_written_to():
    here, there = Qio.ChannelSocket.new_pair()
    reader, writer = await Qio.open_streams(Forwarding(base_channel=here))
    data = os.urandom(1 << 20)
    writer.write(data)
    there.write_bytes_all(b"back\n")
    assert await reader.readline() == b"back\n"
    writer.close()
    assert (await there.read_to_end_async(2 << 20)).get_data() == data
    await writer.wait_closed()


async def writing_after_the_end_is_an_error():
    reader, writer, there = await pair()
    writer.write_eof()
    try:
        writer.write(b"more")
    except RuntimeError:
        pass
    else:
        raise AssertionError("it has ended")
    assert (await there.read_bytes_async(1)).get_size() == 0
    writer.close()
    await writer.wait_closed()
    # A channel that cannot end its output alone.
    reader, writer = await Qio.open_streams(Qio.ChannelBuffer.new(0))
    assert not writer.can_write_eof()
    try:
        writer.write_eof()
    except NotImplementedError:
        pass
    else:
        raise AssertionError("it cannot")
    writer.close()
    await writer.wait_closed()


async def information_is_that_of_the_channel():
    seen = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        seen.set_result(writer.get_extra_info("peername"))
        await reader.read()
        writer.close()

    listener = Qio.NetListener(max_clients=10)
    server = await Qio.start_server(serve, "tcp:127.0.0.1:0", creds=server_creds(), listener=listener)
    assert server.listener is listener
    reader, writer = await Qio.open_streams(server.addresses[0], creds=client_creds(), hostname="localhost")
    get = writer.get_extra_info
    assert get("sockname") == await seen
    assert get("peername") == ("127.0.0.1", listener.get_local_addresses()[0].get_port())
    assert isinstance(get("channel"), Qio.ChannelTLS) and isinstance(get("socket_channel"), Qio.ChannelSocket)
    assert get("alpn_protocol") == "echo" and ("AES" in get("cipher") or "CHACHA" in get("cipher"))
    assert isinstance(get("peercert"), Gio.TlsCertificate)
    assert get("sslcontext") is None and get("nothing", 5) == 5
    writer.close()
    await writer.wait_closed()
    async with server:
        pass
    reader, writer, there = await pair()
    assert writer.get_extra_info("cipher") is None
    writer.close()
    await writer.wait_closed()


async def a_websocket_over_tls_is_a_stream():
    here, there = Qio.ChannelSocket.new_pair()
    tls = Qio.ChannelTLS.new_client(here, client_creds(), "localhost")
    reader, writer = await Qio.open_streams(Qio.ChannelWebsock.new_client(tls, "wss://localhost/", None))
    tls = Qio.ChannelTLS.new_server(there, server_creds())
    serving = asyncio.ensure_future(echo(*await Qio.open_streams(Qio.ChannelWebsock.new_server(tls, None))))
    writer.write(b"line\n")
    assert await reader.readline() == b"line\n"
    get = writer.get_extra_info
    assert get("socket_channel") is here and get("alpn_protocol") == "echo"
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    await serving


async def a_server_serves_until_it_is_cancelled():
    server = await Qio.start_server(echo, "tcp:127.0.0.1:0")
    serving = asyncio.ensure_future(server.serve_forever())
    await asyncio.sleep(0)
    await raised_by(server.serve_forever(), RuntimeError)
    serving.cancel()
    await raised_by(serving, asyncio.CancelledError)
    assert not server.is_serving()
    await raised_by(server.start_serving(), RuntimeError)


async def a_failed_handshake_is_reported_and_ends_one_client():
    reported = asyncio.Queue()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.put_nowait(context["exception"]))
    server = await Qio.start_server(echo, "tcp:127.0.0.1:0", creds=server_creds())
    reader, writer = await Qio.open_streams(server.addresses[0])
    writer.write(b"no TLS\n")
    assert isinstance(await reported.get(), GLib.Error)
    writer.close()
    await raised_by(Qio.open_streams(server.addresses[0], creds=client_creds(), hostname="example.org"), GLib.Error)
    assert isinstance(await reported.get(), GLib.Error)
    reader, writer = await Qio.open_streams(server.addresses[0], creds=client_creds(), hostname="localhost")
    writer.write(b"x\n")
    assert await reader.readline() == b"x\n"
    writer.close()
    server.close()
    await server.wait_closed()
    asyncio.get_running_loop().set_exception_handler(None)


async def all_of_it():
    tls = client_creds(), server_creds()
    with tempfile.TemporaryDirectory(prefix="qio-streams-") as directory:
        await lines_are_echoed(f"unix:{directory}/socket")
    await lines_are_echoed("tcp:127.0.0.1:0")
    await lines_are_echoed("tcp:localhost:0", tls, "localhost")
    await lines_are_echoed(Gio.InetSocketAddress.new_from_string("127.0.0.1", 0))
    await much_is_transferred()
    await much_is_transferred(tls)
    await writers_are_paused_while_the_peer_does_not_read()
    await a_paused_reader_leaves_data_to_the_peer()
    await a_cancelled_reader_loses_nothing()
    await errors_are_os_errors_with_a_cause()
    await aborting_closes_at_once()
    await closing_sends_what_was_written()
    await a_class_in_python_is_written_to()
    await writing_after_the_end_is_an_error()
    await information_is_that_of_the_channel()
    await a_websocket_over_tls_is_a_stream()
    await a_server_serves_until_it_is_cancelled()
    await a_failed_handshake_is_reported_and_ends_one_client()


with asyncio.Runner(loop_factory=Qio.new_event_loop) as runner:
    runner.run(all_of_it())
gc.collect()
print("asyncio streams: ok")
