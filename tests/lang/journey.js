// A journey through the library in GJS. Its stages are those of the other journeys of this folder.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Qio from 'gi://Qio?version=1.0';
import System from 'system';

const O_RDONLY = 0, O_RDWR = 2, O_CREAT = 0o100;
const SEEK_SET = 0, SEEK_END = 2;

for (const name of ['read_bytes', 'read_bytes_with_fds', 'read_bytes_all', 'read_bytes_all_eof',
    'write_bytes_all', 'ready', 'close'])
    Gio._promisify(Qio.Channel.prototype, `${name}_async`, `${name}_finish`);
Gio._promisify(Qio.ChannelSocket.prototype, 'accept_async', 'accept_finish');

// Says where a condition does not hold, and gives up.
function check(condition) {
    if (!condition)
        giveUp('does not hold');
}

function giveUp(what) {
    const place = new Error().stack.split('\n')[2].replace(/^.*@(file:\/\/)?/, '');
    printerr(`${place}: ${what}`);
    System.exit(1);
}

// The error that a call throws.
function errorOf(call) {
    try {
        call();
    } catch (error) {
        return error;
    }
    giveUp('no error');
}

async function rejectionOf(promise) {
    try {
        await promise;
    } catch (error) {
        return error;
    }
    giveUp('no error');
}

function isIo(error, code) {
    return error.matches(Gio.IOErrorEnum, code);
}

function bytes(text) {
    return new GLib.Bytes(new TextEncoder().encode(text));
}

function text(gbytes) {
    return new TextDecoder().decode(gbytes.toArray());
}

function iterateUntil(done, context = GLib.MainContext.default()) {
    while (!done())
        context.iteration(true);
}

function makePair() {
    return Qio.ChannelSocket.new_pair();
}

// Derived from the abstract class: what is written to it can be read from it.
const Echo = GObject.registerClass(class Echo extends Qio.Channel {
    constructor(properties) {
        super(properties);
        this._held = [];
        // Readable while something is held: what a reader waits for.
        [this._bell, this._ringer] = Qio.ChannelFile.new_pipe();
    }

    vfunc_io_write_bytes(data, _fds, _flags) {
        if (!this._held.length)
            this._ringer.write_bytes(bytes('!'));
        this._held.push(...data.toArray());
        return data.get_size();
    }

    vfunc_io_read_bytes(count, _flags) {
        if (!this._held.length) {
            throw new Gio.IOErrorEnum({
                code: Gio.IOErrorEnum.WOULD_BLOCK,
                message: 'Nothing is held',
            });
        }
        const taken = this._held.splice(0, count);
        if (!this._held.length)
            this._bell.read_bytes(1);
        return [new GLib.Bytes(Uint8Array.from(taken)), null];
    }

    vfunc_io_set_blocking(_enabled) {
        return 0;
    }

    vfunc_io_close() {
        this._bell.close();
        this._ringer.close();
        return 0;
    }

    vfunc_io_wait_fd(condition) {
        if (condition & GLib.IOCondition.OUT)
            return [Qio.CHANNEL_WAIT_NOW, 0];
        return [this._bell.get_fd(), GLib.IOCondition.IN];
    }
});

// Derived from the class of files: what is read comes in capitals.
const Upper = GObject.registerClass(class Upper extends Qio.ChannelFile {
    vfunc_io_read_bytes(count, flags) {
        const [data, fds] = super.vfunc_io_read_bytes(count, flags);
        return [bytes(text(data).toUpperCase()), fds];
    }

    vfunc_io_close() {
        this.closes = (this.closes ?? 0) + 1;
        return super.vfunc_io_close();
    }
});

// Derived from the class of sockets: counts what goes through it.
const Counter = GObject.registerClass(class Counter extends Qio.ChannelSocket {
    sent = 0;
    received = 0;

    vfunc_io_write_bytes(data, fds, flags) {
        const count = super.vfunc_io_write_bytes(data, fds, flags);
        this.sent += count;
        return count;
    }

    vfunc_io_read_bytes(count, flags) {
        const [data, fds] = super.vfunc_io_read_bytes(count, flags);
        this.received += data.get_size();
        return [data, fds];
    }
});

// Does what its owner tells it, which is wrong.
const Wrong = GObject.registerClass(class Wrong extends Qio.Channel {
    vfunc_io_set_blocking(_enabled) {
        throw new TypeError('no mode');
    }

    vfunc_io_read_bytes(count, _flags) {
        return [this.read(count), null];
    }

    vfunc_io_create_watch(_condition) {
        return this.watch();
    }
});

