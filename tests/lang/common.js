// What the parts of the journey in GJS share.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Qio from 'gi://Qio?version=1.0';
import System from 'system';

// Reports a condition that does not hold, and exits.
export function check(condition) {
    if (!condition)
        giveUp('does not hold');
}

function giveUp(what) {
    const place = new Error().stack.split('\n')[2].replace(/^.*@(file:\/\/)?/, '');
    printerr(`${place}: ${what}`);
    System.exit(1);
}

// The error that a call throws.
export function errorOf(call) {
    try {
        call();
    } catch (error) {
        return error;
    }
    giveUp('no error');
}

export async function rejectionOf(promise) {
    try {
        await promise;
    } catch (error) {
        return error;
    }
    giveUp('no error');
}

export function isIo(error, code) {
    return error.matches(Gio.IOErrorEnum, code);
}

export function bytes(text) {
    return new GLib.Bytes(new TextEncoder().encode(text));
}

export function text(gbytes) {
    return new TextDecoder().decode(gbytes.toArray());
}

export function iterateUntil(done, context = GLib.MainContext.default()) {
    while (!done())
        context.iteration(true);
}

export function makePair() {
    return Qio.ChannelSocket.new_pair();
}
