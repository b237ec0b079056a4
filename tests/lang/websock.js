// WebSockets in GJS: servers and clients over pairs of sockets.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Qio from 'gi://Qio?version=1.0';

import {bytes, check, errorOf, isIo, makePair, rejectionOf, text} from './common.js';

const {TEXT, BINARY} = Qio.WebsockMessageKind;
const USUAL = GLib.PRIORITY_DEFAULT;
const URI = 'ws://example.org/chat?topic=1';

function make(configure) {
    const builder = Qio.WebsockOptionsBuilder.new();
    configure(builder);
    return builder.build();
}

function chatting(builder) {
    builder.add_protocol('chat.v2');
    builder.add_protocol('chat.v1');
    builder.add_header('X-Token', 'a b');
}

function makeEnds(mine = null, theirs = null) {
    const [here, there] = makePair();
    return [Qio.ChannelWebsock.new_client(here, URI, mine), Qio.ChannelWebsock.new_server(there, theirs)];
}

function openBoth(...ends) {
    return Promise.all(ends.map(end => end.handshake_async(USUAL, null)));
}

function isWebsock(error, code) {
    return error.matches(Qio.WebsockError, code);
}

function receive(end) {
    return end.receive_async(USUAL, null);
}

function options() {
    const builder = Qio.WebsockOptionsBuilder.new();
    builder.set_origins(['https://example.org']);
    builder.set_max_message_size(3);
    const copy = builder.copy();
    builder.set_path('nowhere');
    const error = errorOf(() => builder.build());
    check(isIo(error, Gio.IOErrorEnum.INVALID_ARGUMENT) && error.message.includes('nowhere'));
    const [client, server] = makeEnds(null, copy.build());
    check(server.max_message_size === 3 && client.get_max_message_size() === 16 * 1024 * 1024);
}

async function messages() {
    const [client, server] = makeEnds(make(chatting), make(chatting));
    let emissions = 0;
    client.connect('notify::handshake-done', () => emissions++);
    check(!client.handshake_done && client.protocol === null);
    await openBoth(client, server);
    check(emissions === 1);
    for (const end of [client, server])
        check(end.handshake_done && end.protocol === 'chat.v2' && end.get_protocol() === 'chat.v2');
    check(client.is_client && !server.is_client && client.uri === URI && server.uri === null);
    check(client.master instanceof Qio.ChannelSocket && client.options !== null);
    check(server.list_request_headers().includes('X-Token: a b'));
    check(client.get_response_header('x-token') === 'a b');

    for (const [kind, data] of [[TEXT, bytes('hé')], [BINARY, new GLib.Bytes(new Uint8Array(100000))]]) {
        const [, [received, receivedKind]] = await Promise.all([
            client.send_async(kind, data, USUAL, null), receive(server)]);
        check(receivedKind === kind && received.equal(data));
    }
    client.message_kind = TEXT;
    await client.write_bytes_all_async(bytes('plain'), USUAL, null);
    const [plain, plainKind] = await receive(server);
    check(text(plain) === 'plain' && plainKind === TEXT);

    const pongs = [];
    server.connect('pong', (_, payload) => pongs.push(text(payload)));
    server.ping(bytes('are you there?'));
    server.send_text('behind it');
    check(text(await client.read_bytes_async(100, USUAL, null)) === 'behind it');
    client.send_text('answer');
    check(text((await receive(server))[0]) === 'answer');
    check(pongs.length === 1 && pongs[0] === 'are you there?');

    const [, [end]] = await Promise.all([client.bye_async(1001, 'enough', USUAL, null), receive(server)]);
    check(end === null && server.close_code === 1001 && server.close_reason === 'enough');
    client.close();
    server.close();
}

// Messages are iterated up to the end of the stream, and an unexpected end is an error.
async function iteration() {
    const [client, server] = makeEnds();
    const send = async () => {
        await client.send_async(TEXT, bytes('hé'));
        await client.send_async(BINARY, new GLib.Bytes([255, 0]));
        await client.send_async(TEXT, bytes(''));
        await client.send_async(BINARY, bytes(''));
        await client.bye_async(1000, null);
    };
    const sending = send();
    for await (const message of server) {
        check(message === 'hé');
        break;
    }
    // What follows is left to the next reader.
    const rest = [];
    for await (const message of server)
        rest.push(message);
    await sending;
    check(rest.length === 3 && rest[0] instanceof Uint8Array && rest[0].join() === '255,0');
    check(rest[1] === '' && rest[2] instanceof Uint8Array && rest[2].length === 0);

    const [one, other] = makeEnds();
    await openBoth(one, other);
    one.master.close();
    check(isWebsock(await rejectionOf(other[Symbol.asyncIterator]().next()), 1006));
}

// Codes of the protocol are those of errors.
async function unexpected() {
    const [client, server] = makeEnds();
    await openBoth(client, server);
    const [, error] = await Promise.all([
        client.bye_async(4000, 'why', USUAL, null), rejectionOf(receive(server))]);
    check(isWebsock(error, 4000) && error.message.includes('why'));

    const [here, there] = makePair();
    const lonely = Qio.ChannelWebsock.new_client(here, 'ws://x/', null);
    there.write_bytes_all(bytes('SSH-2.0\r\n\r\n'));
    const answer = await rejectionOf(lonely.handshake_async(USUAL, null));
    check(isWebsock(answer, Qio.WebsockError.BAD_ANSWER));
}

// A server accepts one request itself, and answers another one with a page.
async function decisions() {
    for (const accepts of [true, false]) {
        const [client, server] = makeEnds(make(chatting));
        const opened = client.handshake_async(USUAL, null).then(() => null, error => error);
        await server.receive_request_async(USUAL, null);
        check(server.is_upgrade() && server.get_method() === 'GET' && server.get_target() === '/chat?topic=1');
        check(server.get_path() === '/chat' && server.get_query() === 'topic=1' && server.origin === null);
        check(isIo(errorOf(() => server.accept('other', null)), Gio.IOErrorEnum.INVALID_ARGUMENT));
        if (accepts) {
            server.accept('chat.v1', ['Set-Cookie: a=b']);
            check(await opened === null && client.protocol === 'chat.v1');
            check(client.get_response_header('set-cookie') === 'a=b');
        } else {
            await server.refuse_async(404, ['Content-Type: text/plain'], bytes('a page\n'), USUAL, null);
            check(isWebsock(await opened, 404));
            check(client.get_response_header('content-type') === 'text/plain');
        }
        client.master.close();
        server.master.close();
    }
}

// A client that connects by a URI.
async function byUri() {
    const listener = new Qio.NetListener();
    const uri = `ws://localhost:${listener.open_port(0, 5)}/by?uri`;
    const connecting = Qio.ChannelWebsock.connect_to_uri_async(uri, null, null);
    const server = Qio.ChannelWebsock.new_server(await listener.accept_async(), null);
    await server.receive_request_async();
    check(server.get_target() === '/by?uri');
    await server.accept_async(null, ['X-Answer: yes']);
    const client = await connecting;
    check(client.uri === uri && client.get_response_header('x-answer') === 'yes' && client.extensions === null);
    client.ping_interval = 1000;
    check(client.get_ping_interval() === 1000 && client.pong_timeout === 0);
    const wrong = await rejectionOf(Qio.ChannelWebsock.connect_to_uri_async('http://x/', null, null));
    check(isIo(wrong, Gio.IOErrorEnum.INVALID_ARGUMENT));
    client.close();
    server.close();
}

options();
await messages();
await iteration();
await unexpected();
await decisions();
await byUri();
print('websock: ok');