function wrong(methods) {
    return Object.assign(new Wrong(), methods);
}

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

function watches() {
    const [one, other] = makePair();
    other.write_bytes_all(bytes('w'));
    let calls = [];
    const note = (channel, condition) => {
        calls.push([channel, condition]);
        return GLib.SOURCE_REMOVE;
    };

    check(one.add_watch(GLib.IOCondition.IN, note, null) !== 0);
    iterateUntil(() => calls.length);
    check(calls[0][0] === one && calls[0][1] === GLib.IOCondition.IN);

    // On a private context: the default one has nothing to do with it.
    calls = [];
    const own = GLib.MainContext.new();
    let source = one.create_watch(GLib.IOCondition.IN, note);
    source.attach(own);
    while (GLib.MainContext.default().iteration(false))
        ;
    check(!calls.length);
    iterateUntil(() => calls.length, own);
    check(calls[0][0] === one && calls[0][1] === GLib.IOCondition.IN);
    check(source.is_destroyed());

    // A source that is taken back.
    calls = [];
    source = one.create_watch(GLib.IOCondition.IN, note);
    source.attach(own);
    source.destroy();
    check(!own.iteration(false) && !calls.length);

    // A hang-up is told, whatever was asked for.
    one.read_bytes_all(1);
    other.close();
    one.add_watch(GLib.IOCondition.IN, note, null);
    iterateUntil(() => calls.length);
    check(calls[0][1] & GLib.IOCondition.HUP);
}

async function asynchronous() {
    const [one, other] = makePair();
    const hello = bytes('hello');
    const usual = GLib.PRIORITY_DEFAULT;

    // The read comes first, and waits.
    const read = one.read_bytes_all_async(5, usual, null);
    await other.write_bytes_all_async(hello, usual, null);
    check(text(await read) === 'hello');

    // A read that somebody cancels loses no data.
    const cancellable = new Gio.Cancellable();
    const cancelled = one.read_bytes_async(5, usual, cancellable);
    cancellable.cancel();
    check(isIo(await rejectionOf(cancelled), Gio.IOErrorEnum.CANCELLED));
    other.write_bytes_all(hello);
    check(await one.ready_async(GLib.IOCondition.IN, usual, null) === GLib.IOCondition.IN);
    check(text(await one.read_bytes_async(2, usual, null)) === 'he');
    const [data, fds] = await one.read_bytes_with_fds_async(2, 0, usual, null);
    check(text(data) === 'll' && fds === null);

    // The end, in the middle and at the start.
    other.shutdown(Qio.ChannelShutdown.WRITE);
    const truncated = await rejectionOf(one.read_bytes_all_async(10, usual, null));
    check(truncated.matches(Qio.ChannelError, Qio.ChannelError.TRUNCATED));
    check(await one.read_bytes_all_eof_async(10, usual, null) === null);
    await one.close_async(usual, null);
    check(one.is_closed());
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

    const memory = Qio.ChannelBuffer.new(16);
    memory.write_bytes_all(bytes('memory'));
    check(text(memory.get_data()) === 'memory');
    const nothing = Qio.ChannelNull.new();
    check(nothing.write_bytes(bytes('void')) === 4);
    check(nothing.read_bytes(5).get_size() === 0);
}

async function derivedFromAbstract() {
    check(errorOf(() => new Qio.Channel()));
    const echo = new Echo({name: 'echo'});
    check(isIo(errorOf(() => echo.read_bytes(1)), Gio.IOErrorEnum.WOULD_BLOCK));
    echo.write_bytes_all(bytes('abcde'));
    check(text(echo.read_bytes_all(5)) === 'abcde');

    // One small method is enough to wait by a watch, and asynchronously.
    const calls = [];
    const note = (_channel, condition) => {
        calls.push(condition);
        return GLib.SOURCE_REMOVE;
    };
    echo.add_watch(GLib.IOCondition.IN, note, null);
    echo.add_watch(GLib.IOCondition.OUT, note, null);
    iterateUntil(() => calls.length);
    check(calls.length === 1 && calls[0] === GLib.IOCondition.OUT);
    echo.write_bytes(bytes('x'));
    iterateUntil(() => calls.length > 1);
    check(calls[1] === GLib.IOCondition.IN);
    check(text(echo.read_bytes(8)) === 'x');

    const read = echo.read_bytes_all_async(8, GLib.PRIORITY_DEFAULT, null);
    echo.write_bytes_all(bytes('by bytes'));
    check(text(await read) === 'by bytes');

    // What it does not do, the base class says.
    check(isIo(errorOf(() => echo.io_seek(0, SEEK_SET)), Gio.IOErrorEnum.NOT_SUPPORTED));
    echo.set_cork(true);
    echo.close();
    check(isIo(errorOf(() => echo.write_bytes(bytes('x'))), Gio.IOErrorEnum.CLOSED));
}

