// A listener in GJS: each way to accept, and a class in GJS.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Qio from 'gi://Qio?version=1.0';
import System from 'system';

const Listener = GObject.registerClass(class Listener extends Qio.NetListener {});

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
const service = new Listener({max_clients: 3});
service.open_sync(name, 5);
check(service.max_handshakes === 1024);
check(service.is_connected() && service.connected && service.max_clients === 3);
let client = connectTo(service);
const server = service.wait_client();
greet(client, server);
check(service.clients === 1);
server.close();
check(service.clients === 0);

let accepted = null;
service.set_client_func((listener, arrived) => {
    check(listener === service);
    accepted = arrived;
}, null);
client = connectTo(service);
while (!accepted)
    GLib.MainContext.default().iteration(true);
greet(client, accepted);
service.set_client_func(null, null);

client = connectTo(service);
greet(client, await service.accept_async(GLib.PRIORITY_DEFAULT, null));

service.close();
check(!service.is_connected());
await service.open_async(name, 5, GLib.PRIORITY_DEFAULT, null);
const own = new Qio.ChannelSocket();
await own.listen_async(name, 5, GLib.PRIORITY_DEFAULT, null);
service.add(own);
check(service.get_local_addresses().length >= 2);
check(Qio.activation_sockets().length === 0);
print('listener: ok');
