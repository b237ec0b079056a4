"""TLS in Python: over sockets, and over a class of its own."""

import os
import subprocess
import tempfile

from common import check, error_of, iterate_until, make_pair, wait_for
from gi.repository import Gio, GLib, Qio


class Slow(Qio.Channel):
    """Passes everything on, a few bytes at a time, and waits by a watch alone."""

    def __init__(self, below):
        super().__init__()
        self.below = below

    def do_io_write_bytes(self, data, fds, flags):
        return self.below.write_bytes(GLib.Bytes.new(data.get_data()[:100]))

    def do_io_read_bytes(self, count, flags):
        return self.below.read_bytes(min(count, 70)), None

    def do_io_set_blocking(self, enabled):
        self.below.set_blocking(enabled)
        return 0

    def do_io_create_watch(self, condition):
        return self.below.create_fd_watch(self.below.get_fd(), condition)

    def do_io_close(self):
        self.below.close()
        return 0


def credentials(folder):
    certificate, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    command = [*make.split(), *names, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    client = Qio.TlsCredsBuilder.new(Qio.TlsEndpoint.CLIENT)
    client.add_trust_file(certificate)
    client.set_alpn_protocols(["echo"])
    server = Qio.TlsCredsBuilder.new(Qio.TlsEndpoint.SERVER)
    server.set_certificate_files(certificate, key)
    server.set_alpn_protocols(["echo"])
    return client.build(), server.build()


def meet(here, there, name="localhost"):
    """Both ends shake hands on one main loop; what comes of it at the client's."""
    client = Qio.ChannelTLS.new_client(here, client_creds, name)
    server = Qio.ChannelTLS.new_server(there, server_creds)
    results = []
    for end in (client, server):
        end.handshake_async(GLib.PRIORITY_DEFAULT, None, lambda *args: results.append(args))
    iterate_until(lambda: len(results) == 2)
    return client, server, results


with tempfile.TemporaryDirectory() as folder:
    client_creds, server_creds = credentials(folder)

for over in (lambda end: end, Slow):
    one, other = make_pair()
    client, server, results = meet(over(one), over(other))
    for end, result in results:
        end.handshake_finish(result)
    for end in (client, server):
        check(end.is_handshake_done() and end.props.handshake_done)
        check(end.get_protocol_version() == Gio.TlsProtocolVersion.TLS_1_3)
        check(end.get_cipher().startswith("TLS_") and end.get_alpn_protocol() == "echo")
        check(not end.is_resumed())
    check(client.get_hostname() == server.get_hostname() == "localhost")
    check(client.get_creds() == client_creds and client.get_master() == client.props.master)
    check("localhost" in client.get_peer_certificate().get_subject_name())
    check(server.get_peer_certificate() is None)

    text = os.urandom(100_000)
    got = []
    server.read_bytes_all_async(len(text), 0, None, lambda end, result: got.append(end.read_bytes_all_finish(result)))
    wait_for(client.write_bytes_all_async, client.write_bytes_all_finish, GLib.Bytes.new(text))
    iterate_until(lambda: got)
    check(got[0].get_data() == text)
    client.update_keys(True)
    wait_for(client.bye_async, client.bye_finish)
    check(wait_for(server.read_bytes_async, server.read_bytes_finish, 1).get_size() == 0)
    client.close()
    server.close()

# Another name is another server.
client, server, results = meet(*make_pair(), "example.org")
error = error_of(client.handshake_finish, next(result for end, result in results if end == client))
check(error.matches(Gio.tls_error_quark(), Gio.TlsError.BAD_CERTIFICATE))
check("Unable to shake hands with example.org" in error.message)

# Somebody says no.
one, other = make_pair()
client = Qio.ChannelTLS.new_client(one, client_creds, "localhost")
server = Qio.ChannelTLS.new_server(other, server_creds)
asked = []
client.connect("authorize-peer", lambda end, certificate: asked.append(certificate))
server.handshake_async(GLib.PRIORITY_DEFAULT, None, lambda *args: None)
error = error_of(wait_for, client.handshake_async, client.handshake_finish)
check(len(asked) == 1 and "not welcome" in error.message)
check(error_of(client.read_bytes, 1).message == error.message)
check(error_of(client.bye).message == error.message)
check(error_of(client.handshake).message == error.message)

print("tls: ok")
