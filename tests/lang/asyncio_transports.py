"""Channels as transports of asyncio: buffered protocols, and the start of TLS. QIO_TEST_PKI is a directory in QEMU's
layout."""

import asyncio
import functools
import gc
import os
import smtplib
import socket
import ssl
import warnings

from common import raised_by
from gi.repository import GLib, Qio

warnings.simplefilter("error", ResourceWarning)
PKI = os.environ["QIO_TEST_PKI"]


def path(name):
    return os.path.join(PKI, name)


def pem(name):
    with open(path(name), "rb") as file:
        return GLib.Bytes.new(file.read())


def client_creds():
    builder = Qio.TlsCredsBuilder.new(Qio.TlsEndpoint.CLIENT)
    builder.add_trust_pem(pem("ca-cert.pem"))
    return builder.build()


def server_creds():
    builder = Qio.TlsCredsBuilder.new(Qio.TlsEndpoint.SERVER)
    builder.set_certificate_pem(pem("server-cert.pem"), pem("server-key.pem"))
    return builder.build()


def client_context():
    return ssl.create_default_context(cafile=path("ca-cert.pem"))


def server_context():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path("server-cert.pem"), path("server-key.pem"))
    return context


class Collecting(asyncio.BufferedProtocol):
    """Receives into a buffer of `size` bytes, and pauses after each part where it is to."""

    def __init__(self, size, pauses=False):
        self.buffer = bytearray(size)
        self.pauses = pauses
        self.data = bytearray()
        self.parts = 0
        self.transport = None
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, sizehint):
        return memoryview(self.buffer)

    def buffer_updated(self, count):
        assert not self.pauses or self.transport.is_reading()
        self.data += self.buffer[:count]
        self.parts += 1
        if self.pauses:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self.transport.resume_reading)

    def connection_lost(self, error):
        self.ended.set_result(error)


async def transport_pair(protocol_factory):
    here, there = Qio.ChannelSocket.new_pair()
    return *await Qio.create_connection(protocol_factory, here), there


async def buffered_protocols_receive_everything_in_order():
    data = os.urandom(100_000)
    for size, pauses in ((7, False), (1000, True), (1 << 20, False), (1 << 20, True)):
        transport, protocol, there = await transport_pair(lambda: Collecting(size, pauses))
        assert protocol.transport is transport
        await there.write_bytes_all_async(data)
        there.close()
        assert await protocol.ended is None
        assert protocol.data == data and protocol.parts >= len(data) // size


async def a_server_has_buffered_protocols_for_clients_of_the_standard_library():
    protocols = []

    def protocol_factory():
        protocols.append(Collecting(4096))
        return protocols[-1]

    for creds, context in ((None, None), (server_creds(), client_context())):
        protocols.clear()
        server = await Qio.create_server(protocol_factory, "tcp:127.0.0.1:0", creds=creds)
        port = server.listener.get_local_addresses()[0].get_port()
        name = "localhost" if context else None
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
        writer.write(bytes(1 << 20))
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        assert [each.data for each in protocols] == [bytes(1 << 20)]


class First(asyncio.Protocol):
    """Replaces itself by another protocol at the first data."""

    def __init__(self, protocol):
        self.next = protocol

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.next.connection_made(self.transport)
        self.transport.set_protocol(self.next)
        self.next.data += data


async def protocols_of_both_kinds_may_replace_each_other():
    transport, _, there = await transport_pair(lambda: First(Collecting(100)))
    await there.write_bytes_all_async(b"one")
    while not isinstance(transport.get_protocol(), Collecting):
        await asyncio.sleep(0)
    protocol = transport.get_protocol()
    await there.write_bytes_all_async(b" two")
    there.close()
    assert await protocol.ended is None and protocol.data == b"one two"


async def a_protocol_without_a_buffer_loses_its_connection():
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    transport, protocol, there = await transport_pair(lambda: Collecting(0))
    await there.write_bytes_all_async(b"data")
    error = await protocol.ended
    assert "empty buffer" in str(error) and reported == [error]
    assert transport.get_extra_info("channel").is_closed()
    asyncio.get_running_loop().set_exception_handler(None)


# TLS that starts on a connection.


async def submit(creds, reader, writer):
    """What a mail server does up to the data."""
    writer.write(b"220 localhost\r\n")
    is_secure = False
    async for line in reader:
        command = line.split()[0].upper()
        if command == b"EHLO":
            writer.write(b"250 localhost\r\n" if is_secure else b"250-localhost\r\n250 STARTTLS\r\n")
        elif command == b"STARTTLS":
            writer.write(b"220 ready\r\n")
            await Qio.start_tls(writer, creds)
            is_secure = True
        elif command == b"QUIT":
            writer.write(b"221 secure\r\n" if is_secure else b"221 plain\r\n")
            break
    await writer.drain()
    writer.close()


