"""A WebSocket peer by Python's aiohttp: see peers.rs.

    aiohttp_peer.py client plain|tls none|deflate|small FOLDER PORT
    aiohttp_peer.py server plain|tls none|deflate|small FOLDER

A server prints its port. FOLDER has the certificates for TLS. Prints what it has seen to the standard output.
"""

import asyncio
import os
import ssl
import sys

from aiohttp import ClientSession, WSMsgType, web

ROLE, TRANSPORT, COMPRESSION, FOLDER = sys.argv[1:5]
# The bits of the window.
COMPRESS = {"none": 0, "deflate": 15, "small": 9}[COMPRESSION]
SIZES = (0, 1, 125, 126, 65_535, 65_536, 1 << 20)
if COMPRESSION == "small":
    SIZES = SIZES[:-1]
PROTOCOLS = ("other", "echo")


def file(name):
    return os.path.join(FOLDER, name)


def messages():
    for size in SIZES:
        yield WSMsgType.BINARY, (bytes(range(251)) * (size // 251 + 1))[:size]
        yield WSMsgType.TEXT, ("größer als 1 € " * (size // 15 + 1))[:size]


async def send(connection, kind, data):
    if kind == WSMsgType.TEXT:
        await connection.send_str(data)
    else:
        await connection.send_bytes(data)


async def talk(connection, closes_first):
    # There is no other access to the headers.
    headers = connection._response.headers
    print(f"protocol {connection.protocol}")
    print("extensions", headers.get("Sec-WebSocket-Extensions", "none"))
    for kind, data in messages():
        await send(connection, kind, data)
        message = await connection.receive()
        assert (message.type, message.data) == (kind, data), len(data)
    if closes_first:
        await connection.close(code=3001, message=b"that is all")
        print("closed", connection.close_code, "")
    else:
        await connection.send_str("close")
        message = await connection.receive()
        assert message.type == WSMsgType.CLOSE, message
        await connection.close(code=message.data)
        print("closed", message.data, message.extra)


async def run_client(port):
    scheme = {"plain": "ws", "tls": "wss"}[TRANSPORT]
    options = {"protocols": PROTOCOLS, "compress": COMPRESS, "autoclose": False}
    if TRANSPORT == "tls":
        options["ssl"] = ssl.create_default_context(cafile=file("ca-cert.pem"))
    async with ClientSession() as session:
        for closes_first in (True, False):
            async with session.ws_connect(f"{scheme}://127.0.0.1:{port}/chat", **options) as connection:
                await talk(connection, closes_first)


async def echo(request):
    connection = web.WebSocketResponse(protocols=PROTOCOLS, compress=COMPRESS != 0, autoclose=False)
    await connection.prepare(request)
    while True:
        message = await connection.receive()
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
            break
        if message.data == "close":
            await connection.close(code=4000, message=b"as requested")
            break
        await send(connection, message.type, message.data)
    if message.type == WSMsgType.CLOSE:
        await connection.close(code=message.data)
        print("closed", message.data, message.extra, flush=True)
    else:
        print("closed", connection.close_code, flush=True)
    return connection


async def run_server():
    application = web.Application()
    application.router.add_get("/chat", echo)
    runner = web.AppRunner(application)
    await runner.setup()
    context = None
    if TRANSPORT == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file("server-cert.pem"), file("server-key.pem"))
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


asyncio.run(run_client(sys.argv[5]) if ROLE == "client" else run_server())
