// The network part of the journey in GJS.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Qio from 'gi://Qio?version=1.0';

import {bytes, check, errorOf, isIo, iterateUntil, makePair, rejectionOf, text} from './common.js';

const SEEK_SET = 0, SEEK_CUR = 1;
const PEEK = Qio.ChannelReadFlags.MSG_PEEK;
const usual = GLib.PRIORITY_DEFAULT;

// Any port of the loopback interface.
function anyPort() {
    const host = Gio.InetAddress.new_loopback(Gio.SocketFamily.IPV4);
    return Gio.InetSocketAddress.new(host, 0);
}

function at(address) {
    return Qio.NetAddress.new_from_string(address);
}

function runAll() {
    while (GLib.MainContext.default().iteration(false))
        ;
}

// What a service manager has opened: for another process, which is not for this one to take.
function activation() {
    GLib.setenv('LISTEN_PID', '1', true);
    GLib.setenv('LISTEN_FDS', '1', true);
    check(Qio.activation_sockets().length === 0);
    check(new Qio.NetListener().open_activated(null) === 0);
    Qio.activation_unset_environment();
    check(GLib.getenv('LISTEN_PID') === null && GLib.getenv('LISTEN_FDS') === null);
}

// Addresses as people write them.
async function addresses() {
    const listener = at('tcp:127.0.0.1:0').listen_sync(5);
    const bound = Qio.NetAddress.new_from_socket_address(listener.get_local_address());
    check(bound.get_scheme() === 'tcp' && bound.to_string().startsWith('tcp:127.0.0.1:'));
    check(bound.get_host() === '127.0.0.1' && at('unix:@name').get_host() === null);
    check(bound.equal(at(bound.to_string())) && bound.equal(bound.copy()));
    const client = bound.connect_sync();
    const server = listener.accept();

    // What was only looked at is still there. TCP carries no descriptors: there is no list of them.
    client.write_bytes_all(bytes('ping'));
    check(!server.has_feature(Qio.ChannelFeature.FD_PASS));
    let [data, fds] = server.read_bytes_with_fds(10, PEEK);
    check(text(data) === 'ping' && fds === null);
    [data, fds] = await server.read_bytes_with_fds_async(10, PEEK, usual, null);
    check(text(data) === 'ping' && fds === null);
    check(text(server.read_bytes_all(4)) === 'ping');

    check(at('tcp:localhost:80').get_connectable() instanceof Gio.NetworkAddress);
    const error = errorOf(() => at('tcp:localhost:http'));
    check(isIo(error, Gio.IOErrorEnum.INVALID_ARGUMENT));
    check(error.message.includes('expected a port from 0 to 65535 at character 15'));
}

async function connecting() {
    const listener = new Qio.ChannelSocket();
    await listener.listen_async(Gio.NetworkAddress.new('127.0.0.1', 0), 5, usual, null);
    const name = Gio.NetworkAddress.new('127.0.0.1', listener.get_local_address().get_port());
    const socket = new Qio.ChannelSocket();
    const progress = [];
    socket.connect('connect-progress', (channel, stage, connectable, address) => {
        check(channel === socket && connectable === name);
        progress.push([stage, address]);
    });
    check(await socket.connect_async(name, null, usual, null) === undefined);
    const {RESOLVING, RESOLVED, CONNECTING, CONNECTED, COMPLETE} = Qio.ChannelConnectStage;
    const stages = [RESOLVING, RESOLVED, CONNECTING, CONNECTED, COMPLETE];
    check(progress.map(what => what[0]).join() === stages.join());
    check(progress[4][1].get_port() === name.get_port() && progress[0][1] === null);

    const other = new Qio.ChannelSocket();
    const cancellable = new Gio.Cancellable();
    const cancelled = other.connect_async(name, null, usual, cancellable);
    cancellable.cancel();
    check(isIo(await rejectionOf(cancelled), Gio.IOErrorEnum.CANCELLED));
    listener.close();
    const client = new Gio.SocketClient({timeout: 60});
    const error = await rejectionOf(other.connect_async(name, client, usual, null));
    check(isIo(error, Gio.IOErrorEnum.CONNECTION_REFUSED));
    check(error.message.startsWith('Unable to connect to 127.0.0.1:'));
}

