// What data/gjs/overrides/Qio.js adds for GJS.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Qio from 'gi://Qio?version=1.0';

import {bytes, check, isIo, iterateUntil, makePair, rejectionOf, text} from './common.js';

const decoder = new TextDecoder();

async function everyAsynchronousMethodReturnsAPromise() {
    const [one, other] = makePair();
    // Priority and cancellable are optional.
    const read = one.read_bytes_async(100);
    check(read instanceof Promise);
    check(await other.write_bytes_async(bytes('hello')) === 5);
    check(text(await read) === 'hello');
    other.write_bytes_all(bytes('more'));
    check(text(await one.read_bytes_async(2, GLib.PRIORITY_HIGH)) === 'mo');
    const [data, fds] = await one.read_bytes_with_fds_async(100, 0, GLib.PRIORITY_DEFAULT, null);
    check(text(data) === 're' && fds === null);
    const listener = new Qio.NetListener();
    check(await listener.open_async(Gio.NetworkAddress.new('localhost', 0), 5) === undefined);
    const [address] = listener.get_local_addresses();
    const client = new Qio.ChannelSocket();
    const accepted = listener.accept_async();
    await client.connect_async(address, null);
    check(await accepted instanceof Qio.ChannelSocket);
    listener.close();

    // Rejected with the error; cancelled without loss.
    const cancellable = new Gio.Cancellable();
    const cancelled = one.read_bytes_async(1, GLib.PRIORITY_DEFAULT, cancellable);
    cancellable.cancel();
    check(isIo(await rejectionOf(cancelled), Gio.IOErrorEnum.CANCELLED));
    await other.close_async();
    const truncated = await rejectionOf(one.read_bytes_all_async(1));
    check(truncated.matches(Qio.ChannelError, Qio.ChannelError.TRUNCATED));
    check(await rejectionOf(one.read_bytes_async()) instanceof Error);
}

function everyPairIsPromisified() {
    let count = 0;
    for (const name of Object.keys(Qio)) {
        const prototype = Qio[name]?.prototype;
        for (const method of prototype ? Object.getOwnPropertyNames(prototype) : []) {
            if (method.endsWith('_async') && !method.startsWith('_')) {
                check(prototype[`_original_${method}`] !== undefined);
                count++;
            }
        }
    }
    check(count > 20);
    // A program may do it too.
    Gio._promisify(Qio.Channel.prototype, 'read_bytes_async', 'read_bytes_finish');
}

function callbacksWorkAsEver() {
    const [one, other] = makePair();
    let received = null;
    const usual = GLib.PRIORITY_DEFAULT;
    check(one.read_bytes_async(10, usual, null, (source, result) => {
        received = source.read_bytes_finish(result);
    }) === undefined);
    other.write_bytes(bytes('x'));
    iterateUntil(() => received);
    check(text(received) === 'x');
}

async function linesAreIterated() {
    const [one, other] = makePair();
    other.write_bytes_all(bytes('one\r\ntwo\n\nbody\nlast'));
    const taken = [];
    for await (const line of one.lines(100)) {
        taken.push(decoder.decode(line));
        if (line.length === 0)
            break;
    }
    check(taken.join() === 'one,two,');
    // What follows is left to the next reader, also of another kind.
    check(text(one.read_bytes_all(2)) === 'bo');
    for (const line of one.lines()) {
        check(decoder.decode(line) === 'dy');
        break;
    }
    other.close();
    const rest = [];
    for await (const line of one.lines())
        rest.push(decoder.decode(line));
    check(rest.join() === 'last');
    check([...one.lines()].length === 0);
}

async function anIteratorThatIsReturnedFromCancels() {
    const [one, other] = makePair();
    const iterator = one.lines(100)[Symbol.asyncIterator]();
    const pending = iterator.next();
    check((await iterator.return()).done);
    check((await pending).done && (await iterator.next()).done);
    // Nothing is lost.
    await other.write_bytes_all_async(bytes('kept\n'));
    check(text(await one.read_line_async(100)) === 'kept');

    const failing = one.lines(3)[Symbol.asyncIterator]();
    other.write_bytes_all(bytes('longer\n'));
    check(isIo(await rejectionOf(failing.next()), Gio.IOErrorEnum.MESSAGE_TOO_LARGE));
}

async function listenersAreIterated() {
    const listener = new Qio.NetListener();
    listener.open_sync(Gio.NetworkAddress.new('localhost', 0), 5);
    const [address] = listener.get_local_addresses();
    const outside = [1, 2, 3].map(() => {
        const client = new Qio.ChannelSocket();
        client.connect_sync(address);
        return client;
    });
    let count = 0;
    for await (const client of listener) {
        client.write_bytes_all(bytes('x'));
        if (++count === 2)
            break;
    }
    for await (const client of listener) {
        client.write_bytes_all(bytes('x'));
        count++;
        listener.close();
    }
    check(count === 3);
    for (const client of outside)
        check(text(client.read_bytes_all(1)) === 'x');
    // Closed while it waits.
    listener.open_sync(Gio.NetworkAddress.new('localhost', 0), 5);
    const pending = listener[Symbol.asyncIterator]().next();
    listener.close();
    check((await pending).done);
}

await everyAsynchronousMethodReturnsAPromise();
everyPairIsPromisified();
callbacksWorkAsEver();
await linesAreIterated();
await anIteratorThatIsReturnedFromCancels();
await listenersAreIterated();
print('promises: ok');
