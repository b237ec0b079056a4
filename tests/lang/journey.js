// A journey through the library in GJS, with the same stages as the journeys in other languages in
// this folder. It is continued in waiting.js, subclass.js and network.js.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Qio from 'gi://Qio?version=1.0';

import {bytes, check, errorOf, isIo, makePair, text} from './common.js';

const O_RDONLY = 0, O_RDWR = 2, O_CREAT = 0o100;
const SEEK_SET = 0, SEEK_END = 2;

function files(directory) {
    const path = `${directory}/file`;
    const file = Qio.ChannelFile.new_path(path, O_RDWR | O_CREAT, 0o600);
    check(file.get_path() === path && file.path === path);
    check(file.has_feature(Qio.ChannelFeature.SEEKABLE));
    check(!file.has_feature(Qio.ChannelFeature.FD_PASS));
    file.write_bytes_all(bytes('hello'));
    check(file.io_seek(1, SEEK_SET) === 1);
    check(text(file.read_bytes(16)) === 'ello');

    // The end of the file.
    check(file.read_bytes(16).get_size() === 0);
    check(file.read_bytes_all_eof(1) === null);
    check(file.io_seek(-2, SEEK_END) === 3);
    const truncated = errorOf(() => file.read_bytes_all(3));
    check(truncated.matches(Qio.ChannelError, Qio.ChannelError.TRUNCATED));

    check(text(file.pread_bytes(3, 2)) === 'llo');
    check(file.pwrite_bytes(bytes('J'), 0) === 1);
    file.close();
    check(file.get_fd() === -1);
    check(isIo(errorOf(() => file.read_bytes(1)), Gio.IOErrorEnum.CLOSED));

    const missing = `${directory}/missing`;
    const error = errorOf(() => Qio.ChannelFile.new_path(missing, O_RDONLY, 0));
    check(isIo(error, Gio.IOErrorEnum.NOT_FOUND) && error.message.includes(missing));
    GLib.unlink(path);
}

function pair() {
    const [one, other] = makePair();
    one.set_blocking(false);

    // Nothing there.
    check(isIo(errorOf(() => one.read_bytes(16)), Gio.IOErrorEnum.WOULD_BLOCK));
    const late = errorOf(() => one.wait_timeout(GLib.IOCondition.IN, 1000));
    check(isIo(late, Gio.IOErrorEnum.TIMED_OUT));
    check(one.wait_timeout(GLib.IOCondition.OUT, -1) === GLib.IOCondition.OUT);

    check(other.write_bytes(bytes('abc')) === 3);
    check(text(one.read_bytes(16)) === 'abc');
    other.shutdown(Qio.ChannelShutdown.WRITE);
    check(one.read_bytes(16).get_size() === 0);
    one.close();
    other.close();
}

// Sends the write end of a pipe through a socket, and writes through what arrives.
function descriptors() {
    const [one, other] = makePair();
    const [reader, writer] = Qio.ChannelFile.new_pipe();
    const fds = Gio.UnixFDList.new();
    fds.append(writer.get_fd());
    check(one.write_bytes_with_fds(bytes('f'), fds, 0) === 1);
    let [data, arrived] = other.read_bytes_with_fds(10, 0);
    check(text(data) === 'f' && arrived.get_length() === 1);
    const again = Qio.ChannelFile.new_fd(arrived.get(0));
    again.write_bytes(bytes('x'));
    check(text(reader.read_bytes(1)) === 'x');
    again.close();

    one.write_bytes_with_fds_all(bytes('gh'), fds, 0);
    [data, arrived] = other.read_bytes_with_fds_all(2);
    check(text(data) === 'gh' && arrived.get_length() === 1);

    one.write_bytes_all(bytes('none'));
    [data, arrived] = other.read_bytes_with_fds(10, 0);
    check(text(data) === 'none' && arrived === null);
}

async function loopback() {
    const host = Gio.InetAddress.new_loopback(Gio.SocketFamily.IPV4);
    const listener = Qio.ChannelSocket.new();
    listener.listen_sync(Gio.InetSocketAddress.new(host, 0), 5);
    check(listener.has_feature(Qio.ChannelFeature.LISTEN));
    const address = listener.get_local_address();
    check(address.get_port() !== 0);

    listener.set_blocking(false);
    check(isIo(errorOf(() => listener.accept()), Gio.IOErrorEnum.WOULD_BLOCK));
    const client = new Qio.ChannelSocket();
    client.connect_sync(address);
    listener.wait(GLib.IOCondition.IN);
    const server = listener.accept();
    check(client.get_remote_address().get_port() === address.get_port());
    client.set_delay(false);
    client.write_bytes_all(bytes('ping'));
    check(text(server.read_bytes_all(4)) === 'ping');

    const accepted = listener.accept_async(GLib.PRIORITY_DEFAULT, null);
    const late = new Qio.ChannelSocket();
    late.connect_sync(address);
    check(await accepted instanceof Qio.ChannelSocket);

    listener.close();
    const error = errorOf(() => new Qio.ChannelSocket().connect_sync(address));
    check(isIo(error, Gio.IOErrorEnum.CONNECTION_REFUSED));
}

function properties() {
    const [one] = makePair();
    const notified = [];
    one.connect('notify', (_, pspec) => notified.push(pspec.name));
    one.name = 'first';
    one.blocking = false;
    check(one.get_name() === 'first' && !one.get_blocking());
    one.set_name('first');
    one.close();
    one.close();
    check(one.closed && !one.blocking);
    check(one.features === one.get_features());
    check(one.features & Qio.ChannelFeature.FD_PASS);
    const known = notified.filter(name => ['name', 'blocking', 'closed'].includes(name));
    check(known.join() === 'name,blocking,closed');
    one.set_name(null);
    check(one.get_name() === null);
}

function others() {
    const command = Qio.ChannelCommand.new_spawn(['cat'], O_RDWR);
    command.write_bytes_all(bytes('child'));
    check(text(command.read_bytes_all(5)) === 'child');
    check(command.get_exit_status()[0] === false);
    command.close();
    check(command.get_exit_status().join() === 'true,0');
    const script = ['sh', '-c', 'cat; echo err >&2; exit 3'];
    const both = Qio.ChannelCommand.new_full(script, null, null, O_RDWR, Qio.ChannelCommandStderr.PIPE);
    const [output, errors, status] = both.communicate(bytes('in'), -1);
    check(text(output) === 'in' && text(errors) === 'err\n' && status >> 8 === 3);
    check(both.get_stderr().read_bytes(1).get_size() === 0);

    const memory = Qio.ChannelBuffer.new(16);
    memory.write_bytes_all(bytes('memory'));
    check(text(memory.get_data()) === 'memory');
    const nothing = Qio.ChannelNull.new();
    check(nothing.write_bytes(bytes('void')) === 4);
    check(nothing.read_bytes(5).get_size() === 0);
}

const directory = GLib.dir_make_tmp('qio-journey-XXXXXX');
files(directory);
GLib.rmdir(directory);
pair();
descriptors();
await loopback();
properties();
others();
print('journey: ok');
