"""WebSockets in Python: servers and clients over pairs of sockets."""

from common import check, error_of, is_io, iterate_until, make_pair, raised_by, wait_for
from gi.repository import Gio, GLib, Qio

TEXT, BINARY = Qio.WebsockMessageKind.TEXT, Qio.WebsockMessageKind.BINARY
URI = "ws://example.org/chat?topic=1"


def made(configure):
    builder = Qio.WebsockOptionsBuilder.new()
    configure(builder)
    return builder.build()


def chatting(builder):
    builder.add_protocol("chat.v2")
    builder.add_protocol("chat.v1")
    builder.add_header("X-Token", "a b")
    builder.set_deflate(1, 64)


def make_ends(mine=None, theirs=None):
    here, there = make_pair()
    return Qio.ChannelWebsock.new_client(here, URI, mine), Qio.ChannelWebsock.new_server(there, theirs)


def is_websock(error, code):
    return error.matches(Qio.WebsockError.quark(), code)


async def open_both(*ends):
    for handshake in [end.handshake_async() for end in ends]:
        await handshake


def options():
    builder = Qio.WebsockOptionsBuilder.new()
    builder.set_origins(["https://example.org"])
    builder.set_path("/chat")
    builder.set_max_message_size(3)
    copy = builder.copy()
    builder.add_protocol("no token")
    error = error_of(builder.build)
    check(is_io(error, Gio.IOErrorEnum.INVALID_ARGUMENT) and "no token" in error.message)
    client, server = make_ends(theirs=copy.build())
    check(server.props.max_message_size == 3 and client.get_max_message_size() == 16 * 1024 * 1024)
    check(is_io(error_of(Qio.ChannelWebsock.new_client, make_pair()[0], "http://x/", None), Gio.IOErrorEnum.INVALID_ARGUMENT))


def by_callbacks():
    client, server = make_ends()
    results = []
    server.handshake_async(GLib.PRIORITY_DEFAULT, None, lambda end, result: results.append(end.handshake_finish(result)))
    wait_for(client.handshake_async, client.handshake_finish)
    iterate_until(lambda: results)
    wait_for(client.send_async, client.send_finish, TEXT, GLib.Bytes.new(b"hello"))
    data, kind = wait_for(server.receive_async, server.receive_finish)
    check((data.get_data(), kind) == (b"hello", TEXT))


async def messages():
    """Text and binary messages, plain bytes, a ping, and the closing handshake."""
    client, server = make_ends(made(chatting), made(chatting))
    emissions = []
    client.connect("notify::handshake-done", lambda *args: emissions.append(args))
    check(not client.props.handshake_done and client.get_protocol() is None)
    await open_both(client, server)
    check(len(emissions) == 1)
    for end in (client, server):
        check(end.is_handshake_done() and end.get_protocol() == end.props.protocol == "chat.v2")
    check(client.is_client() and client.props.is_client and not server.props.is_client)
    check(client.get_uri() == client.props.uri == URI and server.get_uri() is None)
    check(client.get_master() == client.props.master and client.props.options is not None)
    check("X-Token: a b" in server.list_request_headers() and server.get_request_header("x-token") == "a b")
    check(client.get_response_header("X-TOKEN") == "a b" and client.get_response_header("X-Other") is None)
    check(client.get_extensions().startswith("permessage-deflate") and server.props.extensions == client.get_extensions())

    for kind, data in ((TEXT, "hé".encode()), (BINARY, bytes(100_000)), (BINARY, b"")):
        sent = client.send_async(kind, GLib.Bytes.new(data))
        received, received_kind = await server.receive_async()
        await sent
        check((received.get_data() or b"", received_kind) == (data, kind))
    client.send_text("text")
    check((await server.read_bytes_async(9)).get_data() == b"text")
    client.set_message_kind(TEXT)
    await client.write_bytes_all_async(b"plain")
    data, kind = await server.receive_async()
    check((data.get_data(), kind) == (b"plain", TEXT))
    check(is_io(await raised_by(client.send_async(TEXT, GLib.Bytes.new(b"\xff"))), Gio.IOErrorEnum.INVALID_ARGUMENT))

    pongs = []
    server.connect("pong", lambda end, payload: pongs.append(payload.get_data()))
    server.ping(GLib.Bytes.new(b"are you there?"))
    server.send_text("behind it")
    data, _ = await client.receive_async()
    client.send_text("answer")
    data, _ = await server.receive_async()
    check(pongs == [b"are you there?"] and data.get_data() == b"answer")

    bye = client.bye_async(1001, "enough")
    data, _ = await server.receive_async()
    check(data is None)
    await bye
    check(server.get_close_code() == server.props.close_code == 1001)
    check(server.get_close_reason() == server.props.close_reason == "enough")
    check(is_io(await raised_by(client.send_async(TEXT, GLib.Bytes.new(b"late"))), Gio.IOErrorEnum.BROKEN_PIPE))
    client.close()
    server.close()


