"""The network part of the journey in Python. For sockets of every kind see sockets.py."""

import os
import queue
import tempfile
import threading

from common import check, error_of, is_io, iterate_until, make_pair, raised_by
from gi.repository import Gio, GLib, Qio

PEEK = Qio.ChannelReadFlags.MSG_PEEK


def any_port():
    """Any port of the loopback interface."""
    return Gio.InetSocketAddress.new(Gio.InetAddress.new_loopback(Gio.SocketFamily.IPV4), 0)


def at(text):
    return Qio.NetAddress.new_from_string(text)


def activation():
    """What a service manager has opened: for another process, which is not for this one to take."""
    GLib.setenv("LISTEN_PID", "1", True)
    GLib.setenv("LISTEN_FDS", "1", True)
    check(Qio.activation_sockets() == [])
    check(Qio.NetListener().open_activated(None) == 0)
    Qio.activation_unset_environment()
    check(GLib.getenv("LISTEN_PID") is None and GLib.getenv("LISTEN_FDS") is None)


def addresses():
    """Addresses as people write them."""
    listener = at("tcp:127.0.0.1:0").listen_sync(5)
    bound = Qio.NetAddress.new_from_socket_address(listener.get_local_address())
    check(bound.get_scheme() == "tcp" and str(bound).startswith("tcp:127.0.0.1:"))
    check(bound.get_host() == "127.0.0.1" and at("unix:@name").get_host() is None)
    check(bound == at(bound.to_string()) and bound == bound.copy())
    client = bound.connect_sync()
    server = listener.accept()
    client.write_bytes_all(b"ping")
    Qio.run(peeking(server))

    check(isinstance(at("tcp:localhost:80").get_connectable(), Gio.NetworkAddress))
    error = error_of(at, "tcp:localhost:http")
    check(is_io(error, Gio.IOErrorEnum.INVALID_ARGUMENT))
    check("expected a port from 0 to 65535 at character 15" in error.message)


async def peeking(server):
    """What was only looked at is still there. TCP carries no descriptors: there is no list of them."""
    check(not server.has_feature(Qio.ChannelFeature.FD_PASS))
    data, fds = server.read_bytes_with_fds(10, PEEK)
    check(data.get_data() == b"ping" and fds is None)
    data, fds = await server.read_bytes_with_fds_async(10, PEEK)
    check(data.get_data() == b"ping" and fds is None)
    data, fds = server.read_bytes_with_fds_all(4)
    check(data.get_data() == b"ping" and fds is None)


async def connecting():
    listener = Qio.ChannelSocket()
    await listener.listen_async(Gio.NetworkAddress.new("127.0.0.1", 0), 5)
    name = Gio.NetworkAddress.new("127.0.0.1", listener.get_local_address().get_port())
    socket = Qio.ChannelSocket()
    progress = []
    socket.connect("connect-progress", lambda *what: progress.append(what))
    check(await socket.connect_async(name) is None)
    stage = Qio.ChannelConnectStage
    stages = [stage.RESOLVING, stage.RESOLVED, stage.CONNECTING, stage.CONNECTED, stage.COMPLETE]
    check([what[1] for what in progress] == stages)
    check(all(what[0] == socket and what[2] == name for what in progress))
    check(progress[-1][3].get_port() == name.get_port() and progress[0][3] is None)

    other = Qio.ChannelSocket()
    cancellable = Gio.Cancellable()
    attempt = other.connect_async(name, None, cancellable=cancellable)
    cancellable.cancel()
    check(is_io(await raised_by(attempt), Gio.IOErrorEnum.CANCELLED))
    listener.close()
    error = await raised_by(other.connect_async(name, Gio.SocketClient(timeout=60)))
    check(is_io(error, Gio.IOErrorEnum.CONNECTION_REFUSED))
    check(error.message.startswith("Unable to connect to 127.0.0.1:"))


