// The part of the journey in Vala with WebSockets: servers and clients over pairs of sockets.

const string PART = "websock";
const string URI = "ws://example.org/chat?topic=1";

Qio.WebsockOptions chatting () throws Error {
    var builder = new Qio.WebsockOptionsBuilder ();
    builder.add_protocol ("chat.v2");
    builder.add_protocol ("chat.v1");
    builder.add_header ("X-Token", "a b");
    return builder.build ();
}

// Both ends of a connection, with the error of the server's asynchronous call, which runs
// concurrently with the client's.
class Ends {
    public Qio.ChannelWebsock client;
    public Qio.ChannelWebsock server;
    public Error? error = null;
    private bool answered = true;

    public Ends (Qio.WebsockOptions? mine = null, Qio.WebsockOptions? theirs = null) throws Error {
        Qio.ChannelSocket here, there;
        Qio.ChannelSocket.new_pair (out here, out there);
        client = new Qio.ChannelWebsock.client (here, URI, mine);
        server = new Qio.ChannelWebsock.server (there, theirs);
    }

    private async void answer () {
        answered = false;
        try {
            yield server.handshake_async ();
        } catch (Error e) {
            error = e;
        }
        answered = true;
    }

    private async void await_answer () {
        while (!answered) {
            Idle.add (await_answer.callback);
            yield;
        }
    }

    public async void open () throws Error {
        answer.begin ();
        yield client.handshake_async ();
        yield await_answer ();
        assert_no_error (error);
    }

    private async void receive_end () {
        answered = false;
        try {
            Qio.WebsockMessageKind kind;
            assert ((yield server.receive_async (Priority.DEFAULT, null, out kind)) == null);
        } catch (Error e) {
            error = e;
        }
        answered = true;
    }

    public async void close (uint code, string reason) throws Error {
        receive_end.begin ();
        yield client.bye_async (code, reason);
        yield await_answer ();
        assert (server.get_close_code () == code && server.close_code == code);
        assert (server.get_close_reason () == reason && server.close_reason == reason);
    }
}

void options () throws Error {
    var builder = new Qio.WebsockOptionsBuilder ();
    builder.set_origins ({ "https://example.org" });
    builder.set_max_message_size (3);
    var ends = new Ends (null, builder.copy ().build ());
    assert (ends.server.max_message_size == 3 && ends.client.get_max_message_size () == 16 * 1024 * 1024);
    var error = error_of (() => {
        var other = builder.copy ();
        other.set_path ("nowhere");
        other.build ();
    });
    assert (error is IOError.INVALID_ARGUMENT && error.message.contains ("nowhere"));
}

async void messages () throws Error {
    var ends = new Ends (chatting (), chatting ());
    unowned Qio.ChannelWebsock client = ends.client, server = ends.server;
    assert (!client.handshake_done && client.protocol == null);
    yield ends.open ();
    assert (client.handshake_done && client.is_handshake_done () && server.protocol == "chat.v2");
    assert (client.is_client && !server.is_client && client.uri == URI && server.uri == null);
    assert (client.master is Qio.ChannelSocket);
    assert ("X-Token: a b" in server.list_request_headers ());
    assert (client.get_response_header ("x-token") == "a b" && client.get_response_header ("x-other") == null);

    Qio.WebsockMessageKind kind;
    yield client.send_async (TEXT, bytes ("text"));
    assert (holds (yield server.receive_async (Priority.DEFAULT, null, out kind), "text") && kind == TEXT);
    yield client.send_async (BINARY, bytes ("binary"));
    assert (holds (yield server.receive_async (Priority.DEFAULT, null, out kind), "binary") && kind == BINARY);
    client.message_kind = TEXT;
    yield client.write_bytes_all_async (bytes ("plain"));
    assert (holds (yield server.receive_async (Priority.DEFAULT, null, out kind), "plain") && kind == TEXT);

    Bytes? pong = null;
    server.pong.connect ((payload) => pong = payload);
    server.ping (bytes ("are you there?"));
    server.send_text ("behind it");
    assert (holds (yield client.read_bytes_async (100), "behind it"));
    client.send_text ("answer");
    assert (holds (yield server.receive_async (Priority.DEFAULT, null, out kind), "answer"));
    assert (holds (pong, "are you there?"));

    yield ends.close (1001, "enough");
    assert_no_error (ends.error);
    client.close ();
    server.close ();
}

