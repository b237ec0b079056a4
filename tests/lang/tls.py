"""TLS in Python: over sockets, and over a class in Python. QIO_TEST_PKI is a directory in QEMU's layout."""

import gc
import os
import sys
import threading
import weakref

from common import check, error_of, is_io, iterate_until, make_pair, wait_for
from gi.repository import Gio, GLib, Qio

CLIENT, SERVER = Qio.TlsEndpoint.CLIENT, Qio.TlsEndpoint.SERVER
PKI = os.environ["QIO_TEST_PKI"]


def path(name):
    return os.path.join(PKI, name)


def pem(name):
    with open(path(name), "rb") as file:
        return GLib.Bytes.new(file.read())


def made(endpoint, configure):
    builder = Qio.TlsCredsBuilder.new(endpoint)
    configure(builder)
    return builder.build()


def trusting(builder):
    builder.add_trust_pem(pem("ca-cert.pem"))
    builder.set_alpn_protocols(["echo"])


def showing(builder):
    builder.set_certificate_pem(pem("server-cert.pem"), pem("server-key.pem"))
    builder.set_alpn_protocols(["echo"])


def by_directory(builder):
    builder.set_directory(PKI)


def requiring_certificates(builder):
    by_directory(builder)
    builder.set_client_certificates(Gio.TlsAuthenticationMode.REQUIRED)


client_creds, server_creds = made(CLIENT, trusting), made(SERVER, showing)


class Slow(Qio.Channel):
    """Passes everything on, a few bytes at a time, and waits by a watch alone."""

    broken = None

    def __init__(self, below):
        super().__init__()
        self.below = below

    def do_io_write_bytes(self, data, fds, flags):
        return self.below.write_bytes(GLib.Bytes.new(data.get_data()[:100]))

    def do_io_read_bytes(self, count, flags):
        if self.broken is not None:
            raise self.broken
        return self.below.read_bytes(min(count, 70)), None

    def do_io_set_blocking(self, enabled):
        self.below.set_blocking(enabled)
        return 0

    def do_io_create_watch(self, condition):
        return self.below.create_fd_watch(self.below.get_fd(), condition)

    def do_io_close(self):
        self.below.close()
        return 0


def over(here, there, mine=client_creds, theirs=server_creds, name="localhost"):
    return Qio.ChannelTLS.new_client(here, mine, name), Qio.ChannelTLS.new_server(there, theirs)


async def handshake_both(*ends):
    for handshake in [end.handshake_async() for end in ends]:
        await handshake


async def outcomes(*ends):
    """The result of a handshake at each end: none, or an error."""
    results = []
    for handshake in [end.handshake_async() for end in ends]:
        results.append(await failure(handshake))
    return results


async def failure(awaitable):
    try:
        await awaitable
    except GLib.Error as error:
        return error
    return None


def is_tls(error, code):
    return error.matches(Gio.tls_error_quark(), code)


async def part(one, other):
    """Sends close_notify at one end, which is the end of what the other one reads."""
    bye, read = one.bye_async(), other.read_bytes_async(1)
    await bye
    check((await read).get_size() == 0)


def by_callbacks():
    """Without a coroutine, over sockets and over a class."""
    for wrapped in (lambda end: end, Slow):
        client, server = over(*map(wrapped, make_pair()))
        results = []
        for end in (client, server):
            end.handshake_async(GLib.PRIORITY_DEFAULT, None, lambda *args: results.append(args))
        iterate_until(lambda: len(results) == 2)
        for end, result in results:
            end.handshake_finish(result)
        text = os.urandom(100_000)
        got = []
        server.read_bytes_all_async(len(text), 0, None, lambda end, result: got.append(end.read_bytes_all_finish(result)))
        wait_for(client.write_bytes_all_async, client.write_bytes_all_finish, GLib.Bytes.new(text))
        iterate_until(lambda: got)
        check(got[0].get_data() == text)
        client.update_keys(True)
        wait_for(client.bye_async, client.bye_finish)
        check(wait_for(server.read_bytes_async, server.read_bytes_finish, 1).get_size() == 0)


