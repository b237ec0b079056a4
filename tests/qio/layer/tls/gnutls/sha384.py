"""One end of a connection, by GnuTLS, with a key of TLS 1.3 that is for SHA-384. Its programs have none.

Usage: sha384.py client PORT NAME KEY, which sends first, or sha384.py server 0 FILE, which prints its port and
responds. Exits with 77 where GnuTLS is older than 3.8.11, and cannot do it either.
"""

import ctypes
import socket
import sys

CLIENT, SERVER = 2, 1
CREDENTIALS_PSK, KEY_HEX = 4, 1
SHA384 = 7
AGAIN = -28
PRIORITY = b"NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:-CIPHER-ALL:+AES-256-GCM"

gnutls = ctypes.CDLL("libgnutls.so.30")
if not hasattr(gnutls, "gnutls_psk_allocate_client_credentials2"):
    sys.exit(77)
gnutls.gnutls_strerror.restype = ctypes.c_char_p


class Datum(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_uint)]


def check(result):
    if result < 0:
        sys.exit(gnutls.gnutls_strerror(result).decode())
    return result


def new(allocate, *arguments):
    place = ctypes.c_void_p()
    check(allocate(ctypes.byref(place), *arguments))
    return place


end, port, *rest = sys.argv[1:]
if end == "client":
    connection = socket.create_connection(("127.0.0.1", int(port)))
    session = new(gnutls.gnutls_init, CLIENT)
    credentials = new(gnutls.gnutls_psk_allocate_client_credentials2, SHA384)
    name, key = (word.encode() for word in rest)
    check(gnutls.gnutls_psk_set_client_credentials(credentials, name, ctypes.byref(Datum(key, len(key))), KEY_HEX))
else:
    listener = socket.create_server(("127.0.0.1", int(port)))
    print(listener.getsockname()[1], flush=True)
    connection, _ = listener.accept()
    session = new(gnutls.gnutls_init, SERVER)
    credentials = new(gnutls.gnutls_psk_allocate_server_credentials2, SHA384)
    check(gnutls.gnutls_psk_set_server_credentials_file(credentials, rest[0].encode()))

check(gnutls.gnutls_priority_set_direct(session, PRIORITY, None))
check(gnutls.gnutls_credentials_set(session, CREDENTIALS_PSK, credentials))
gnutls.gnutls_transport_set_int2(session, connection.fileno(), connection.fileno())
check(gnutls.gnutls_handshake(session))


def send(text):
    check(gnutls.gnutls_record_send(session, text, ctypes.c_size_t(len(text))))


def receive(text):
    buffer = ctypes.create_string_buffer(len(text))
    # Tickets come before the data.
    while (count := gnutls.gnutls_record_recv(session, buffer, ctypes.c_size_t(len(text)))) == AGAIN:
        pass
    check(count)
    if buffer.raw[:count] != text:
        sys.exit(f"{text} was expected, not {buffer.raw[:count]}")


if end == "client":
    send(b"question")
    receive(b"answer")
else:
    receive(b"question")
    send(b"answer")
check(gnutls.gnutls_bye(session, 1))
