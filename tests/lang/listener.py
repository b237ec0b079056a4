"""A listener in Python: each way to accept, and a class in Python."""

import gi

gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, Qio

context = GLib.MainContext.default()


class Listener(Qio.NetListener):
    """What callbacks were called with."""

    def __init__(self):
        super().__init__(max_clients=3)
        self.accepted = []

    def on_client(self, listener, client, *data):
        assert listener is self
        self.accepted.append((client, *data))


def connect_to(listener):
    client = Qio.ChannelSocket()
    client.connect_sync(listener.get_local_addresses()[0])
    return client


def greet(client, server):
    client.write_bytes_all(b"ping")
    assert server.read_bytes_all(4).get_data() == b"ping"


def wait_for(start, finish, *arguments):
    results = []
    start(*arguments, GLib.PRIORITY_DEFAULT, None, lambda _, result: results.append(result))
    while not results:
        context.iteration(True)
    return finish(results[0])


service = Listener()
service.open_sync(Gio.NetworkAddress.new("localhost", 0), 5)
assert service.props.max_handshakes == 1024
assert service.is_connected() and service.props.connected and service.props.max_clients == 3
client = connect_to(service)
server = service.wait_client()
greet(client, server)
assert service.get_clients() == 1
server.close()
assert service.get_clients() == 0

service.set_client_func(service.on_client)
client = connect_to(service)
while not service.accepted:
    context.iteration(True)
greet(client, service.accepted[0][0])
service.set_client_func(None)

client = connect_to(service)
greet(client, wait_for(service.accept_async, service.accept_finish))

errors = []
service.connect("accept-error", lambda listener, error: errors.append(error))
service.emit("accept-error", GLib.Error("none", "g-io-error-quark", Gio.IOErrorEnum.FAILED))
assert errors[0].message == "none"

service.close()
assert not service.is_connected() and service.get_local_addresses() == []
try:
    service.wait_client()
    raise AssertionError("it is not open")
except GLib.Error as error:
    assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.NOT_CONNECTED)
wait_for(service.open_async, service.open_finish, Gio.NetworkAddress.new("localhost", 0), 5)
assert service.open_port(0, 5) != 0
assert Qio.activation_sockets() == []
service.close()


async def accepts():
    """Until the listener is closed, by a client too."""
    with Qio.NetListener() as listener:
        listener.open_sync(Gio.NetworkAddress.new("localhost", 0), 5)
        clients = [connect_to(listener) for _ in range(3)]
        count = 0
        async for server in listener:
            server.write_bytes_all(b"x")
            count += 1
            if count == 3:
                listener.close()
        assert all(client.read_bytes_all(1).get_data() == b"x" for client in clients)
        listener.open_sync(Gio.NetworkAddress.new("localhost", 0), 5)
        assert listener.is_connected()
    assert not listener.is_connected()
    # While it waits.
    listener.open_sync(Gio.NetworkAddress.new("localhost", 0), 5)
    GLib.idle_add(listener.close)
    async for server in listener:
        raise AssertionError("no client connects")


Qio.run(accepts())
print("listener: ok")