async def connecting_again():
    """A server that listens later."""
    name = at(f"unix:@qio-again-{os.getpid()}")
    address = name.get_connectable()
    backoff = Qio.Backoff.new()
    backoff.set_attempts(3)
    backoff.set_delays(1, 20)
    check(backoff.get_delay(1) <= 1 and backoff.get_delay(100) <= 20)
    socket = Qio.ChannelSocket()
    error = error_of(socket.connect_with_backoff_sync, address, backoff, None)
    check(is_io(error, Gio.IOErrorEnum.CONNECTION_REFUSED))
    check(error.message.endswith("Connection refused (3 attempts)"))

    backoff.set_attempts(0)
    ends = []
    socket.connect("connect-progress", lambda *what: what[1] == Qio.ChannelConnectStage.COMPLETE and ends.append(what))
    attempt = socket.connect_with_backoff_async(address, backoff)
    iterate_until(lambda: len(ends) >= 2)
    listener = name.listen_sync(5)
    check(await attempt is None)
    check(len(ends) >= 3 and listener.accept() is not None)

    backoff.set_delays(1 << 31, 1 << 31)
    other, cancellable = Qio.ChannelSocket(), Gio.Cancellable()
    attempt = other.connect_with_backoff_async(address, backoff, cancellable=cancellable)
    cancellable.cancel()
    check(is_io(await raised_by(attempt), Gio.IOErrorEnum.CANCELLED))


async def listening():
    """Clients come to an asynchronous call, and to one that blocks."""
    listener = Qio.NetListener(name="service")
    port = listener.open_port(0, 5)
    check(port != 0 and listener.props.connected and listener.get_name() == "service")
    target = at(f"tcp:127.0.0.1:{port}")
    accepted = listener.accept_async()
    outside = [target.connect_sync()]
    inside = [await accepted]
    outside.append(target.connect_sync())
    inside.append(listener.wait_client())
    check(listener.props.clients == 2)
    for here, there in zip(outside, inside):
        await here.write_bytes_all_async(b"hello")
        check((await there.read_bytes_all_async(5)).get_data() == b"hello")

    # A pending accept is completed with the end. Signal handlers can be disconnected.
    handler = listener.connect("accept-error", lambda *what: check(False))
    ended = listener.accept_async()
    while GLib.MainContext.default().iteration(False):
        pass
    listener.disconnect(handler)
    listener.close()
    check(is_io(await raised_by(ended), Gio.IOErrorEnum.CLOSED))
    check(not listener.is_connected())


async def serving_on_a_pool():
    """Connections are served in two threads."""
    pool, listener, served = Qio.ContextPool.new(2), Qio.NetListener(), queue.Queue()
    check(pool.get_n_threads() == pool.props.n_threads == 2)
    check(pool.get_context(0) is not None and pool.get_context(2) is None)
    port = listener.open_port(0, 5)

    def greet(_listener, client, data):
        check(data == "data" and threading.current_thread() is not threading.main_thread())
        client.write_bytes_all(b"hello")
        served.put(client)

    listener.serve_on(pool, greet, "data")
    outside = [at(f"tcp:127.0.0.1:{port}").connect_sync() for _ in range(4)]
    for client in outside:
        check((await client.read_bytes_all_async(5)).get_data() == b"hello")
    ending = pool.shutdown_async(-1)
    for _ in outside:
        served.get().close()
    check(await ending == 0)
    check(is_io(error_of(listener.serve_on, pool, greet, "data"), Gio.IOErrorEnum.CLOSED))
    listener.close()


