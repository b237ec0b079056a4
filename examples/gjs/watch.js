// Shows what a TCP server sends, with a watch on the main loop, until it has no more.
//
//   gjs -m examples/gjs/watch.js HOST:PORT
//
// With QIO_MONITOR=listen in its environment, qio top shows its channels.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Qio from 'gi://Qio?version=1.0';
import System from 'system';

const loop = new GLib.MainLoop(null, false);

function show(channel, _condition) {
    let data;
    try {
        data = channel.read_bytes(4096).toArray();
    } catch (error) {
        if (error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.WOULD_BLOCK))
            return GLib.SOURCE_CONTINUE; // nothing there after all
        printerr(`watch: ${error.message}`);
        loop.quit();
        return GLib.SOURCE_REMOVE;
    }
    if (!data.length) {
        print('watch: end');
        loop.quit();
        return GLib.SOURCE_REMOVE;
    }
    print(`watch: ${data.length} bytes: ${new TextDecoder().decode(data).trimEnd()}`);
    return GLib.SOURCE_CONTINUE;
}

if (System.programArgs.length !== 1) {
    printerr('usage: watch.js HOST:PORT');
    System.exit(2);
}
const channel = new Qio.ChannelSocket();
try {
    channel.connect_sync(Gio.NetworkAddress.parse(System.programArgs[0], 7));
    channel.set_blocking(false);
} catch (error) {
    printerr(`watch: ${error.message}`);
    System.exit(1);
}
channel.add_watch(GLib.IOCondition.IN, show, null);
loop.run();
channel.close();
