"""A WebSocket peer by libsoup: see peers.rs.

    soup_peer.py client plain none|deflate FOLDER PORT
    soup_peer.py server plain none|deflate FOLDER

A server prints its port. Prints what it has seen to the standard output.
"""

import sys

import gi

gi.require_version("Soup", "3.0")

from gi.repository import GLib, Soup

ROLE, _, COMPRESSION = sys.argv[1:4]
SIZES = (0, 1, 125, 126, 65_535, 65_536, 1 << 20)
CONTEXT = GLib.MainContext.default()


def iterate_until(condition):
    while not condition():
        CONTEXT.iteration(True)


def messages():
    for size in SIZES:
        yield Soup.WebsocketDataType.BINARY, (bytes(range(251)) * (size // 251 + 1))[:size]
        yield Soup.WebsocketDataType.TEXT, ("größer als 1 € " * (size // 15 + 1))[:size].encode()


def report_close(connection):
    print(f"closed {int(connection.get_close_code())} {connection.get_close_data() or ''}", flush=True)


def connect(session, port):
    message = Soup.Message.new("GET", f"ws://127.0.0.1:{port}/chat")
    if COMPRESSION == "none":
        message.disable_feature(Soup.WebsocketExtensionManager)
    results = []
    session.websocket_connect_async(
        message, None, ["other", "echo"], GLib.PRIORITY_DEFAULT, None, lambda _, result: results.append(result)
    )
    iterate_until(lambda: results)
    connection = session.websocket_connect_finish(results[0])
    connection.set_max_incoming_payload_size(2 << 20)
    return connection


def run_client(port):
    session = Soup.Session()
    if COMPRESSION == "deflate":
        session.add_feature_by_type(Soup.WebsocketExtensionManager)
        session.add_feature_by_type(Soup.WebsocketExtensionDeflate)
    for closes_first in (True, False):
        connection = connect(session, port)
        received = []
        connection.connect("message", lambda _, kind, data: received.append((kind, data.get_data() or b"")))
        print(f"protocol {connection.get_protocol()}")
        print("extensions", "permessage-deflate" if connection.get_extensions() else "none")
        for count, (kind, data) in enumerate(messages(), 1):
            connection.send_message(kind, GLib.Bytes.new(data))
            iterate_until(lambda: len(received) == count or connection.get_state() != Soup.WebsocketState.OPEN)
            assert received[-1] == (kind, data), len(data)
        if closes_first:
            connection.close(3001, "that is all")
        else:
            connection.send_text("close")
        iterate_until(lambda: connection.get_state() == Soup.WebsocketState.CLOSED)
        report_close(connection)


def echo(connection, kind, data):
    if data.get_data() == b"close":
        connection.close(4000, "as requested")
    elif connection.get_state() == Soup.WebsocketState.OPEN:
        connection.send_message(kind, data)


def run_server():
    connections = []

    def accept(server, message, path, connection, *args):
        connection.set_max_incoming_payload_size(2 << 20)
        connection.connect("message", echo)
        connection.connect("closed", report_close)
        connections.append(connection)

    server = Soup.Server()
    if COMPRESSION == "none":
        server.remove_websocket_extension(Soup.WebsocketExtensionDeflate)
    else:
        server.add_websocket_extension(Soup.WebsocketExtensionDeflate)
    server.add_websocket_handler(None, None, ["other", "echo"], accept)
    server.listen_local(0, Soup.ServerListenOptions.IPV4_ONLY)
    print(server.get_uris()[0].get_port(), flush=True)
    while True:
        CONTEXT.iteration(True)


if ROLE == "client":
    run_client(sys.argv[5])
else:
    run_server()
