"""A peer that violates the TLS protocol, by tlslite-ng.

    protocol_violations.py SOCKET FOLDER

Each line of the standard input is "ROLE|VERSION|VIOLATION": connects to the socket, is "client" or "server" there with
TLS "1.2" or "1.3", and commits the violation. Prints a line with what it has received from the other end.
"""

import os
import socket
import sys

from tlslite.api import (
    HandshakeSettings,
    TLSAbruptCloseError,
    TLSConnection,
    TLSLocalAlert,
    TLSRemoteAlert,
    X509CertChain,
    parsePEMKey,
)
from tlslite.constants import AlertDescription, ContentType
from tlslite.messages import (
    Alert,
    ChangeCipherSpec,
    ClientHello,
    HelloRequest,
    KeyUpdate,
    Message,
)

PATH, FOLDER = sys.argv[1:]
VERSIONS = {"1.2": (3, 3), "1.3": (3, 4)}
# More than an implementation tolerates, and few enough for the buffer of a socket that is not read.
MANY = 50
HANDSHAKE, ALERT, DATA = ContentType.handshake, ContentType.alert, ContentType.application_data


class Over(Exception):
    """The violation ends the connection."""


class Raw:
    """Bytes that go as they are."""

    def __init__(self, data):
        self.data = bytearray(data)


class ViolatingConnection(TLSConnection):
    """Passes each message to its violation."""

    violation = None

    def _in_place_of(self, message):
        hook = (self.violation or {}).get(type(message).__name__)
        return [message] if hook is None else hook(self, message)

    def _sendMsg(self, msg, *arguments, **options):
        for message in self._in_place_of(msg):
            if isinstance(message, Raw):
                self.sock.send(message.data)
                continue
            for result in super()._sendMsg(message, *arguments, **options):
                yield result

    def _queue_message(self, msg):
        for message in self._in_place_of(msg):
            super()._queue_message(message)

    def send_record(self, kind, data):
        """One record, as the state of the connection has it."""
        self.sock.flush()
        for _ in self._recordLayer.sendRecord(Message(kind, bytearray(data))):
            pass

    def send_raw(self, data):
        self.sock.flush()
        self.sock.buffer_writes = False
        self.sock.sendall(bytearray(data))

    def seal(self, kind, data):
        """That record, in place of sending it."""
        record = bytearray()
        sendall = self._recordLayer._recordSocket._sockSendAll

        def keep(bytes_):
            record.extend(bytes_)
            return iter(())

        self._recordLayer._recordSocket._sockSendAll = keep
        try:
            self.send_record(kind, data)
        finally:
            self._recordLayer._recordSocket._sockSendAll = sendall
        return record

    def end(self):
        self.sock.flush()
        self.sock.socket.shutdown(socket.SHUT_WR)


def edited(message, edit):
    data = bytearray(message.write())
    edit(data)
    return Message(message.contentType, data)


def flip(at):
    def edit(data):
        data[at] ^= 1

    return edit


def changed(name, at):
    """A byte of a message is another one."""
    return {name: lambda conn, message: [edited(message, flip(at))]}


def instead(name, *others):
    """Other messages in its place; None stands for itself."""
    return {name: lambda conn, message: [message if other is None else other for other in others]}


def cut_after(name):
    """Nothing comes after that message."""

    def hook(conn, message):
        conn.sock.flush()
        for _ in TLSConnection._sendMsg(conn, message):
            pass
        conn.end()
        raise Over

    return {name: hook}


def cut_within(name):
    def hook(conn, message):
        conn.send_raw(conn.seal(message.contentType, message.write())[:-3])
        conn.end()
        raise Over

    return {name: hook}


def in_parts(name, size):
    """In records of so many bytes."""

    def hook(conn, message):
        data = message.write()
        for at in range(0, len(data), size):
            conn.send_record(message.contentType, data[at : at + size])
        conn._handshake_hash.update(data)
        return []

    return {name: hook}


def skipped(name):
    """Data comes in its place."""

    def hook(conn, message):
        conn.send_record(DATA, b"early")
        return []

    return {name: hook}


def hello_of(version):
    def hook(conn, message):
        def edit(data):
            data[4], data[5] = version

        message.extensions = [it for it in message.extensions if it.extType != 43]
        return [edited(message, edit)]

    return {"ClientHello": hook, "ServerHello": hook}


def many(count, kind, data):
    def hook(conn, message):
        for _ in range(count):
            conn.send_record(kind, data)
        return [message]

    return hook


def sslv2(conn, message):
    return [Raw(b"\x80\x2e\x01\x03\x03\x00\x15\x00\x00\x00\x10\x01\x00\x80" + bytes(range(34)))]


def header(kind, version, length):
    return bytes((kind, 3, version, length >> 8, length & 255))


