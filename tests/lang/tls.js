// TLS in GJS: over sockets, and over a class in GJS. QIO_TEST_PKI is a directory in QEMU's layout.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import Qio from 'gi://Qio?version=1.0';
import System from 'system';

import {bytes, check, errorOf, isIo, makePair, rejectionOf, text} from './common.js';

const {CLIENT, SERVER} = Qio.TlsEndpoint;
const USUAL = GLib.PRIORITY_DEFAULT;
const PKI = GLib.getenv('QIO_TEST_PKI');

function path(name) {
    return GLib.build_filenamev([PKI, name]);
}

function pem(name) {
    return GLib.file_get_contents(path(name))[1];
}

function make(endpoint, configure) {
    const builder = Qio.TlsCredsBuilder.new(endpoint);
    configure(builder);
    return builder.build();
}

// Both ends, over whatever they are given.
function over(here, there, mine = clientCreds, theirs = serverCreds, name = 'localhost') {
    return [Qio.ChannelTLS.new_client(here, mine, name), Qio.ChannelTLS.new_server(there, theirs)];
}

function handshakeBoth(...ends) {
    return Promise.all(ends.map(end => end.handshake_async(USUAL, null)));
}

// The result of a handshake at each end: none, or an error.
function outcomes(...ends) {
    return Promise.all(ends.map(end => end.handshake_async(USUAL, null).then(() => null, error => error)));
}

function isTls(error, code) {
    return error.matches(Gio.TlsError, code);
}

// Sends close_notify at one end, which is the end of what the other one reads.
async function part(one, other) {
    const [, rest] = await Promise.all([one.bye_async(USUAL, null), other.read_bytes_async(1, USUAL, null)]);
    check(rest.get_size() === 0);
}

async function credentials() {
    check(clientCreds.get_endpoint() === CLIENT && clientCreds.endpoint === CLIENT);
    check(clientCreds.verifies_peer && serverCreds.get_endpoint() === SERVER && !serverCreds.verifies_peer);

    const missing = errorOf(() => make(SERVER, builder => builder.set_directory('/nowhere')));
    check(isIo(missing, Gio.IOErrorEnum.NOT_FOUND) && missing.message.includes('/nowhere'));
    const nothing = errorOf(() => make(CLIENT, builder => builder.add_trust_pem(bytes('nothing'))));
    check(isTls(nothing, Gio.TlsError.BAD_CERTIFICATE));

    // The password callback is called, and freed with the last of the builders.
    const locked = path('locked.pem');
    const lock = `openssl pkey -aes256 -passout pass:sesame -in ${path('server-key.pem')} -out ${locked}`;
    check(GLib.spawn_check_wait_status(GLib.spawn_command_line_sync(lock)[3]));
    const builder = Qio.TlsCredsBuilder.new(SERVER);
    builder.set_certificate_files(path('server-cert.pem'), locked);
    const answers = ['sesame', null];
    const calls = [];
    builder.set_password_func(what => {
        calls.push(what);
        if (!answers.length)
            throw new Error('no idea');
        return answers.shift();
    });
    System.gc();
    check(builder.build().endpoint === SERVER);
    const wrong = errorOf(() => builder.copy().build());
    check(isTls(wrong, Gio.TlsError.BAD_CERTIFICATE_PASSWORD));
    // A callback that throws returns no password.
    const none = await tolerating(() => errorOf(() => builder.build()));
    check(isTls(none, Gio.TlsError.BAD_CERTIFICATE_PASSWORD));
    check(calls.length === 3 && calls.every(what => what === locked));
}

// GJS reports an exception of a callback by a critical warning, which is not fatal here.
async function tolerating(call) {
    const before = GLib.log_set_always_fatal(GLib.LogLevelFlags.LEVEL_ERROR);
    const result = await call();
    GLib.log_set_always_fatal(before);
    return result;
}

async function verified() {
    const [client, server] = over(...makePair());
    let emissions = 0;
    client.connect('notify::handshake-done', () => emissions++);
    check(!client.handshake_done && client.cipher === null);
    check(client.protocol_version === Gio.TlsProtocolVersion.UNKNOWN);
    await handshakeBoth(client, server);
    check(emissions === 1);
    for (const end of [client, server]) {
        check(end.handshake_done && end.is_handshake_done() && !end.resumed && !end.is_resumed());
        check(end.protocol_version === Gio.TlsProtocolVersion.TLS_1_3);
        check(end.cipher.startsWith('TLS_') && end.get_cipher() === end.cipher);
        check(end.alpn_protocol === 'echo');
    }
    check(client.hostname === 'localhost' && server.hostname === 'localhost');
    check(client.creds === clientCreds && client.master instanceof Qio.ChannelSocket);
    check(client.peer_certificate instanceof Gio.TlsCertificate && server.peer_certificate === null);
    const expected = Gio.TlsCertificate.new_from_file(path('server-cert.pem'));
    check(client.get_peer_certificate().is_same(expected));

    await client.write_bytes_all_async(bytes('question'), USUAL, null);
    check(text(await server.read_bytes_all_async(8, USUAL, null)) === 'question');
    client.update_keys(true);
    const many = new GLib.Bytes(new Uint8Array(300000).map((_, i) => i / 3));
    const written = server.write_bytes_all_async(many, USUAL, null);
    check((await client.read_bytes_all_async(300000, USUAL, null)).equal(many));
    await written;
    await part(client, server);
    await part(server, client);
    client.close();
    server.close();
}

