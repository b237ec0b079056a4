"""A chat over TLS that reconnects: `[QIO_MONITOR=listen] chat.py server|client tcp:HOST:PORT CERTS`."""
import contextlib
import os
import sys

import gi
gi.require_version("Qio", "1.0")
from gi.repository import GLib, Qio


async def forward(line, other):
    with contextlib.suppress(GLib.Error):  # its own task ends
        await other.write_bytes_all_async(line.get_data() + b"\n")


async def serve(tls, clients):
    with contextlib.suppress(GLib.Error):
        await tls.write_bytes_all_async(b"chat: connected\n")
        clients.add(tls)
        while (line := await tls.read_line_async(1000)) is not None:
            await Qio.gather(*[forward(line, other) for other in clients - {tls}])
        await tls.close_async()
    clients.discard(tls)


async def server(address, creds):
    listener, clients = Qio.NetListener(), set()
    listener.open_address(address, 16)
    while True:
        Qio.spawn(serve(Qio.ChannelTLS.new_server(await listener.accept_async(), creds), clients))


async def send(source, tls):
    await source.splice_to_async(tls, -1, None)
    tls.shutdown(Qio.ChannelShutdown.WRITE)  # the server closes the connection


async def client(address, creds):
    source, backoff = Qio.Channel.new_fd(os.dup(0)), Qio.Backoff.new()
    while True:
        socket = Qio.ChannelSocket()
        await socket.connect_with_backoff_async(address.get_connectable(), backoff)
        tls = Qio.ChannelTLS.new_client(socket, creds, address.get_host())
        sending = Qio.spawn(send(source, tls))
        try:
            while (line := await tls.read_line_async(1000)) is not None:
                print("".join(filter(str.isprintable, line.get_data().decode(errors="replace"))), flush=True)
        except GLib.Error as error:
            print("chat:", error.message, file=sys.stderr)
        sending.cancel()  # unless it has ended; what was not sent stays in the input
        with contextlib.suppress(GLib.Error):
            return await sending
        await Qio.sleep(backoff.get_delay(1) / 1000)


_, role, address, directory = sys.argv
run, end = {"server": (server, Qio.TlsEndpoint.SERVER), "client": (client, Qio.TlsEndpoint.CLIENT)}[role]
builder = Qio.TlsCredsBuilder.new(end)
builder.set_directory(directory)
Qio.run(run(Qio.NetAddress.new_from_string(address), builder.build()))
