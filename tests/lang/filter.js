// A layer in GJS: a counter, over TLS and under TLS. QIO_TEST_PKI is a directory in QEMU's layout.

import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Qio from 'gi://Qio?version=1.0';

import {bytes, check, makePair, text} from './common.js';

const Counter = GObject.registerClass(class Counter extends Qio.ChannelFilter {
    _init(base) {
        super._init({base_channel: base});
        this.received = 0;
        this.sent = 0;
    }

    vfunc_io_read_bytes(count, flags) {
        const [data, fds] = super.vfunc_io_read_bytes(count, flags);
        this.received += data.get_size();
        return [data, fds];
    }

    vfunc_io_write_bytes(data, fds, flags) {
        const count = super.vfunc_io_write_bytes(data, fds, flags);
        this.sent += count;
        return count;
    }
});

function pem(name) {
    return GLib.file_get_contents(GLib.build_filenamev([GLib.getenv('QIO_TEST_PKI'), name]))[1];
}

function tls(here, there) {
    const {CLIENT, SERVER} = Qio.TlsEndpoint;
    const client = Qio.TlsCredsBuilder.new(CLIENT);
    client.add_trust_pem(pem('ca-cert.pem'));
    const server = Qio.TlsCredsBuilder.new(SERVER);
    server.set_certificate_pem(pem('server-cert.pem'), pem('server-key.pem'));
    return [
        Qio.ChannelTLS.new_client(here, client.build(), 'localhost'),
        Qio.ChannelTLS.new_server(there, server.build()),
    ];
}

// Sends data in both directions.
async function transfer(one, other) {
    const usual = GLib.PRIORITY_DEFAULT;
    const data = 'x'.repeat(20000);
    for (const [writer, reader] of [[one, other], [other, one]]) {
        const written = writer.write_bytes_all_async(bytes(data), usual, null);
        const read = await reader.read_bytes_all_async(data.length, usual, null);
        await written;
        check(text(read) === data);
    }
}

async function overAndUnder() {
    let [one, other] = makePair();
    let counter = new Counter(one);
    check(counter.base_channel === one && counter.get_base_channel() === one);
    counter.set_blocking(false);
    await transfer(counter, other);
    check(counter.sent === 20000 && counter.received === 20000);

    [one, other] = makePair();
    const [client, server] = tls(one, other);
    counter = new Counter(client);
    counter.set_blocking(false);
    await transfer(counter, server);
    check(counter.sent === 20000 && counter.received === 20000);

    [one, other] = makePair();
    counter = new Counter(one);
    const ends = tls(counter, other);
    await transfer(...ends);
    check(counter.sent > 20000 && counter.received > 20000);
    // GJS calls no function of a class while it collects garbage, nor in another thread.
    ends.forEach(end => end.close());
}

await overAndUnder();
print('filter: ok');
