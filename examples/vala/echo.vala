// An echo server on one main loop: every client gets back what it sends.
//
//   valac --pkg=qio-1.0 -o echo examples/vala/echo.vala
//   ./echo [PORT]
//
// Each client is served by an asynchronous method, which yields to the others wherever it waits.
// With QIO_MONITOR=listen in its environment, qio top shows its channels.

async void serve (Qio.ChannelSocket client) {
    try {
        while (true) {
            var data = yield client.read_bytes_async (4096);
            if (data.get_size () == 0) {
                break; // the end
            }
            yield client.write_bytes_all_async (data);
        }
        yield client.close_async ();
    } catch (Error e) {
        stderr.printf ("echo: %s\n", e.message);
    }
}

async void accept_clients (Qio.ChannelSocket listener) {
    while (true) {
        try {
            var client = yield listener.accept_async ();
            serve.begin (client);
        } catch (Error e) {
            stderr.printf ("echo: %s\n", e.message);
            return;
        }
    }
}

int main (string[] args) {
    var port = args.length > 1 ? int.parse (args[1]) : 0; // 0: one that is free
    var listener = new Qio.ChannelSocket ();
    try {
        listener.listen_sync (new InetSocketAddress.from_string ("127.0.0.1", port), 128);
        var address = (InetSocketAddress) listener.get_local_address ();
        stdout.printf ("echo: listening on 127.0.0.1:%u\n", address.port);
        stdout.flush ();
    } catch (Error e) {
        stderr.printf ("echo: %s\n", e.message);
        return 1;
    }
    accept_clients.begin (listener);
    new MainLoop ().run ();
    return 0;
}