def send_mail(port):
    client = smtplib.SMTP("127.0.0.1", port)
    client._host = "localhost"
    client.starttls(context=client_context())
    client.ehlo()
    return client.sock.version(), client.quit()


async def a_mail_server_starts_tls_for_smtplib():
    server = await Qio.start_server(functools.partial(submit, server_creds()), "tcp:127.0.0.1:0")
    port = server.listener.get_local_addresses()[0].get_port()
    version, reply = await asyncio.get_running_loop().run_in_executor(None, send_mail, port)
    assert version == "TLSv1.3" and reply == (221, b"secure")
    server.close()
    await server.wait_closed()


async def echo_after_starttls(reader, writer):
    assert await reader.readline() == b"STARTTLS\n"
    writer.write(b"go\n")
    await Qio.start_tls(writer, server_creds())
    async for line in reader:
        writer.write(line)
    writer.close()


async def both_ends_start_tls_on_streams():
    server = await Qio.start_server(echo_after_starttls, "tcp:127.0.0.1:0", limit=1 << 20)
    reader, writer = await Qio.open_streams(server.addresses[0], limit=1 << 20)
    transport = writer.transport
    writer.write(b"STARTTLS\n")
    assert await reader.readline() == b"go\n"
    assert writer.get_extra_info("cipher") is None
    starting = asyncio.ensure_future(Qio.start_tls(writer, client_creds(), hostname="localhost"))
    await asyncio.sleep(0)
    # It is sent by TLS, when the handshake is done.
    writer.write(bytes(300_000) + b"\n")
    await starting
    assert writer.transport is transport and writer.get_extra_info("cipher")
    assert isinstance(writer.get_extra_info("channel"), Qio.ChannelTLS)
    assert await reader.readline() == bytes(300_000) + b"\n"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def tls_channel(channel, creds):
    tls = Qio.ChannelTLS.new_server(channel, creds)
    await tls.handshake_async()
    return tls


async def what_was_written_before_is_plaintext():
    here, there = Qio.ChannelSocket.new_pair()
    reader, writer = await Qio.open_streams(here)
    writer.write(bytes(4 << 20))
    writer.write(b"the end\n")
    starting = asyncio.ensure_future(Qio.start_tls(writer, client_creds(), hostname="localhost"))
    await asyncio.sleep(0)
    writer.write(b"a secret\n")
    assert (await there.read_line_async(5 << 20)).get_data() == bytes(4 << 20) + b"the end"
    tls = await tls_channel(there, server_creds())
    await starting
    assert (await tls.read_line_async(100)).get_data() == b"a secret"
    await tls.write_bytes_all_async(b"answer\n")
    assert await reader.readline() == b"answer\n"
    # The end of the output is a close_notify.
    writer.write_eof()
    assert (await tls.read_bytes_async(1)).get_size() == 0
    writer.close()
    await writer.wait_closed()


async def a_client_hello_that_was_read_already_is_not_lost():
    """By a StreamReader, by a transport that is paused, and by a read that ends just then."""
    for is_paused in (False, True):
        here, there = Qio.ChannelSocket.new_pair()
        reader, writer = await Qio.open_streams(here)
        there.set_cork(True)
        await there.write_bytes_all_async(b"STARTTLS\n")
        client = Qio.ChannelTLS.new_client(there, client_creds(), "localhost")
        handshake = asyncio.ensure_future(client.handshake_async())
        assert await reader.readline() == b"STARTTLS\n"
        if is_paused:
            writer.transport.pause_reading()
        else:
            # All of the handshake's first flight arrives in the reader.
            while len(reader._buffer) < 200:
                await asyncio.sleep(0)
        await Qio.start_tls(writer, server_creds())
        await handshake
        await client.write_bytes_all_async(b"line\n")
        assert writer.transport.is_reading() != is_paused
        writer.transport.resume_reading()
        assert await reader.readline() == b"line\n"
        writer.close()
        await writer.wait_closed()
        client.abort()


async def plaintext_behind_starttls_is_no_data_of_tls():
    reader, writer, there = *await Qio.open_streams((pair := Qio.ChannelSocket.new_pair())[0]), pair[1]
    await there.write_bytes_all_async(b"STARTTLS\nRSET injected\n")
    assert await reader.readline() == b"STARTTLS\n"
    error = await raised_by(Qio.start_tls(writer, server_creds()), GLib.Error)
    assert "TLS handshake" in error.message, error.message
    await raised_by(reader.read(), ConnectionError)
    assert writer.is_closing() and reader._buffer == b""
    await raised_by(writer.wait_closed(), ConnectionError)