async def iteration():
    """Messages are iterated up to the end of the stream, and an unexpected end is an error."""
    client, server = make_ends()
    sent = ((TEXT, "hé".encode()), (BINARY, b"\xff\0"), (TEXT, b""), (BINARY, b""))

    async def send():
        for kind, data in sent:
            await client.send_async(kind, GLib.Bytes.new(data))
        await client.bye_async(1000, None)

    sending = Qio.spawn(send())
    async for message in server:
        check(message == "hé")
        break
    # What follows is left to the next reader.
    check([message async for message in server] == [b"\xff\0", "", b""])
    await sending
    check([message async for message in server] == [] and list(server) == [])

    client, server = make_ends()
    await open_both(client, server)
    client.send_text("one")
    client.send(BINARY, GLib.Bytes.new(b"two"))
    check([next(server), next(server)] == ["one", b"two"])
    client.send_text("three")
    client.get_master().close()
    check(await anext(server) == "three")
    check(is_websock(await raised_by(anext(server)), 1006))
    check(is_websock(error_of(next, server), 1006))


async def unexpected():
    """Codes of the protocol are those of errors."""
    client, server = make_ends()
    await open_both(client, server)
    server.set_max_message_size(3)
    client.send_text("four")
    check(is_websock(await raised_by(server.receive_async()), 1009))
    check(is_websock(await raised_by(client.receive_async()), 1009) and client.get_close_code() == 1009)

    client, server = make_ends()
    await open_both(client, server)
    bye = client.bye_async(4000, "why")
    error = await raised_by(server.receive_async())
    check(is_websock(error, 4000) and "why" in error.message)
    await bye

    client, server = make_ends()
    await open_both(client, server)
    client.get_master().close()
    check(is_websock(await raised_by(server.receive_async()), 1006))
    server.set_require_close(False)
    data, _ = await server.receive_async()
    check(data is None)

    here, there = make_pair()
    client = Qio.ChannelWebsock.new_client(here, "ws://x/", None)
    there.write_bytes_all(GLib.Bytes.new(b"SSH-2.0\r\n\r\n"))
    check(is_websock(await raised_by(client.handshake_async()), Qio.WebsockError.BAD_ANSWER))


async def decisions():
    """A server accepts one request itself, and answers another one with a page."""
    for accepts in (True, False):
        client, server = make_ends(made(chatting))
        handshake = client.handshake_async()
        await server.receive_request_async()
        check(server.is_upgrade() and server.get_method() == "GET" and server.get_origin() is None)
        check((server.get_path(), server.get_query(), server.get_target()) == ("/chat", "topic=1", "/chat?topic=1"))
        check(is_io(error_of(server.accept, "other", None), Gio.IOErrorEnum.INVALID_ARGUMENT))
        check(is_io(error_of(server.accept, None, ["no colon"]), Gio.IOErrorEnum.INVALID_ARGUMENT))
        if accepts:
            server.accept("chat.v1", ["Set-Cookie: a=b"])
            await handshake
            check(client.get_protocol() == "chat.v1" and client.get_response_header("set-cookie") == "a=b")
        else:
            await server.refuse_async(404, ["Content-Type: text/plain"], GLib.Bytes.new(b"a page\n"))
            error = await raised_by(handshake)
            check(is_websock(error, 404) and "404" in error.message)
            check(client.get_response_header("content-type") == "text/plain")


async def by_uri():
    """A client that connects by a URI."""
    listener = Qio.NetListener()
    uri = f"ws://localhost:{listener.open_port(0, 5)}/by?uri"
    for last in ([], [None, None]):
        connecting = Qio.ChannelWebsock.connect_to_uri_async(uri, *last)
        server = Qio.ChannelWebsock.new_server(await listener.accept_async(), None)
        await server.receive_request_async()
        check(server.get_target() == "/by?uri")
        await server.accept_async(None, ["X-Answer: yes"])
        client = await connecting
        check(client.get_uri() == uri and client.get_response_header("x-answer") == "yes")
        check(client.get_extensions() is None and client.props.extensions is None)
        client.props.ping_interval = 20
        check(client.get_ping_interval() == 20 and client.props.pong_timeout == 0)
        # The answer to the ping is read by this end.
        client.connect("pong", lambda *_: server.send_text("behind it"))
        reading = server.receive_async()
        check(await anext(client) == "behind it")
        client.send_text("done")
        await reading
        client.close()
        server.close()
    check(is_io(await raised_by(Qio.ChannelWebsock.connect_to_uri_async("http://x/")), Gio.IOErrorEnum.INVALID_ARGUMENT))
    check(is_io(error_of(Qio.ChannelWebsock.connect_to_uri, "nothing", None, None), Gio.IOErrorEnum.INVALID_ARGUMENT))


def pages():
    """The same port answers plain requests."""
    here, there = make_pair()
    server = Qio.ChannelWebsock.new_server(there, None)
    here.write_bytes_all(GLib.Bytes.new(b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"))
    server.receive_request()
    check(not server.is_upgrade() and server.get_path() == "/page")
    server.refuse(200, None, GLib.Bytes.new(b"a page\n"))
    server.close()
    response = here.read_to_end(10_000).get_data()
    check(response.startswith(b"HTTP/1.1 200 OK\r\n") and response.endswith(b"\r\n\r\na page\n"))


async def all_of_it():
    await messages()
    await iteration()
    await unexpected()
    await decisions()
    await by_uri()


options()
by_callbacks()
Qio.run(all_of_it())
pages()
print("websock: ok")