async function derivedFromConcrete() {
    const [one, other] = makePair();
    const fds = Gio.UnixFDList.new();
    const [reader, writer] = Qio.ChannelFile.new_pipe();

    // A list is how GJS duplicates a descriptor.
    const upper = new Upper();
    upper.adopt_fd(fds.get(fds.append(reader.get_fd())));
    writer.write_bytes_all(bytes('abcdef'));
    check(text(upper.read_bytes_all(3)) === 'ABC');
    check(text(upper.read_bytes(10)) === 'DEF');
    upper.close();
    upper.close();
    check(upper.closes === 1);

    const counter = new Counter();
    counter.adopt_fd(fds.get(fds.append(other.get_fd())));
    counter.write_bytes_all(bytes('four'));
    check(text(one.read_bytes_all(4)) === 'four');
    one.write_bytes_all(bytes('xyz'));
    check(text(await counter.read_bytes_all_async(3, GLib.PRIORITY_DEFAULT, null)) === 'xyz');
    check(counter.sent === 4 && counter.received === 3);
}

function wrongClasses() {
    // An error is the caller's, of GLib or not.
    const denied = errorOf(() => wrong({
        read() {
            throw new Gio.IOErrorEnum({
                code: Gio.IOErrorEnum.PERMISSION_DENIED,
                message: 'Not today',
            });
        },
    }).read_bytes(1));
    check(isIo(denied, Gio.IOErrorEnum.PERMISSION_DENIED) && denied.message === 'Not today');

    const plain = errorOf(() => wrong({
        read() {
            throw new TypeError('no idea');
        },
    }).read_bytes(1));
    check(plain instanceof TypeError && plain.message === 'no idea');

    // Also where nothing but a status is returned.
    const status = errorOf(() => wrong({}).set_blocking(false));
    check(status instanceof TypeError && status.message === 'no mode');

    // No result, and too much of it.
    const none = errorOf(() => wrong({read: () => null}).read_bytes(1));
    check(isIo(none, Gio.IOErrorEnum.FAILED));
    const more = errorOf(() => wrong({read: count => bytes('x'.repeat(count + 1))}).read_bytes(1));
    check(isIo(more, Gio.IOErrorEnum.FAILED));

    // A watch of a descriptor, in place of one of the channel's own.
    let calls = [];
    const note = (channel, condition) => {
        calls.push([channel, condition]);
        return GLib.SOURCE_REMOVE;
    };
    const [reader, writer] = Qio.ChannelFile.new_pipe();
    writer.write_bytes(bytes('x'));
    const piped = wrong({
        watch() {
            return this.create_fd_watch(reader.get_fd(), GLib.IOCondition.IN);
        },
    });
    piped.add_watch(GLib.IOCondition.IN, note, null);
    iterateUntil(() => calls.length);
    check(calls[0][0] === piped && calls[0][1] === GLib.IOCondition.IN);

    // A source of another kind calls the callback nevertheless, and no source at all says so.
    calls = [];
    const timer = wrong({watch: () => GLib.timeout_source_new(1)});
    timer.add_watch(GLib.IOCondition.IN, note, null);
    iterateUntil(() => calls.length);
    check(calls[0][0] === timer && calls[0][1] === GLib.IOCondition.IN);
    calls = [];
    const broken = wrong({watch: () => null});
    broken.add_watch(GLib.IOCondition.IN, note, null);
    iterateUntil(() => calls.length);
    check(calls[0][0] === broken && calls[0][1] === GLib.IOCondition.NVAL);
}

const directory = GLib.dir_make_tmp('qio-journey-XXXXXX');
files(directory);
GLib.rmdir(directory);
pair();
descriptors();
await loopback();
watches();
await asynchronous();
properties();
others();
await derivedFromAbstract();
await derivedFromConcrete();
wrongClasses();
print('journey: ok');
