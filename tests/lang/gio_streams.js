// The part of the journey in GJS with streams of GIO as channels.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Qio from 'gi://Qio?version=1.0';

import {bytes, check, errorOf, isIo, makePair, text} from './common.js';

async function memory() {
    const input = Gio.MemoryInputStream.new_from_bytes(bytes('content'));
    const output = Gio.MemoryOutputStream.new_resizable();
    const channel = Qio.ChannelIOStream.new_pair(input, output);
    check(channel.input_stream === input && channel.get_output_stream() === output);
    check(channel.io_stream === null);
    check(text(await channel.read_to_end_async(100, GLib.PRIORITY_DEFAULT, null)) === 'content');
    await channel.write_bytes_all_async(bytes('written'), GLib.PRIORITY_DEFAULT, null);
    await channel.close_async(GLib.PRIORITY_DEFAULT, null);
    check(text(output.steal_as_bytes()) === 'written');
    check(isIo(errorOf(() => Qio.ChannelIOStream.new_pair(null, null)),
        Gio.IOErrorEnum.INVALID_ARGUMENT));
}

async function file() {
    const [target, stream] = Gio.File.new_tmp(null);
    const channel = Qio.ChannelIOStream.new(stream);
    await channel.write_bytes_all_async(bytes('in a thread'), GLib.PRIORITY_DEFAULT, null);
    await channel.close_async(GLib.PRIORITY_DEFAULT, null);
    const reader = Qio.ChannelIOStream.new_pair(target.read(null), null);
    check(text(await reader.read_to_end_async(100, GLib.PRIORITY_DEFAULT, null)) === 'in a thread');
    target.delete(null);
}

async function processOfGio() {
    const flags = Gio.SubprocessFlags.STDIN_PIPE | Gio.SubprocessFlags.STDOUT_PIPE;
    const cat = Gio.Subprocess.new(['cat'], flags);
    const channel = Qio.ChannelIOStream.new_pair(cat.get_stdout_pipe(), cat.get_stdin_pipe());
    await channel.write_bytes_all_async(bytes('through a pipe'), GLib.PRIORITY_DEFAULT, null);
    channel.shutdown(Qio.ChannelShutdown.WRITE);
    check(text(await channel.read_to_end_async(100, GLib.PRIORITY_DEFAULT, null)) === 'through a pipe');
}

function connections() {
    const [one, other] = makePair();
    const connection = one.to_connection();
    connection.get_output_stream().write_all('ping', null);
    check(text(other.read_bytes_all(4)) === 'ping');
    check(Qio.Channel.for_stream(connection) instanceof Qio.ChannelSocket);
    check(Qio.ChannelSocket.new_from_connection(connection) instanceof Qio.ChannelSocket);
    check(Qio.Channel.for_stream(Qio.IOStream.new(other)) === other);
}

await memory();
await file();
await processOfGio();
connections();
print('gio_streams: ok');
