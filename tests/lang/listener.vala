// A listener in Vala: each way to accept, and a class in Vala.

class Listener : Qio.NetListener {
    public Qio.ChannelSocket? accepted = null;

    public void on_client (Qio.NetListener listener, Qio.ChannelSocket client) {
        assert (listener == this);
        accepted = client;
    }
}

Qio.ChannelSocket connect_to (Qio.NetListener listener) throws Error {
    var client = new Qio.ChannelSocket ();
    client.connect_sync (listener.get_local_addresses ().data);
    return client;
}

void greet (Qio.ChannelSocket client, Qio.ChannelSocket server) throws Error {
    client.write_bytes_all (new Bytes ("ping".data));
    assert (server.read_bytes_all (4).compare (new Bytes ("ping".data)) == 0);
}

async void accepting () throws Error {
    var name = new NetworkAddress ("localhost", 0);
    var service = new Listener ();
    service.max_clients = 3;
    assert (service.max_handshakes == 1024);
    service.open_sync (name, 5);
    assert (service.is_connected () && service.connected);
    var client = connect_to (service);
    var server = service.wait_client ();
    greet (client, server);
    assert (service.clients == 1);
    server.close ();
    assert (service.clients == 0);

    service.set_client_func (service.on_client);
    client = connect_to (service);
    while (service.accepted == null) {
        Idle.add (accepting.callback);
        yield;
    }
    greet (client, service.accepted);
    service.set_client_func (null);

    client = connect_to (service);
    greet (client, yield service.accept_async ());

    service.close ();
    assert (!service.is_connected ());
    yield service.open_async (name, 5);
    var own = new Qio.ChannelSocket ();
    yield own.listen_async (name, 5);
    service.add (own);
    assert (service.get_local_addresses ().length () >= 2);
    assert (Qio.activation_sockets ().length () == 0);
}

int main () {
    // A failed assertion prints its location, and aborts.
    Process.signal (ProcessSignal.ABRT, () => Posix._exit (1));

    var loop = new MainLoop ();
    accepting.begin ((_, result) => {
        try {
            accepting.end (result);
        } catch (Error error) {
            assert_no_error (error);
        }
        loop.quit ();
    });
    loop.run ();
    stdout.printf ("listener: ok\n");
    return 0;
}