def limits():
    """A callback gets one client at a time."""
    listener = Qio.NetListener(max_clients=1)
    listener.open_sync(any_port(), 5)
    (address,) = listener.get_local_addresses()
    target = Qio.NetAddress.new_from_socket_address(address)
    clients = []
    listener.set_client_func(lambda *what: clients.append(what), "data")
    outside = [target.connect_sync() for _ in range(2)]
    iterate_until(lambda: clients)
    while GLib.MainContext.default().iteration(False):
        pass
    ((emitter, client, data),) = clients
    check(emitter is listener and data == "data" and listener.get_clients() == 1)
    client.close()
    iterate_until(lambda: len(clients) == 2)
    for channel in outside:
        channel.close()

    # On a private context: the default one has nothing to do with it.
    listener.set_max_clients(0)
    private = GLib.MainContext.new()
    listener.set_client_func(lambda *what: clients.append(what), None, private)
    outside.append(target.connect_sync())
    while GLib.MainContext.default().iteration(False):
        pass
    check(len(clients) == 2)
    iterate_until(lambda: len(clients) == 3, private)
    listener.set_client_func(None)
    listener.close()


async def several(directory):
    """Several addresses at once."""
    path = os.path.join(directory, "socket")
    listener = Qio.NetListener(replace_stale=True, path_mode=0o660)
    listener.set_path_owner(os.getuid(), os.getgid())
    stale = Gio.Socket.new(Gio.SocketFamily.UNIX, Gio.SocketType.STREAM, Gio.SocketProtocol.DEFAULT)
    stale.bind(Gio.UnixSocketAddress.new(path), False)
    check(await listener.open_async(Gio.UnixSocketAddress.new(path), 5) is None)
    check(os.stat(path).st_mode & 0o777 == 0o660)
    listener.open_address(at("tcp:127.0.0.1:0"), 5)
    own = at("tcp:127.0.0.1:0").listen_sync(5)
    listener.add(own)
    check(is_io(error_of(listener.add, own), Gio.IOErrorEnum.EXISTS))
    check(len(listener.get_local_addresses()) == 3)
    listener.close()
    check(own.is_closed() and not os.path.exists(path))

    # With reuse-port, listeners share a port.
    one, other = [Qio.NetListener(reuse_port=True) for _ in range(2)]
    port = one.open_port(0, 5)
    check(other.open_port(port, 5) == port)
    one.close()
    other.close()


async def moving():
    client, one = make_pair()
    other, server = make_pair()
    sent, received = Qio.ByteCounter.new(), Qio.ByteCounter.new()
    memory = Qio.ChannelBuffer.new(0)
    memory.write_bytes_all(b"question, and more")
    memory.io_seek(0, os.SEEK_SET)
    check(memory.splice_to(client, 8, sent) == 8)
    check(sent.get_count() == 8)
    client.shutdown(Qio.ChannelShutdown.WRITE)
    server.write_bytes_all(b"answer")
    server.shutdown(Qio.ChannelShutdown.WRITE)

    check(await one.relay_async(other, sent, received) is None)
    check((sent.get_count(), received.get_count()) == (16, 6))
    check(server.read_bytes_all(8).get_data() == b"question")
    check(client.read_bytes_all(6).get_data() == b"answer")
    check(one.relay(other, None, None) is None)

    error = await raised_by(memory.splice_to_async(server, -1, None))
    check(is_io(error, Gio.IOErrorEnum.BROKEN_PIPE))
    check(memory.io_seek(0, os.SEEK_CUR) == 8)
    check(await memory.splice_to_async(Qio.ChannelNull.new(), -1, None) == 10)


def closed_numbers():
    """A number that is not open is an error."""
    number = os.dup(0)
    os.close(number)
    adopting = [Qio.ChannelSocket().adopt_fd, Qio.ChannelFile().adopt_fd]
    for make in (Qio.Channel.new_fd, Qio.ChannelFile.new_fd, Qio.ChannelSocket.new_fd, *adopting):
        check(f"descriptor {number}: Bad file" in error_of(make, number).message)


activation()
addresses()
Qio.run(connecting())
Qio.run(connecting_again())
Qio.run(listening())
Qio.run(serving_on_a_pool())
limits()
with tempfile.TemporaryDirectory(prefix="qio-network-") as directory:
    Qio.run(several(directory))
Qio.run(moving())
closed_numbers()
print("network: ok")