async def verified():
    client, server = over(*make_pair())
    emissions = []
    client.connect("notify::handshake-done", lambda *args: emissions.append(args))
    check(not client.props.handshake_done and client.get_cipher() is None)
    await handshake_both(client, server)
    check(len(emissions) == 1)
    for end in (client, server):
        check(end.is_handshake_done() and end.props.handshake_done)
        check(end.get_protocol_version() == end.props.protocol_version == Gio.TlsProtocolVersion.TLS_1_3)
        check(end.get_cipher().startswith("TLS_") and end.get_alpn_protocol() == end.props.alpn_protocol == "echo")
        check(not end.is_resumed() and not end.props.resumed)
        check(end.get_key_size() == end.props.key_size == 32)
    check("CN=" in client.get_peer_name() == client.props.peer_name and server.get_peer_name() is None)
    check(client.get_hostname() == "localhost" and server.get_hostname() == "localhost")
    check(client.get_creds() == client_creds and client.get_master() == client.props.master)
    check(client.get_peer_certificate().is_same(Gio.TlsCertificate.new_from_file(path("server-cert.pem"))))
    check(server.get_peer_certificate() is None)
    async with client, server:
        await client.write_bytes_all_async(b"question")
        check((await server.read_bytes_all_async(8)).get_data() == b"question")
        await part(client, server)
    check(client.is_closed() and server.props.master.is_closed())


async def cut():
    """An end without close_notify may be caused by an attacker."""
    client, server = over(*make_pair())
    await handshake_both(client, server)
    server.get_master().close()
    check(is_tls(await failure(client.read_bytes_async(1)), Gio.TlsError.EOF))
    rest, _ = client.read_bytes_with_fds(1, Qio.ChannelReadFlags.RELAXED_EOF)
    check(rest.get_size() == 0)
    check(client.props.require_close_notify)
    client.set_require_close_notify(False)
    check((await client.read_bytes_async(1)).get_size() == 0)


async def another_name():
    client, server = over(*make_pair(), name="example.org")
    error, theirs = await outcomes(client, server)
    check(is_tls(error, Gio.TlsError.BAD_CERTIFICATE) and is_tls(theirs, Gio.TlsError.HANDSHAKE))
    check("Unable to perform the TLS handshake with example.org" in error.message)
    check(client.get_peer_certificate() is not None)


async def authorized():
    """authorize-peer handlers decide about a verified certificate."""
    mine, theirs = made(CLIENT, by_directory), made(SERVER, requiring_certificates)
    client, server = over(*make_pair(), mine, theirs)
    seen = []

    def authorize(end, certificate):
        check(end == server and not end.props.handshake_done and threading.current_thread() is threading.main_thread())
        while certificate is not None:
            seen.append(certificate.props.subject_name)
            certificate = certificate.props.issuer
        return True

    server.connect("authorize-peer", authorize)
    await handshake_both(client, server)
    check(len(seen) == 3 and "alice" in seen[0])

    def raises(*_):
        raise ValueError("on purpose")

    def show(kind, error, traceback):
        shown.append(str(error))

    # A handler that returns false, or anything but true, is final: no further handler is called.
    shown, after = [], []
    sys.excepthook = show
    for answer in (lambda *_: False, lambda *_: None, raises):
        client, server = over(*make_pair(), mine, theirs)
        server.connect("authorize-peer", lambda *_: True)
        server.connect("authorize-peer", answer)
        server.connect("authorize-peer", lambda *_: after.append(True))
        _, error = await outcomes(client, server)
        check(is_tls(error, Gio.TlsError.BAD_CERTIFICATE) and "rejected by authorize-peer handler" in error.message)
        for call in (lambda: server.read_bytes(1), server.bye, server.handshake):
            check(error_of(call).message == error.message)
    sys.excepthook = sys.__excepthook__
    check(shown == ["on purpose"] and not after)

    # A handler may close the channel.
    client, server = over(*make_pair(), mine, theirs)
    server.connect("authorize-peer", lambda end, _: end.close() or True)
    _, error = await outcomes(client, server)
    check(is_io(error, Gio.IOErrorEnum.CLOSED) and not server.is_handshake_done())


