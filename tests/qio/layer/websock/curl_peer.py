"""A WebSocket client by libcurl, which has no compression: see peers.rs.

    curl_peer.py client plain|tls none FOLDER PORT

FOLDER has the certificates for TLS. Prints what it has seen to the standard output.
"""

import os
import select
import sys

import pycurl

TRANSPORT, _, FOLDER, PORT = sys.argv[2:6]
SIZES = (0, 1, 125, 126, 65_535, 65_536, 1 << 20)
SCHEME = {"plain": "ws", "tls": "wss"}[TRANSPORT]


def messages():
    for size in SIZES:
        yield (bytes(range(251)) * (size // 251 + 1))[:size]
        yield ("größer als 1 € " * (size // 15 + 1))[:size]


class Connection:
    def __init__(self):
        self.headers = {}
        self.curl = pycurl.Curl()
        self.curl.setopt(pycurl.URL, f"{SCHEME}://127.0.0.1:{PORT}/chat")
        self.curl.setopt(pycurl.CONNECT_ONLY, 2)
        self.curl.setopt(pycurl.CAINFO, os.path.join(FOLDER, "ca-cert.pem"))
        self.curl.setopt(pycurl.HTTPHEADER, ["Sec-WebSocket-Protocol: other, echo"])
        self.curl.setopt(pycurl.HEADERFUNCTION, self.add_header)
        self.curl.perform()
        self.socket = self.curl.getinfo(pycurl.ACTIVESOCKET)

    def add_header(self, line):
        name, _, value = line.decode().partition(":")
        self.headers[name.lower()] = value.strip()

    def send(self, data, kind=None):
        """Returns what has been received before there was space for all that was to be sent."""
        received = []
        kind = kind or (pycurl.WS_TEXT if isinstance(data, str) else pycurl.WS_BINARY)
        data = memoryview(data.encode() if isinstance(data, str) else data)
        flags, size = kind | pycurl.WS_OFFSET, len(data)
        while True:
            try:
                data = data[self.curl.ws_send(data, flags, size) :]
                size = 0
            except BlockingIOError:
                readable, _, _ = select.select([self.socket], [self.socket], [])
                if readable:
                    self.receive_chunk(received)
                continue
            if not data:
                return received

    def receive_chunk(self, chunks):
        try:
            chunks.append(self.curl.ws_recv(1 << 16))
        except BlockingIOError:
            select.select([self.socket], [], [], 0.1)

    def receive(self, chunks):
        """Returns the flags and the data of a message, of which some chunks were received before."""
        while not chunks or chunks[-1][1].bytesleft or chunks[-1][1].flags & pycurl.WS_CONT:
            self.receive_chunk(chunks)
        return chunks[0][1].flags & ~pycurl.WS_CONT, b"".join(data for data, _ in chunks)

    def close(self, code, reason):
        self.curl.ws_close(code, reason)


for closes_first in (True, False):
    connection = Connection()
    print("protocol", connection.headers["sec-websocket-protocol"])
    print("extensions", connection.headers.get("sec-websocket-extensions", "none"))
    for message in messages():
        flags, data = connection.receive(connection.send(message))
        expected = message.encode() if isinstance(message, str) else message
        assert flags == (pycurl.WS_TEXT if isinstance(message, str) else pycurl.WS_BINARY), flags
        assert data == expected, (len(data), len(expected))
    if closes_first:
        connection.close(3001, "that is all")
    else:
        connection.send("close")
    flags, data = connection.receive([])
    assert flags & pycurl.WS_CLOSE, flags
    code, reason = int.from_bytes(data[:2], "big"), data[2:].decode()
    if not closes_first:
        connection.close(code, "")
    print("closed", code, reason)