// A server that listens later.
async function connectingAgain() {
    const name = at(`unix:@qio-again-${GLib.uuid_string_random()}`);
    const address = name.get_connectable();
    const backoff = Qio.Backoff.new();
    backoff.set_attempts(3);
    backoff.set_delays(1, 20);
    const socket = new Qio.ChannelSocket();
    const error = await rejectionOf(socket.connect_with_backoff_async(address, backoff, null, usual, null));
    check(isIo(error, Gio.IOErrorEnum.CONNECTION_REFUSED));
    check(error.message.endsWith('Connection refused (3 attempts)'));

    backoff.set_attempts(0);
    let failures = 0;
    socket.connect('connect-progress', (channel, stage) => {
        failures += stage === Qio.ChannelConnectStage.COMPLETE;
    });
    const connected = socket.connect_with_backoff_async(address, backoff, null, usual, null);
    iterateUntil(() => failures >= 2);
    const listener = name.listen_sync(5);
    check(await connected === undefined);
    check(listener.accept() instanceof Qio.ChannelSocket);
}

// Clients come to an asynchronous call, and to one that blocks.
async function listening() {
    const listener = new Qio.NetListener({name: 'service'});
    const port = listener.open_port(0, 5);
    check(port !== 0 && listener.connected && listener.get_name() === 'service');
    const target = at(`tcp:127.0.0.1:${port}`);
    const accepted = listener.accept_async(usual, null);
    const outside = [target.connect_sync()];
    const inside = [await accepted];
    outside.push(target.connect_sync());
    inside.push(listener.wait_client());
    check(listener.clients === 2);
    for (const number of [0, 1]) {
        outside[number].write_bytes_all(bytes('hello'));
        check(text(await inside[number].read_bytes_all_async(5, usual, null)) === 'hello');
    }

    // A pending accept is completed with the end. Signal handlers can be disconnected.
    const handler = listener.connect('accept-error', () => check(false));
    const ended = listener.accept_async(usual, null);
    runAll();
    listener.disconnect(handler);
    listener.close();
    check(isIo(await rejectionOf(ended), Gio.IOErrorEnum.CLOSED));
    check(!listener.is_connected());
}

// A callback gets one client at a time.
function limits() {
    const listener = new Qio.NetListener({max_clients: 1});
    listener.open_sync(anyPort(), 5);
    const [address] = listener.get_local_addresses();
    const target = Qio.NetAddress.new_from_socket_address(address);
    const clients = [];
    const serve = (emitter, client) => {
        check(emitter === listener);
        clients.push(client);
    };
    listener.set_client_func(serve, null);
    const outside = [target.connect_sync(), target.connect_sync()];
    iterateUntil(() => clients.length);
    runAll();
    check(clients.length === 1 && listener.get_clients() === 1);
    clients[0].close();
    iterateUntil(() => clients.length === 2);
    outside.forEach(channel => channel.close());

    // On a private context: the default one has nothing to do with it.
    listener.set_max_clients(0);
    const own = GLib.MainContext.new();
    listener.set_client_func(serve, own);
    outside.push(target.connect_sync());
    runAll();
    check(clients.length === 2);
    iterateUntil(() => clients.length === 3, own);
    listener.set_client_func(null, null);
    listener.close();
}

// Several addresses at once.
async function several() {
    const directory = GLib.dir_make_tmp('qio-network-XXXXXX');
    const path = `${directory}/socket`;
    const address = Gio.UnixSocketAddress.new(path);
    const listener = new Qio.NetListener({replace_stale: true, path_mode: 0o660});
    const stale = Gio.Socket.new(Gio.SocketFamily.UNIX, Gio.SocketType.STREAM, Gio.SocketProtocol.DEFAULT);
    stale.bind(address, false);
    check(await listener.open_async(address, 5, usual, null) === undefined);
    const info = Gio.File.new_for_path(path).query_info('unix::mode', Gio.FileQueryInfoFlags.NONE, null);
    check((info.get_attribute_uint32('unix::mode') & 0o777) === 0o660);
    listener.open_address(at('tcp:127.0.0.1:0'), 5);
    const own = at('tcp:127.0.0.1:0').listen_sync(5);
    listener.add(own);
    check(isIo(errorOf(() => listener.add(own)), Gio.IOErrorEnum.EXISTS));
    check(listener.get_local_addresses().length === 3);
    listener.close();
    check(own.is_closed() && GLib.rmdir(directory) === 0);

    // With reuse-port, listeners share a port.
    const sharing = [new Qio.NetListener({reuse_port: true}), new Qio.NetListener({reuse_port: true})];
    const port = sharing[0].open_port(0, 5);
    check(sharing[1].open_port(port, 5) === port);
    sharing.forEach(one => one.close());
}