# What is done with the messages of a handshake.
IN_HANDSHAKE = {
    "nothing": {},
    "wrong finished": changed("Finished", -1),
    "short finished": instead("Finished", Message(HANDSHAKE, bytearray(b"\x14\x00\x00\x02ab"))),
    "no finished": skipped("Finished"),
    "two hellos": {
        "ClientHello": lambda conn, message: [message, message],
        "ServerHello": lambda conn, message: [message, message],
    },
    "no hello": {
        name: lambda conn, message: [Message(HANDSHAKE, bytearray(b"\x14\x00\x00\x0c" + bytes(12)))]
        for name in ("ClientHello", "ServerHello")
    },
    "hello in parts": {**in_parts("ClientHello", 7), **in_parts("ServerHello", 7)},
    "hello of no bytes": {
        name: lambda conn, message: [Raw(header(HANDSHAKE, 1, 0)), message]
        for name in ("ClientHello", "ServerHello")
    },
    "cut hello": {**cut_within("ClientHello"), **cut_within("ServerHello")},
    "cut after the hello": {**cut_after("ClientHello"), **cut_after("ServerHello")},
    "cut finished": cut_within("Finished"),
    "hello that lies about its length": {
        # The length of the session's name.
        name: lambda conn, message: [edited(message, lambda data: data.__setitem__(38, 255))]
        for name in ("ClientHello", "ServerHello")
    },
    "hello of SSL 2": {"ClientHello": sslv2},
    "hello of SSL 3": hello_of((3, 0)),
    "hello of TLS 1.0": hello_of((3, 1)),
    "hello of TLS 1.1": hello_of((3, 2)),
    "early change of ciphers": {
        "ClientHello": lambda conn, message: [message, Raw(header(20, 3, 1) + b"\x01")],
        "ServerHello": lambda conn, message: [message, ChangeCipherSpec()],
    },
    "changes of ciphers": {
        "ClientHello": lambda conn, message: [message] + MANY * [Raw(header(20, 3, 1) + b"\x01")],
        "ServerHello": lambda conn, message: [message] + MANY * [Raw(header(20, 3, 1) + b"\x01")],
    },
    "change of ciphers to nowhere": {
        "ClientHello": lambda conn, message: [message, Raw(header(20, 3, 1) + b"\x05")],
        "ServerHello": lambda conn, message: [message, Raw(header(20, 3, 1) + b"\x05")],
    },
    "certificate of garbage": {
        "Certificate": lambda conn, message: [edited(message, flip(len(message.write()) // 2))]
    },
    "certificate of no length": {"Certificate": lambda conn, message: [edited(message, flip(7))]},
    "wrong proof of the key": {
        **changed("CertificateVerify", -1),
        **changed("ServerKeyExchange", -1),
    },
    "key of no curve": {
        # Its first byte is the form of the point.
        "ClientKeyExchange": lambda conn, message: [edited(message, flip(5))]
    },
    "unknown message before the hello": {
        name: lambda conn, message: [Message(HANDSHAKE, bytearray(b"\x63\x00\x00\x01x")), message]
        for name in ("ClientHello", "ServerHello")
    },
    "cipher that was not offered": {
        "ServerHello": lambda conn, message: [edited(message, lambda data: data.__setitem__(39 + data[38], 0x77))]
    },
    "warnings before the hello": {
        name: lambda conn, message: MANY * [Raw(header(ALERT, 3, 2) + b"\x01\x5a")] + [message]
        for name in ("ClientHello", "ServerHello")
    },
    "requests of a hello in between": {"ServerHello": many(300, HANDSHAKE, b"\x00\x00\x00\x00")},
    "data before the hello": {
        name: lambda conn, message: [Message(DATA, bytearray(b"early")), message]
        for name in ("ClientHello", "ServerHello")
    },
}


def record_with(edit):
    def perform(conn):
        record = conn.seal(DATA, b"some data")
        edit(record)
        conn.send_raw(record)

    return perform


def times(count, perform):
    def all_of_them(conn):
        for _ in range(count):
            perform(conn)

    return all_of_them


def sends(kind, data):
    return lambda conn: conn.send_record(kind, data)


def sends_raw(data):
    return lambda conn: conn.send_raw(data)


def update_keys(kind):
    def perform(conn):
        for _ in conn.send_keyupdate_request(kind):
            pass

    return perform


def cut(conn):
    conn.end()
    raise Over


def cut_in_record(conn):
    conn.send_raw(conn.seal(DATA, b"some data")[:-2])
    conn.end()
    raise Over


def hello_again(conn):
    hello = ClientHello()
    hello.create((3, 3), bytearray(32), bytearray(0), [0xC02B, 0x1301])
    conn.send_record(HANDSHAKE, hello.write())


def sends_close_notify_and_goes_on(conn):
    conn.send_record(ALERT, b"\x01\x00")


def certificate_request(conn):
    # Of TLS 1.3, as after a handshake.
    conn.send_record(HANDSHAKE, b"\x0d\x00\x00\x0d\x02ab\x00\x08\x00\x0d\x00\x04\x00\x02\x04\x03")


# What is done after the handshake.
AFTERWARDS = {
    "record of no kind": record_with(lambda record: record.__setitem__(0, 99)),
    "record of another version": record_with(lambda record: record.__setitem__(1, 5)),
    "record of a changed length": record_with(lambda record: record.__setitem__(4, record[4] - 1)),
    "record with a changed byte": record_with(flip(-1)),
    "record of no bytes": sends_raw(header(DATA, 3, 0)),
    "record that is too long": sends_raw(header(DATA, 3, 2**14 + 2049) + bytes(100)),
    "record that is too long for TLS 1.3": sends_raw(header(DATA, 3, 2**14 + 257) + bytes(100)),
    "record with too much in it": sends(DATA, bytes(2**14 + 1)),
    "record twice": lambda conn: conn.send_raw(2 * conn.seal(DATA, b"some data")),
    "heartbeat": sends(24, b"\x01\x00\x02ab" + bytes(16)),
    "unknown content": sends(99, b"some data"),
    "nothing but padding": lambda conn: conn.send_record(0, bytes(20)),
    "plain text": sends_raw(header(DATA, 3, 9) + b"some data"),
    "plain close_notify": sends_raw(header(ALERT, 3, 2) + b"\x01\x00"),
    "empty records": times(MANY, sends(DATA, b"")),
    "warnings": times(MANY, sends(ALERT, b"\x01\x5a")),
    "an alert": sends(ALERT, b"\x02\x50"),
    "an unknown alert": sends(ALERT, b"\x02\xee"),
    "half an alert": sends(ALERT, b"\x02"),
    "change of ciphers": sends(20, b"\x01"),
    "unknown message": sends(HANDSHAKE, b"\x63\x00\x00\x01x"),
    "finished again": sends(HANDSHAKE, b"\x14\x00\x00\x0c" + bytes(12)),
    "message of 16 MiB": sends(HANDSHAKE, b"\x18\xff\xff\xff"),
    "half a message and data": lambda conn: (conn.send_record(HANDSHAKE, b"\x18\x00\x00\x01"), conn.send_record(DATA, b"data")),
    "hello again": hello_again,
    "request of a hello": sends(HANDSHAKE, HelloRequest().create().write()),
    "requests of a hello": times(200, sends(HANDSHAKE, b"\x00\x00\x00\x00")),
    "new keys": update_keys(0),
    "many new keys": times(300, update_keys(1)),
    "new keys of no kind": sends(HANDSHAKE, KeyUpdate().create(7).write()),
    "request of a certificate": certificate_request,
    "close_notify and data": sends_close_notify_and_goes_on,
    "cut": cut,
    "cut in a record": cut_in_record,
}


def read(name):
    with open(os.path.join(FOLDER, name), encoding="ascii") as file:
        return file.read()


def identity(name):
    chain = X509CertChain()
    chain.parsePemList(read(f"{name}-cert.pem"))
    return chain, parsePEMKey(read(f"{name}-key.pem"), private=True, implementations=["python"])


IDENTITIES = {name: identity(name) for name in ("client", "server")}


def perform_the_handshake(conn, role, version, violation):
    settings = HandshakeSettings()
    settings.minVersion = settings.maxVersion = VERSIONS[version]
    settings.ticket_count = 0
    # A client of tlslite compresses its certificate because it has offered to understand that.
    settings.certificate_compression_send = settings.certificate_compression_receive = []
    if violation.endswith("by blocks"):
        settings.cipherNames = ["aes128"]
    chain, key = IDENTITIES[role]
    if role == "client":
        conn.handshakeClientCert(chain, key, settings=settings)
    else:
        conn.handshakeServer(certChain=chain, privateKey=key, settings=settings)


def connect(conn, role, version, violation):
    """Returns the result."""
    conn.closeSocket = False
    # tlslite would send a ChangeCipherSpec in the middle of a client's certificates.
    conn._ccs_sent = True
    conn.violation = IN_HANDSHAKE.get(violation)
    perform_the_handshake(conn, role, version, violation)
    conn.violation = None
    perform = AFTERWARDS.get(violation.removesuffix(" by blocks"))
    if perform is not None:
        perform(conn)
    try:
        conn.write(b"done")
    except OSError:
        # The other end has gone; maybe after an alert.
        conn.closed = False
    seen = bytearray()
    while data := conn.read(max=100):
        seen += data
        if seen == b"seen":
            conn.close()
            break
    return f"close_notify after {bytes(seen).decode()}" if seen else "close_notify"


def send_rest(conn):
    """After a cut: the response of the other end."""
    try:
        data = conn.read(max=100)
        return "close_notify" if not data else "data"
    except TLSRemoteAlert as alert:
        return f"alert {AlertDescription.toRepr(alert.description)}"
    except (TLSAbruptCloseError, OSError):
        return "cut"


def perform(role, version, violation):
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(10)
        plain.connect(PATH)
        conn = ViolatingConnection(plain)
        try:
            return connect(conn, role, version, violation)
        except Over:
            conn.closed = False
            return send_rest(conn)
        except TLSRemoteAlert as alert:
            return f"alert {AlertDescription.toRepr(alert.description)}"
        except TLSLocalAlert as alert:
            return f"objection {AlertDescription.toRepr(alert.description)}: {alert.message}"
        except (TLSAbruptCloseError, ConnectionError):
            return "cut"
        except TimeoutError:
            return "silence"


print("ready", flush=True)
for line in sys.stdin:
    print(perform(*line.rstrip("\n").split("|")), flush=True)
