// GIO's own TLS over streams of channels, with ChannelTLS as the peer. QIO_TEST_PKI is a directory
// in QEMU's layout.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Qio from 'gi://Qio?version=1.0';
import System from 'system';

import {check, makePair} from './common.js';

const USUAL = GLib.PRIORITY_DEFAULT;
const DATA = new Uint8Array(1_000_000).map((_, i) => i % 250);

Gio._promisify(Gio.InputStream.prototype, 'read_bytes_async');
Gio._promisify(Gio.OutputStream.prototype, 'splice_async');

function path(name) {
    return GLib.build_filenamev([GLib.getenv('QIO_TEST_PKI'), name]);
}

function gioClient(channel) {
    const client = Gio.TlsClientConnection.new(Qio.IOStream.new(channel), Gio.NetworkAddress.new('localhost', 443));
    client.set_database(Gio.TlsFileDatabase.new(path('ca-cert.pem')));
    return client;
}

function gioServer(channel) {
    const certificate = Gio.TlsCertificate.new_from_files(path('server-cert.pem'), path('server-key.pem'));
    return Gio.TlsServerConnection.new(Qio.IOStream.new(channel), certificate);
}

function qioClient(channel) {
    const builder = Qio.TlsCredsBuilder.new(Qio.TlsEndpoint.CLIENT);
    builder.add_trust_file(path('ca-cert.pem'));
    return Qio.IOStream.new(Qio.ChannelTLS.new_client(channel, builder.build(), 'localhost'));
}

function qioServer(channel) {
    const builder = Qio.TlsCredsBuilder.new(Qio.TlsEndpoint.SERVER);
    builder.set_certificate_files(path('server-cert.pem'), path('server-key.pem'));
    return Qio.IOStream.new(Qio.ChannelTLS.new_server(channel, builder.build()));
}

function write(stream) {
    const source = Gio.MemoryInputStream.new_from_bytes(new GLib.Bytes(DATA));
    return stream.get_output_stream().splice_async(source, Gio.OutputStreamSpliceFlags.NONE, USUAL, null);
}

async function read(stream) {
    const received = new Uint8Array(DATA.length);
    for (let length = 0; length < received.length;) {
        const data = await stream.get_input_stream().read_bytes_async(100_000, USUAL, null);
        check(data.get_size() > 0);
        received.set(data.toArray(), length);
        length += data.get_size();
    }
    return received;
}

// By its class: a connection of glib-networking has the methods of Gio.DtlsConnection as well.
function close(stream) {
    const {close_async: begin, close_finish: finish} = Gio.IOStream.prototype;
    return new Promise((resolve, reject) => begin.call(stream, USUAL, null, (_, result) => {
        try {
            resolve(finish.call(stream, result));
        } catch (error) {
            reject(error);
        }
    }));
}

async function exchange(makeClient, makeServer) {
    const [here, there] = makePair();
    const ends = [makeClient(here), makeServer(there)];
    const [sent, received] = await Promise.all([
        Promise.all(ends.map(write)), Promise.all(ends.map(read)),
    ]);
    check(sent.every(count => count === DATA.length));
    check(received.every(data => data.every((byte, i) => byte === DATA[i])));
    // The end of the stream is close_notify.
    await close(ends[0]);
    check(here.is_closed());
    const rest = await ends[1].get_input_stream().read_bytes_async(1, USUAL, null);
    check(rest.get_size() === 0);
}

async function journey() {
    await exchange(gioClient, gioServer);
    await exchange(gioClient, qioServer);
    await exchange(qioClient, gioServer);
}

const loop = new GLib.MainLoop(null, false);
let failure = null;
journey().catch(error => {
    failure = error;
}).finally(() => loop.quit());
loop.run();
if (failure !== null) {
    logError(failure);
    System.exit(1);
}
print('gio_tls: ok');