async function datagrams() {
    const server = new Qio.ChannelSocket();
    server.dgram_sync(anyPort(), null);
    const client = new Qio.ChannelSocket();
    await client.dgram_async(anyPort(), server.get_local_address(), usual, null);
    check(client.socket_type === Gio.SocketType.DATAGRAM);
    check(client.write_bytes(bytes('question')) === 8);
    check(server.get_next_message_size() === 8);
    const [data, sender] = server.receive_from(64);
    check(text(data) === 'question');
    check(sender.get_port() === client.get_local_address().get_port());
    check(server.send_to(bytes('answer'), sender) === 6);
    check(text(client.read_bytes(64)) === 'answer');
    client.write_bytes(bytes('too long'));
    check(isIo(errorOf(() => server.read_bytes(2)), Gio.IOErrorEnum.MESSAGE_TOO_LARGE));
}

// Packets, and peer credentials.
function packets() {
    const {SEQPACKET} = Gio.SocketType;
    const [one, other] = Qio.ChannelSocket.new_pair_of_type(SEQPACKET);
    check(one.get_socket_type() === SEQPACKET);
    one.write_bytes(bytes('ab'));
    one.write_bytes(bytes('c'));
    check(text(other.read_bytes(9)) === 'ab' && text(other.read_bytes(9)) === 'c');
    const [pid, uid] = one.get_peer_credentials();
    const own = new Gio.Credentials();
    check(pid === own.get_unix_pid() && uid === own.get_unix_user());
    check(one.get_credentials().get_unix_pid() === pid);
    check(new Qio.ChannelSocket({socket_type: SEQPACKET}).socket_type === SEQPACKET);
}

// Options, and writes without a copy.
async function options() {
    const listener = at('tcp:127.0.0.1:0').listen_sync(5);
    const client = new Qio.ChannelSocket();
    client.connect_sync(listener.get_local_address());
    const server = listener.accept();
    client.keep_alive = true;
    check(client.get_keep_alive() === 1);
    client.set_user_timeout(1234);
    check(client.user_timeout === 1234);
    client.send_buffer_size = 100000;
    check(client.get_send_buffer_size() >= 100000);
    const refused = errorOf(() => client.set_keep_alive_count(1000));
    check(isIo(refused, Gio.IOErrorEnum.INVALID_ARGUMENT) && refused.message.includes('TCP_KEEPCNT'));

    const long = 'z'.repeat(50000);
    client.write_bytes_with_fds_all(bytes(long), null, Qio.ChannelWriteFlags.ZERO_COPY);
    check(text(server.read_bytes_all(50000)) === long);
    // The peer is on this machine: all was copied.
    check(await client.flush_async(usual, null) === 1 && client.flush() === 0);
}

async function moving() {
    const [client, one] = makePair();
    const [other, server] = makePair();
    const [sent, received] = [Qio.ByteCounter.new(), Qio.ByteCounter.new()];
    const memory = Qio.ChannelBuffer.new(0);
    memory.write_bytes_all(bytes('question, and more'));
    memory.io_seek(0, SEEK_SET);
    check(memory.splice_to(client, 8, sent) === 8);
    check(sent.get_count() === 8);
    client.shutdown(Qio.ChannelShutdown.WRITE);
    server.write_bytes_all(bytes('answer'));
    server.shutdown(Qio.ChannelShutdown.WRITE);

    check(await one.relay_async(other, sent, received, usual, null) === undefined);
    check(sent.get_count() === 16 && received.get_count() === 6);
    check(text(server.read_bytes_all(8)) === 'question');
    check(text(client.read_bytes_all(6)) === 'answer');
    check(one.relay(other, null, null) === undefined);

    const broken = await rejectionOf(memory.splice_to_async(server, -1, null, usual, null));
    check(isIo(broken, Gio.IOErrorEnum.BROKEN_PIPE));
    check(memory.io_seek(0, SEEK_CUR) === 8);
    check(await memory.splice_to_async(Qio.ChannelNull.new(), -1, null, usual, null) === 10);
}

// A number that is not open is an error.
function closedNumbers() {
    const file = Qio.ChannelFile.new_pipe()[0];
    const number = file.get_fd();
    file.close();
    for (const one of [Qio.Channel, Qio.ChannelFile, Qio.ChannelSocket])
        check(errorOf(() => one.new_fd(number)).message.includes(`descriptor ${number}: Bad file`));
}

activation();
await addresses();
await connecting();
await connectingAgain();
await listening();
limits();
await several();
await datagrams();
packets();
await options();
await moving();
closedNumbers();
print('network: ok');
