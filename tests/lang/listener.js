// A listener in GJS: each way to accept, and a class of its own.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Qio from 'gi://Qio?version=1.0';
import System from 'system';

for (const name of ['open', 'accept'])
    Gio._promisify(Qio.NetListener.prototype, `${name}_async`, `${name}_finish`);
Gio._promisify(Qio.ChannelSocket.prototype, 'listen_async', 'listen_finish');

const Door = GObject.registerClass(class Door extends Qio.NetListener {});

function check(condition) {
    if (condition)
        return;
    printerr(new Error('does not hold').stack);
    System.exit(1);
}

function connectTo(listener) {
    const client = new Qio.ChannelSocket();
    client.connect_sync(listener.get_local_addresses()[0]);
    return client;
}

function greet(client, server) {
    client.write_bytes_all(new TextEncoder().encode('ping'));
    check(new TextDecoder().decode(server.read_bytes_all(4).toArray()) === 'ping');
}

const name = Gio.NetworkAddress.new('localhost', 0);
const door = new Door({max_clients: 3});
door.open_sync(name, 5);
check(door.max_handshakes === 1024);
check(door.is_connected() && door.connected && door.max_clients === 3);
let client = connectTo(door);
const server = door.wait_client();
greet(client, server);
check(door.clients === 1);
server.close();
check(door.clients === 0);

let guest = null;
door.set_client_func((listener, arrived) => {
    check(listener === door);
    guest = arrived;
}, null);
client = connectTo(door);
while (!guest)
    GLib.MainContext.default().iteration(true);
greet(client, guest);
door.set_client_func(null, null);

client = connectTo(door);
greet(client, await door.accept_async(GLib.PRIORITY_DEFAULT, null));

door.close();
check(!door.is_connected());
await door.open_async(name, 5, GLib.PRIORITY_DEFAULT, null);
const own = new Qio.ChannelSocket();
await own.listen_async(name, 5, GLib.PRIORITY_DEFAULT, null);
door.add(own);
check(door.get_local_addresses().length >= 2);
check(Qio.activation_sockets().length === 0);
print('listener: ok');
