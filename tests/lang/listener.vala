// A listener in Vala: each way to accept, and a class of its own.

class Door : Qio.NetListener {
    public Qio.ChannelSocket? guest = null;

    public void on_client (Qio.NetListener listener, Qio.ChannelSocket client) {
        assert (listener == this);
        guest = client;
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
    var door = new Door ();
    door.max_clients = 3;
    assert (door.max_handshakes == 1024);
    door.open_sync (name, 5);
    assert (door.is_connected () && door.connected);
    var client = connect_to (door);
    var server = door.wait_client ();
    greet (client, server);
    assert (door.clients == 1);
    server.close ();
    assert (door.clients == 0);

    door.set_client_func (door.on_client);
    client = connect_to (door);
    while (door.guest == null) {
        Idle.add (accepting.callback);
        yield;
    }
    greet (client, door.guest);
    door.set_client_func (null);

    client = connect_to (door);
    greet (client, yield door.accept_async ());

    door.close ();
    assert (!door.is_connected ());
    yield door.open_async (name, 5);
    var own = new Qio.ChannelSocket ();
    yield own.listen_async (name, 5);
    door.add (own);
    assert (door.get_local_addresses ().length () >= 2);
    assert (Qio.activation_sockets ().length () == 0);
}

int main () {
    // An assertion that does not hold says where it is, and aborts.
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
