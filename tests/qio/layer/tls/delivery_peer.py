"""Ends of connections by Python's ssl, for `delivery/python_ssl.rs`.

    delivery_peer.py FOLDER Client|Server Tls12|Tls13 true|false

Reads lines "PORT DIRECTION ENDING SIZE", does what `delivery/plan.rs` has for them, and prints how many bytes came, and how
they ended. A server prints its port before.
"""

import os
import socket
import ssl
import sys

FOLDER, ROLE, VERSION, RESUMES = sys.argv[1:5]
REPLY = 1000
PIECE = 16_000
VERSIONS = {"Tls12": ssl.TLSVersion.TLSv1_2, "Tls13": ssl.TLSVersion.TLSv1_3}


def make_context():
    is_client = ROLE == "Client"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if is_client else ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = VERSIONS[VERSION]
    # By default an end without close_notify is an end to Python.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if is_client:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_cert_chain(os.path.join(FOLDER, "server-cert.pem"), os.path.join(FOLDER, "server-key.pem"))
        if RESUMES != "true":
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
    return context


def pattern(first, count):
    cycle = bytes(range(251))
    first %= 251
    return (cycle * (count // 251 + 2))[first : first + count]


class End:
    def __init__(self, tls, direction, ending, size):
        self.tls, self.direction, self.ending, self.size = tls, direction, ending, size
        self.sent = self.received = 0
        self.end = "not read"
        self.session = None

    def send(self, count):
        self.tls.sendall(pattern(self.sent, count))
        self.sent += count

    def receive(self, most):
        data = self.tls.recv(most)
        assert data == pattern(self.received, len(data)), "the data of the peer differs"
        self.received += len(data)
        return data

    def receive_to_end(self):
        while self.receive(100_000):
            pass
        self.end = "clean"

    def exchange(self):
        while self.sent < self.size:
            self.send(min(PIECE, self.size - self.sent))
            while self.received < self.sent:
                assert self.receive(self.sent - self.received), "an early end"
        self.session = self.tls.session

    def steps(self):
        if self.direction == "Both":
            self.exchange()
        if (self.direction == "Download") != (ROLE == "Server"):
            self.receive_to_end()
            if self.ending == "HalfClose":
                self.send(REPLY)
            self.tls.unwrap().close()
            return
        self.send(self.size - self.sent)
        if self.ending == "Bye":
            # It sends close_notify, and reads up to that of the peer.
            self.tls.unwrap().close()
            self.end = "clean"
        self.tls.close()

    def run(self):
        try:
            self.steps()
        except (OSError, AssertionError) as error:
            if self.end != "clean":
                self.end = str(error).replace("\n", " ") or repr(error)
        self.tls.close()
        print(self.received, self.end, flush=True)


def main():
    context = make_context()
    session = None
    for line in sys.stdin:
        port, direction, ending, size = line.split()
        options = {"suppress_ragged_eofs": False}
        if ROLE == "Client":
            plain = socket.create_connection(("127.0.0.1", int(port)))
            options.update(server_hostname="server.test", session=session)
        else:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                print(listener.getsockname()[1], flush=True)
                plain = listener.accept()[0]
            options.update(server_side=True)
        plain.settimeout(20)
        try:
            tls = context.wrap_socket(plain, **options)
        except OSError as error:
            print(0, str(error).replace("\n", " "), flush=True)
            continue
        end = End(tls, direction, ending, int(size))
        end.run()
        if ROLE == "Client" and RESUMES == "true":
            session = end.session or session


main()
