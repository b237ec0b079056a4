// The part of the journey in GJS with classes in GJS: valid ones, and invalid ones.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Qio from 'gi://Qio?version=1.0';

import {bytes, check, errorOf, isIo, iterateUntil, makePair, text} from './common.js';

const SEEK_SET = 0;

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

// Derived from the class of files: reads return capital letters.
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

// Derived from the class of sockets: counts the transferred bytes.
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

// Returns the invalid results that the test configures.
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

    // The base class reports what it does not implement.
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

    // A source of another kind calls the callback nevertheless, and a missing source is reported.
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

await derivedFromAbstract();
await derivedFromConcrete();
wrongClasses();
print('subclass: ok');
