// The part of the journey in GJS that waits: watches, and asynchronous calls.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Qio from 'gi://Qio?version=1.0';

import {bytes, check, isIo, iterateUntil, makePair, rejectionOf, text} from './common.js';

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

    // A hang-up is reported, whatever condition was requested.
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

    // The read starts first, and waits.
    const read = one.read_bytes_all_async(5, usual, null);
    await other.write_bytes_all_async(hello, usual, null);
    check(text(await read) === 'hello');

    // A cancelled read loses no data.
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

watches();
await asynchronous();
print('waiting: ok');
