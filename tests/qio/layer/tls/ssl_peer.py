"""A peer by Python's own ssl.

    ssl_peer.py SOCKET FOLDER client|server 1.2|1.3 STEP...

Connects to the socket for each "connect", and takes the other steps there. Prints what it has seen to the standard
output.
"""

import hashlib
import os
import socket
import ssl
import sys

PATH, FOLDER, ROLE, VERSION = sys.argv[1:5]
NAME = "server.test"
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def file(name):
    return os.path.join(FOLDER, name)


def note_name(connection, name, context):
    print(f"name {name}")


def make_context():
    purpose = {"client": ssl.PROTOCOL_TLS_CLIENT, "server": ssl.PROTOCOL_TLS_SERVER}[ROLE]
    context = ssl.SSLContext(purpose)
    context.minimum_version = context.maximum_version = VERSIONS[VERSION]
    context.load_verify_locations(file("ca-cert.pem"))
    context.load_cert_chain(file(f"{ROLE}-cert.pem"), file(f"{ROLE}-key.pem"))
    # By default an end without close_notify is an end to Python.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    context.set_alpn_protocols(["nbd", "echo"])
    if ROLE == "server":
        context.verify_mode = ssl.CERT_REQUIRED
        context.sni_callback = note_name
    return context


class Peer:
    def __init__(self):
        self.context = make_context()
        self.connection = None
        self.session = None

    def connect(self):
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(15)
        plain.connect(PATH)
        options = {"suppress_ragged_eofs": False}
        if ROLE == "client":
            options.update(server_hostname=NAME, session=self.session)
        self.connection = self.context.wrap_socket(plain, server_side=ROLE == "server", **options)
        print(f"version {self.connection.version()}")
        print(f"protocol {self.connection.selected_alpn_protocol()}")
        subject = dict(part[0] for part in self.connection.getpeercert()["subject"])
        print(f"peer {subject['commonName']}")
        print(f"resumed {self.connection.session_reused}")

    def give(self, count):
        data = bytes(range(251)) * (int(count) // 251 + 1)
        self.connection.sendall(data[: int(count)])

    def take(self, count):
        left, digest = int(count), hashlib.sha256()
        while left:
            data = self.connection.recv(left)
            assert data, "more was promised"
            left -= len(data)
            digest.update(data)
        print(f"got {digest.hexdigest()}")

    def allow_requests(self):
        """A client that offers post-handshake authentication."""
        self.context.post_handshake_auth = True

    def request_certificate(self):
        """Requests a certificate after the handshake."""
        try:
            self.connection.verify_client_post_handshake()
            print("requested")
        except ssl.SSLError as error:
            print(f"no request: {error.reason}")

    def receive_end(self):
        try:
            print(f"end {self.connection.recv(1)}")
        except ssl.SSLError as error:
            # Older versions have no class for it here.
            print("cut" if "EOF" in (error.reason or "") else f"end {error}")
        except ConnectionError:
            # Since 3.13, if OpenSSL's alert about the cut finds no peer: the error of the system.
            print("cut")

    def keep_session(self):
        self.session = self.connection.session

    def unwrap(self):
        """Sends close_notify, and receives that of the other end."""
        self.connection.unwrap().close()
        print("unwrapped")

    def cut(self):
        self.connection.close()


peer = Peer()
for step in sys.argv[5:]:
    name, *arguments = step.split("=")
    getattr(peer, name.replace("-", "_"))(*arguments)