// An end without close_notify may be caused by an attacker.
async function cut() {
    const [client, server] = over(...makePair());
    await handshakeBoth(client, server);
    server.master.close();
    check(isTls(await rejectionOf(client.read_bytes_async(1, USUAL, null)), Gio.TlsError.EOF));
    const [rest] = client.read_bytes_with_fds(1, Qio.ChannelReadFlags.RELAXED_EOF);
    check(rest.get_size() === 0);
    client.require_close_notify = false;
    check((await client.read_bytes_async(1, USUAL, null)).get_size() === 0);
}

async function anotherName() {
    const [client, server] = over(...makePair(), clientCreds, serverCreds, 'example.org');
    const [error, theirs] = await outcomes(client, server);
    check(isTls(error, Gio.TlsError.BAD_CERTIFICATE));
    check(error.message.startsWith('Unable to perform the TLS handshake with example.org: '));
    check(isTls(theirs, Gio.TlsError.HANDSHAKE) && !client.handshake_done);
    // It is still worth looking at.
    check(client.peer_certificate !== null);
    check(errorOf(() => client.read_bytes(1)).message === error.message);
}

// authorize-peer handlers decide about a verified certificate.
async function authorized() {
    const required = make(SERVER, builder => {
        builder.set_directory(PKI);
        builder.set_client_certificates(Gio.TlsAuthenticationMode.REQUIRED);
    });
    const known = make(CLIENT, builder => builder.set_directory(PKI));
    check(required.verifies_peer);
    let [client, server] = over(...makePair(), known, required);
    const seen = [];
    for (const end of [client, server]) {
        end.connect('authorize-peer', (channel, certificate) => {
            check(channel === end && !end.handshake_done);
            // From the end's own to an authority.
            check(certificate.issuer !== null);
            seen.push(certificate.subject_name);
            return true;
        });
    }
    await handshakeBoth(client, server);
    check(seen.length === 2 && seen.some(name => name.includes('alice')));
    check(server.peer_certificate.subject_name.includes('alice'));
    check(client.peer_certificate.issuer.issuer !== null);

    // A handler that returns false, or anything but true, is final: no further handler is called.
    const answers = {
        no: () => false,
        nothing: () => undefined,
        thrown: () => {
            throw new Error('on purpose');
        },
    };
    for (const answer of Object.values(answers)) {
        [client, server] = over(...makePair(), known, required);
        server.connect('authorize-peer', () => true);
        server.connect('authorize-peer', answer);
        server.connect('authorize-peer', () => check(false));
        const [, error] = await tolerating(() => outcomes(client, server));
        check(isTls(error, Gio.TlsError.BAD_CERTIFICATE) && error.message.endsWith('rejected by authorize-peer handler'));
        check(!server.handshake_done);
        check(errorOf(() => server.write_bytes(bytes('x'))).message === error.message);
    }
    // A handler may close the channel.
    [client, server] = over(...makePair(), known, required);
    server.connect('authorize-peer', () => {
        server.close();
        return true;
    });
    const [, error] = await outcomes(client, server);
    check(isIo(error, Gio.IOErrorEnum.CLOSED) && server.is_closed());
}

// A certificate that does not verify is data, and up to a handler.
async function accepted() {
    for (const answer of [true, false]) {
        const [client, server] = over(...makePair(), clientCreds, serverCreds, 'example.org');
        let seen = null;
        client.connect('accept-certificate', (_, certificate, errors) => {
            seen = [certificate, errors];
            return answer;
        });
        const [error] = await outcomes(client, server);
        check((error === null) === answer && client.handshake_done === answer);
        check(seen[1] === Gio.TlsCertificateFlags.BAD_IDENTITY && client.peer_certificate_errors === seen[1]);
        check(client.get_peer_certificate_errors() === seen[1] && client.peer_certificate.is_same(seen[0]));
    }
}

