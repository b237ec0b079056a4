// libsoup over channels, with TLS of channels: WebSockets at both ends.

import GLib from 'gi://GLib';
import Qio from 'gi://Qio?version=1.0';
import Soup from 'gi://Soup?version=3.0';

import {bytes, check, iterateUntil, makePair} from './common.js';

// A WebSocket message.
const SIZE = 3000000;
const data = new Uint8Array(SIZE).map((_, i) => i / 7 % 251);

function creds(endpoint) {
    const builder = Qio.TlsCredsBuilder.new(endpoint);
    builder.add_psk('alice', bytes('sixteen bytes...'));
    return builder.build();
}

function websocket(channel, type) {
    const uri = GLib.Uri.parse('wss://test/', GLib.UriFlags.NONE);
    const stream = Qio.IOStream.new(channel);
    const connection = Soup.WebsocketConnection.new(stream, uri, type, null, null, []);
    connection.set_max_incoming_payload_size(SIZE);
    return connection;
}

const [one, other] = makePair();
const here = Qio.ChannelTLS.new_client(one, creds(Qio.TlsEndpoint.CLIENT), null);
const there = Qio.ChannelTLS.new_server(other, creds(Qio.TlsEndpoint.SERVER));
const client = websocket(here, Soup.WebsocketConnectionType.CLIENT);
const server = websocket(there, Soup.WebsocketConnectionType.SERVER);
let received = null;
let closed = 0;
server.connect('message', (connection, type, message) => connection.send_message(type, message));
client.connect('message', (_connection, _type, message) => (received = message));
client.connect('closed', () => closed++);
server.connect('closed', () => closed++);
client.send_message(Soup.WebsocketDataType.BINARY, new GLib.Bytes(data));
iterateUntil(() => received !== null);
check(received.equal(new GLib.Bytes(data)));
client.close(Soup.WebsocketCloseCode.NORMAL, null);
iterateUntil(() => closed === 2);
check(here.is_closed() && there.is_closed());
print('soup: ok');
