// The part of the journey in GJS with lines, frames, and channels as streams of GIO.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Qio from 'gi://Qio?version=1.0';

import {bytes, check, errorOf, isIo, makePair, text} from './common.js';

Gio._promisify(Gio.DataInputStream.prototype, 'read_line_async', 'read_line_finish_utf8');
Gio._promisify(Gio.IOStream.prototype, 'close_async', 'close_finish');

const {U32_BE, NETSTRING} = Qio.ChannelFraming;
const encoder = new TextEncoder();

function items() {
    const [one, other] = makePair();
    other.write_bytes_all(bytes('one\r\ntwo;body'));
    check(text(one.read_line(100)) === 'one');
    check(text(one.read_until(encoder.encode(';,'), 100)) === 'two;');
    // What was read ahead goes to the next reader.
    check(text(one.read_bytes_all(4)) === 'body');
    one.push_back(bytes('pushed back\n'));
    check(text(one.read_line(100)) === 'pushed back');
    other.write_frame(U32_BE, bytes('a frame'));
    other.write_frame(NETSTRING, bytes('net'));
    check(text(one.read_frame(U32_BE, 100)) === 'a frame');
    check(text(one.read_frame(NETSTRING, 100)) === 'net');
    other.write_bytes_all(bytes('too long\n'));
    check(isIo(errorOf(() => one.read_line(3)), Gio.IOErrorEnum.MESSAGE_TOO_LARGE));
    other.close();
    check(text(one.read_to_end(100)) === 'too long\n');
    check(one.read_line(100) === null);
}

async function itemsAsynchronously() {
    const [one, other] = makePair();
    const usual = GLib.PRIORITY_DEFAULT;
    await other.write_frame_async(U32_BE, bytes('frame'), usual, null);
    other.write_bytes_all(bytes('line\nfield;rest'));
    check(text(await one.read_frame_async(U32_BE, 100, usual, null)) === 'frame');
    check(text(await one.read_line_async(100, usual, null)) === 'line');
    check(text(await one.read_until_async(encoder.encode(';'), 100, usual, null)) === 'field;');
    other.close();
    check(text(await one.read_to_end_async(100, usual, null)) === 'rest');
    check(await one.read_line_async(100, usual, null) === null);
}

async function streams() {
    const [one, other] = makePair();
    const stream = Qio.IOStream.new(one);
    check(stream.channel === one && stream.get_channel() === one);
    const input = stream.get_input_stream();
    check(input.can_poll() && !input.is_readable());
    const lines = Gio.DataInputStream.new(input);
    new Qio.IOStream({channel: other}).get_output_stream().write_all('one\ntwo\n', null);
    check(lines.read_line_utf8(null)[0] === 'one');
    const [line] = await lines.read_line_async(GLib.PRIORITY_DEFAULT, null);
    check(line === 'two');
    check(!other.is_closed());
    await stream.close_async(GLib.PRIORITY_DEFAULT, null);
    check(one.is_closed());
}

items();
await itemsAsynchronously();
await streams();
print('streams: ok');