// A pre-shared key authenticates both ends.
async function inCommon() {
    const key = bytes('sixteen bytes...');
    const lines = [];
    const psk = (endpoint, name, version) => make(endpoint, builder => {
        builder.add_psk(name, key);
        builder.set_max_version(version);
        builder.set_key_log_func(line => lines.push(line));
    });
    for (const version of [Gio.TlsProtocolVersion.TLS_1_2, Gio.TlsProtocolVersion.TLS_1_3]) {
        const mine = psk(CLIENT, 'alice', version);
        const theirs = psk(SERVER, 'alice', version);
        check(!mine.verifies_peer);
        const ends = over(...makePair(), mine, theirs, null);
        await handshakeBoth(...ends);
        check(ends.every(end => end.protocol_version === version && end.peer_certificate === null));
        await part(...ends);

        const [error] = await outcomes(...over(...makePair(), psk(CLIENT, 'mallory', version), theirs, null));
        check(isTls(error, Gio.TlsError.HANDSHAKE));
    }
    check(lines.length > 2 && lines.some(line => line.startsWith('CLIENT_RANDOM ')));
}

async function resumed() {
    const mine = make(CLIENT, builder => builder.add_trust_file(path('ca-cert.pem')));
    const theirs = make(SERVER, builder => builder.set_directory(PKI));
    for (const again of [false, true]) {
        const [client, server] = over(...makePair(), mine, theirs);
        const calls = [];
        client.connect('authorize-peer', (_, certificate) => calls.push(certificate) > 0);
        await handshakeBoth(client, server);
        check(client.resumed === again && server.is_resumed() === again);
        check(calls.length === 1 && client.peer_certificate !== null);
        // The session ticket arrives with the data.
        server.write_bytes_all(bytes('x'));
        check(text(await client.read_bytes_all_async(1, USUAL, null)) === 'x');
        await part(client, server);
    }
}

// A deadline is a cancellable. The next call continues with the rest, which ends when the channel
// is closed.
async function limited() {
    const [client, server] = over(...makePair());
    const cancellable = new Gio.Cancellable();
    GLib.timeout_add(USUAL, 10, () => {
        cancellable.cancel();
        return GLib.SOURCE_REMOVE;
    });
    check(isIo(await rejectionOf(client.handshake_async(USUAL, cancellable)), Gio.IOErrorEnum.CANCELLED));
    await handshakeBoth(client, server);
    check(client.handshake_done);

    const [lonely] = over(...makePair());
    const handshake = lonely.handshake_async(USUAL, null);
    lonely.close();
    check(isIo(await rejectionOf(handshake), Gio.IOErrorEnum.CLOSED));
}

// Passes everything on, a few bytes at a time, and waits by a watch alone.
const Slow = GObject.registerClass(class Slow extends Qio.Channel {
    constructor(below) {
        super();
        this._below = below;
        this.broken = null;
    }

    vfunc_io_write_bytes(data, _fds, _flags) {
        return this._below.write_bytes(new GLib.Bytes(data.toArray().subarray(0, 100)));
    }

    vfunc_io_read_bytes(count, _flags) {
        if (this.broken)
            throw this.broken;
        return [this._below.read_bytes(Math.min(count, 70)), null];
    }

    vfunc_io_set_blocking(enabled) {
        this._below.set_blocking(enabled);
        return 0;
    }

    vfunc_io_create_watch(condition) {
        return this._below.create_fd_watch(this._below.get_fd(), condition);
    }

    vfunc_io_close() {
        this._below.close();
        return 0;
    }
});

// While GJS collects garbage, no method of a class can be called, not even to send close_notify:
// all channels are closed.
async function overAClass() {
    const slow = () => makePair().map(end => new Slow(end));
    const [client, server] = over(...slow());
    await handshakeBoth(client, server);
    const many = new GLib.Bytes(new Uint8Array(50000).map((_, i) => i / 3));
    const written = client.write_bytes_all_async(many, USUAL, null);
    check((await server.read_bytes_all_async(50000, USUAL, null)).equal(many));
    await written;
    await part(client, server);
    client.close();
    server.close();

    // TLS in TLS, over the class.
    const [inner, other] = over(...over(...slow()));
    await handshakeBoth(inner, other);
    inner.write_bytes_all(bytes('inside'));
    check(text(await other.read_bytes_all_async(6, USUAL, null)) === 'inside');
    await part(inner, other);
    inner.close();
    other.close();

    // What the class throws is what the caller of TLS gets.
    const [lonely, silent] = over(...slow());
    lonely.master.broken = new Gio.IOErrorEnum({code: Gio.IOErrorEnum.HOST_UNREACHABLE, message: 'Not today'});
    const error = errorOf(() => lonely.handshake());
    check(isIo(error, Gio.IOErrorEnum.HOST_UNREACHABLE) && error.message.endsWith(': Not today'));
    lonely.close();
    silent.close();
}

const clientCreds = make(CLIENT, builder => {
    builder.add_trust_pem(pem('ca-cert.pem'));
    builder.set_alpn_protocols(['other', 'echo']);
});
const serverCreds = make(SERVER, builder => {
    builder.set_certificate_pem(pem('server-cert.pem'), pem('server-key.pem'));
    builder.set_alpn_protocols(['echo']);
});
await credentials();
await verified();
await cut();
await anotherName();
await authorized();
await accepted();
await inCommon();
await resumed();
await limited();
await overAClass();
print('tls: ok');
