"""A listener in Python: each way to accept, and a class of its own."""

import gi

gi.require_version("Qio", "1.0")
from gi.repository import Gio, GLib, Qio

context = GLib.MainContext.default()


class Door(Qio.NetListener):
    """What callbacks were called with."""

    def __init__(self):
        super().__init__(max_clients=3)
        self.guests = []

    def on_client(self, listener, client, *data):
        assert listener is self
        self.guests.append((client, *data))


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


door = Door()
door.open_sync(Gio.NetworkAddress.new("localhost", 0), 5)
assert door.props.max_handshakes == 1024
assert door.is_connected() and door.props.connected and door.props.max_clients == 3
client = connect_to(door)
server = door.wait_client()
greet(client, server)
assert door.get_clients() == 1
server.close()
assert door.get_clients() == 0

door.set_client_func(door.on_client)
client = connect_to(door)
while not door.guests:
    context.iteration(True)
greet(client, door.guests[0][0])
door.set_client_func(None)

client = connect_to(door)
greet(client, wait_for(door.accept_async, door.accept_finish))

errors = []
door.connect("accept-error", lambda listener, error: errors.append(error))
door.emit("accept-error", GLib.Error("none", "g-io-error-quark", Gio.IOErrorEnum.FAILED))
assert errors[0].message == "none"

door.close()
assert not door.is_connected() and door.get_local_addresses() == []
try:
    door.wait_client()
    raise AssertionError("it is not open")
except GLib.Error as error:
    assert error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.NOT_CONNECTED)
wait_for(door.open_async, door.open_finish, Gio.NetworkAddress.new("localhost", 0), 5)
assert door.open_port(0, 5) != 0
assert Qio.activation_sockets() == []
print("listener: ok")