async def accepted():
    """A certificate that does not verify is data, and up to a handler."""
    mine, theirs = made(CLIENT, by_directory), made(SERVER, by_directory)
    for answer in (True, False):
        client, server = over(*make_pair(), mine, theirs, "example.org")
        seen = []
        client.connect("accept-certificate", lambda _, certificate, errors: seen.append((certificate, errors)) or answer)
        error, _ = await outcomes(client, server)
        check((error is None) == answer and len(seen) == 1)
        certificate, errors = seen[0]
        check(errors == Gio.TlsCertificateFlags.BAD_IDENTITY == client.props.peer_certificate_errors)
        check(certificate.is_same(client.get_peer_certificate()) and client.get_peer_certificate_errors() == errors)


def authorized_in_a_thread():
    """authorize-peer is emitted in the thread that performs the handshake."""
    client, server = over(*make_pair(), made(CLIENT, by_directory), made(SERVER, requiring_certificates))
    threads = []
    server.connect("authorize-peer", lambda *_: threads.append(threading.current_thread()) or True)
    thread = threading.Thread(target=server.handshake)
    thread.start()
    client.handshake()
    thread.join()
    check(threads == [thread])


class Witness:
    """Is finalized with its last owner."""

    def __init__(self):
        self.lines = []

    def note(self, line):
        self.lines.append(line)


async def in_common():
    """A pre-shared key authenticates both ends."""
    witness = Witness()

    def psk(name):
        def configure(builder):
            builder.add_psk(name, b"sixteen bytes...")
            builder.set_key_log_func(witness.note)

        return configure

    theirs = made(SERVER, psk("alice"))
    client, server = over(*make_pair(), made(CLIENT, psk("alice")), theirs, None)
    await handshake_both(client, server)
    check(not client.get_creds().verifies_peer() and client.get_peer_certificate() is None)
    check(any(line.startswith("CLIENT_TRAFFIC_SECRET_0 ") for line in witness.lines))
    errors = await outcomes(*over(*make_pair(), made(CLIENT, psk("mallory")), theirs, None))
    check(all(is_tls(error, Gio.TlsError.HANDSHAKE) for error in errors))
    return weakref.ref(witness)


async def resumed():
    mine, theirs = made(CLIENT, trusting), made(SERVER, showing)
    for again in (False, True):
        client, server = over(*make_pair(), mine, theirs)
        seen = []
        client.connect("authorize-peer", lambda _, certificate: seen.append(certificate) or True)
        await handshake_both(client, server)
        check(client.is_resumed() == server.props.resumed == again)
        check(len(seen) == 1 and client.get_peer_certificate() is not None)
        # The session ticket arrives with the data.
        await server.write_bytes_all_async(b"x")
        await client.read_bytes_all_async(1)
        await part(client, server)


async def limited():
    """A deadline is a cancellable. The next call continues with the rest, which ends when the channel is closed."""
    client, server = over(*make_pair())
    cancellable = Gio.Cancellable()
    GLib.timeout_add(10, cancellable.cancel)
    check(is_io(await failure(client.handshake_async(cancellable=cancellable)), Gio.IOErrorEnum.CANCELLED))
    await handshake_both(client, server)
    check(client.is_handshake_done())

    lonely, _ = over(*make_pair())
    handshake = lonely.handshake_async()
    lonely.close()
    check(is_io(await failure(handshake), Gio.IOErrorEnum.CLOSED))


async def over_a_class():
    # TLS in TLS.
    client, server = over(*over(*map(Slow, make_pair())))
    await handshake_both(client, server)
    written = client.write_bytes_all_async(bytes(20_000))
    check((await server.read_bytes_all_async(20_000)).get_data() == bytes(20_000))
    await written
    await part(client, server)

    # What the class raises is what the caller of TLS gets.
    client, _ = over(*map(Slow, make_pair()))
    client.get_master().broken = TimeoutError(110, "Not today")
    error = await failure(client.handshake_async())
    check(is_io(error, Gio.IOErrorEnum.TIMED_OUT) and "Not today" in error.message)


async def all_of_it():
    await verified()
    await cut()
    await another_name()
    await authorized()
    await accepted()
    await resumed()
    await limited()
    await over_a_class()
    return await in_common()


by_callbacks()
authorized_in_a_thread()
gone = Qio.run(all_of_it())
gc.collect()
check(gone() is None)
print("tls: ok")