async def a_failure_to_start_tls_closes_the_connection():
    # The peer does not answer.
    transport, protocol, there = await transport_pair(lambda: Collecting(100))
    await raised_by(Qio.start_tls(transport, client_creds(), hostname="localhost", timeout=0.01), TimeoutError)
    assert isinstance(await protocol.ended, TimeoutError) and transport.get_extra_info("channel").is_closed()
    # The task is cancelled.
    transport, protocol, there = await transport_pair(lambda: Collecting(100))
    starting = asyncio.ensure_future(Qio.start_tls(transport, client_creds(), hostname="localhost"))
    assert (await there.read_bytes_async(1000)).get_size() > 100
    await raised_by(Qio.start_tls(transport, client_creds()), RuntimeError)
    starting.cancel()
    await raised_by(starting, asyncio.CancelledError)
    assert await protocol.ended is None and transport.is_closing()
    # The transport is closed.
    transport, protocol, there = await transport_pair(lambda: Collecting(100))
    starting = asyncio.ensure_future(Qio.start_tls(transport, client_creds(), hostname="localhost"))
    assert (await there.read_bytes_async(1000)).get_size() > 100
    transport.close()
    await raised_by(starting, ConnectionAbortedError)
    assert await protocol.ended is None
    # The name is another one.
    transport, protocol, there = await transport_pair(lambda: Collecting(100))
    handshake = asyncio.ensure_future(raised_by(tls_channel(there, server_creds()), GLib.Error))
    await raised_by(Qio.start_tls(transport, client_creds(), hostname="example.org"), GLib.Error)
    assert isinstance(await protocol.ended, ConnectionError)
    await handshake
    # It is too late.
    await raised_by(Qio.start_tls(transport, client_creds()), RuntimeError)
    transport, protocol, there = await transport_pair(lambda: Collecting(100))
    transport.write_eof()
    await raised_by(Qio.start_tls(transport, client_creds()), RuntimeError)
    transport.abort()
    await protocol.ended
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=ours)
    await raised_by(Qio.start_tls(writer, client_creds()), TypeError)
    writer.close()
    await writer.wait_closed()
    theirs.close()


async def tls_of_the_standard_library_starts_on_a_channel():
    loop = asyncio.get_running_loop()
    transport, protocol, there = await transport_pair(lambda: Collecting(1 << 18))
    serving = asyncio.ensure_future(Qio.open_streams(await tls_channel_of_streams(there)))
    secure = await loop.start_tls(transport, protocol, client_context(), server_hostname="localhost")
    reader, writer = await serving
    assert secure.get_extra_info("cipher")
    secure.write(bytes(1 << 20))
    assert await reader.readexactly(1 << 20) == bytes(1 << 20)
    writer.write(b"x" * 100_000)
    writer.close()
    # Its own close_notify may find the peer closed.
    assert isinstance(await protocol.ended, (type(None), ConnectionError)) and protocol.data == b"x" * 100_000
    # A peer that is none.
    transport, protocol, there = await transport_pair(lambda: Collecting(100))
    await there.write_bytes_all_async(b"no TLS\n" * 100)
    await raised_by(loop.start_tls(transport, protocol, server_context(), server_side=True), ssl.SSLError)
    assert transport.is_closing()
    there.close()


async def tls_channel_of_streams(channel):
    """A channel whose handshake takes place in its first read or write."""
    return Qio.ChannelTLS.new_server(channel, server_creds())


async def all_of_it():
    await buffered_protocols_receive_everything_in_order()
    await a_server_has_buffered_protocols_for_clients_of_the_standard_library()
    await protocols_of_both_kinds_may_replace_each_other()
    await a_protocol_without_a_buffer_loses_its_connection()
    await a_mail_server_starts_tls_for_smtplib()
    await both_ends_start_tls_on_streams()
    await what_was_written_before_is_plaintext()
    await a_client_hello_that_was_read_already_is_not_lost()
    await plaintext_behind_starttls_is_no_data_of_tls()
    await a_failure_to_start_tls_closes_the_connection()
    await tls_of_the_standard_library_starts_on_a_channel()


with asyncio.Runner(loop_factory=Qio.new_event_loop) as runner:
    runner.run(all_of_it())
gc.collect()
print("asyncio transports: ok")
