"""A WebSocket peer by Python's websockets: see peers.rs.

    websockets_peer.py client plain|tls none|deflate|small FOLDER PORT
    websockets_peer.py server plain|tls none|deflate|small FOLDER

A server prints its port. FOLDER has the certificates for TLS. Prints what it has seen to the standard output.
"""

import os
import ssl
import sys

from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.sync.client import connect
from websockets.sync.server import serve

ROLE, TRANSPORT, COMPRESSION, FOLDER = sys.argv[1:5]
SMALL = {
    "server_no_context_takeover": True,
    "client_no_context_takeover": True,
    "server_max_window_bits": 9,
    "client_max_window_bits": 9,
}
SIZES = (0, 1, 125, 126, 65_535, 65_536, 1 << 20)
if COMPRESSION == "small":
    SIZES = SIZES[:-1]


def file(name):
    return os.path.join(FOLDER, name)


def make_options():
    options = {
        "subprotocols": ["other", "echo"],
        "compression": "deflate" if COMPRESSION == "deflate" else None,
        "max_size": 2 << 20,
    }
    if COMPRESSION == "small":
        factory = {"client": ClientPerMessageDeflateFactory, "server": ServerPerMessageDeflateFactory}
        options["extensions"] = [factory[ROLE](**SMALL)]
    if TRANSPORT == "tls" and ROLE == "client":
        options["ssl"] = ssl.create_default_context(cafile=file("ca-cert.pem"))
        options["server_hostname"] = "server.test"
    elif TRANSPORT == "tls":
        options["ssl"] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        options["ssl"].load_cert_chain(file("server-cert.pem"), file("server-key.pem"))
    return options


def messages():
    for size in SIZES:
        yield (bytes(range(251)) * (size // 251 + 1))[:size]
        yield ("größer als 1 € " * (size // 15 + 1))[:size]


def report_close(connection):
    print(f"closed {connection.close_code} {connection.close_reason}", flush=True)


def run_client(port):
    scheme = {"plain": "ws", "tls": "wss"}[TRANSPORT]
    for closes_first in (True, False):
        with connect(f"{scheme}://127.0.0.1:{port}/chat", **make_options()) as connection:
            print(f"protocol {connection.subprotocol}")
            print("extensions", connection.response.headers.get("Sec-WebSocket-Extensions", "none"))
            for message in messages():
                connection.send(message)
                assert connection.recv() == message, len(message)
            if closes_first:
                connection.close(3001, "that is all")
            else:
                connection.send("close")
                try:
                    connection.recv()
                except ConnectionClosed:
                    pass
            report_close(connection)


def echo(connection):
    try:
        for message in connection:
            if message == "close":
                connection.close(4000, "as requested")
                break
            connection.send(message)
    except ConnectionClosed:
        pass
    report_close(connection)


def run_server():
    with serve(echo, "127.0.0.1", 0, **make_options()) as server:
        print(server.socket.getsockname()[1], flush=True)
        server.serve_forever()


if ROLE == "client":
    run_client(sys.argv[5])
else:
    run_server()
