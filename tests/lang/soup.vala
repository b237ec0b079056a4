// libsoup over channels, with TLS of channels: WebSockets at both ends.

// A WebSocket message.
const int SIZE = 3000000;

Qio.TlsCreds creds (Qio.TlsEndpoint endpoint) throws Error {
    var builder = new Qio.TlsCredsBuilder (endpoint);
    builder.add_psk ("alice", new Bytes ("sixteen bytes...".data));
    return builder.build ();
}

Soup.WebsocketConnection websocket (Qio.Channel channel, Soup.WebsocketConnectionType type) throws Error {
    var uri = Uri.parse ("wss://test/", UriFlags.NONE);
    var stream = new Qio.IOStream (channel);
    var extensions = new List<Soup.WebsocketExtension> ();
    var connection = new Soup.WebsocketConnection (stream, uri, type, null, null, (owned) extensions);
    connection.max_incoming_payload_size = SIZE;
    return connection;
}

void main () {
    try {
        Qio.ChannelSocket one, other;
        Qio.ChannelSocket.new_pair (out one, out other);
        var here = new Qio.ChannelTLS.client (one, creds (Qio.TlsEndpoint.CLIENT), null);
        var there = new Qio.ChannelTLS.server (other, creds (Qio.TlsEndpoint.SERVER));
        var client = websocket (here, Soup.WebsocketConnectionType.CLIENT);
        var server = websocket (there, Soup.WebsocketConnectionType.SERVER);
        var data = new uint8[SIZE];
        for (int i = 0; i < SIZE; i++)
            data[i] = (uint8) (i / 7 % 251);
        Bytes? received = null;
        int closed = 0;
        server.message.connect ((type, message) => server.send_message ((Soup.WebsocketDataType) type, message));
        client.message.connect ((type, message) => received = message);
        client.closed.connect (() => closed++);
        server.closed.connect (() => closed++);
        client.send_binary (data);
        while (received == null)
            MainContext.default ().iteration (true);
        assert (received.compare (new Bytes (data)) == 0);
        client.close (Soup.WebsocketCloseCode.NORMAL, null);
        while (closed < 2)
            MainContext.default ().iteration (true);
        assert (here.is_closed () && there.is_closed ());
        stdout.printf ("soup: ok\n");
    } catch (Error e) {
        error ("%s", e.message);
    }
}