// Codes of the protocol are those of errors.
async void unexpected () throws Error {
    var ends = new Ends ();
    yield ends.open ();
    yield ends.close (4000, "why");
    assert (ends.error is Qio.WebsockError && ends.error.code == 4000);
    assert (ends.error.message.contains ("why"));

    Qio.ChannelSocket here, there;
    Qio.ChannelSocket.new_pair (out here, out there);
    var lonely = new Qio.ChannelWebsock.client (here, "ws://x/", null);
    there.write_bytes_all (bytes ("SSH-2.0\r\n\r\n"));
    try {
        yield lonely.handshake_async ();
        assert_not_reached ();
    } catch (Qio.WebsockError.BAD_ANSWER e) {
        assert (e.message != "");
    }
}

// A server answers a request with a page, and accepts another one itself.
async void decisions () throws Error {
    foreach (var accepts in new bool[] { false, true }) {
        var ends = new Ends (chatting ());
        unowned Qio.ChannelWebsock client = ends.client, server = ends.server;
        Error? error = null;
        var opened = false;
        client.handshake_async.begin (Priority.DEFAULT, null, (_, result) => {
            try {
                client.handshake_async.end (result);
            } catch (Error e) {
                error = e;
            }
            opened = true;
        });
        yield server.receive_request_async ();
        assert (server.is_upgrade () && server.get_method () == "GET" && server.origin == null);
        assert (server.get_target () == "/chat?topic=1");
        assert (server.get_path () == "/chat" && server.get_query () == "topic=1");
        assert (server.get_request_header ("host") == "example.org");
        if (accepts) {
            server.accept ("chat.v1", { "Set-Cookie: a=b" });
        } else {
            yield server.refuse_async (404, { "Content-Type: text/plain" }, bytes ("a page\n"));
        }
        while (!opened) {
            Idle.add (decisions.callback);
            yield;
        }
        if (accepts) {
            assert_no_error (error);
            assert (client.protocol == "chat.v1" && client.get_response_header ("set-cookie") == "a=b");
        } else {
            assert (error is Qio.WebsockError && error.code == 404);
            assert (client.get_response_header ("content-type") == "text/plain");
        }
    }
}

// A client that connects by a URI.
async void by_uri () throws Error {
    var listener = new Qio.NetListener ();
    var uri = "ws://localhost:%u/by?uri".printf (listener.open_port (0, 5));
    Qio.ChannelWebsock? client = null;
    Qio.ChannelWebsock.connect_to_uri_async.begin (uri, null, null, Priority.DEFAULT, null, (_, result) => {
        try {
            client = Qio.ChannelWebsock.connect_to_uri_async.end (result);
        } catch (Error e) {
            assert_no_error (e);
        }
    });
    var server = new Qio.ChannelWebsock.server (yield listener.accept_async (), null);
    yield server.receive_request_async ();
    assert (server.get_target () == "/by?uri");
    yield server.accept_async (null, { "X-Answer: yes" });
    while (client == null) {
        Idle.add (by_uri.callback);
        yield;
    }
    assert (client.uri == uri && client.get_response_header ("x-answer") == "yes" && client.extensions == null);
    client.ping_interval = 1000;
    assert (client.get_ping_interval () == 1000 && client.pong_timeout == 0);
    client.close ();
    server.close ();
}

async void journey () throws Error {
    options ();
    yield messages ();
    yield unexpected ();
    yield decisions ();
    yield by_uri ();
}
