// The network part of the journey in Vala.

const string PART = "network";

// Any port of the loopback interface.
SocketAddress any_port () {
    return new InetSocketAddress (new InetAddress.loopback (SocketFamily.IPV4), 0);
}

Qio.NetAddress at (string address) throws Error {
    return new Qio.NetAddress.from_string (address);
}

Qio.Channel client_of (uint16 port) throws Error {
    return at ("tcp:127.0.0.1:%u".printf (port)).connect_sync ();
}

void run_all () {
    while (MainContext.default ().iteration (false));
}

// What a service manager has opened: for another process, which is not for this one to take.
void activation () throws Error {
    Environment.set_variable ("LISTEN_PID", "1", true);
    Environment.set_variable ("LISTEN_FDS", "1", true);
    assert (Qio.activation_sockets ().length () == 0);
    assert (new Qio.NetListener ().open_activated () == 0);
    Qio.activation_unset_environment ();
    assert (Environment.get_variable ("LISTEN_PID") == null && Environment.get_variable ("LISTEN_FDS") == null);
}

// Addresses as people write them.
async void addresses () throws Error {
    var listener = at ("tcp:127.0.0.1:0").listen_sync (5);
    var bound = new Qio.NetAddress.from_socket_address (listener.get_local_address ());
    assert (bound.get_scheme () == "tcp" && bound.to_string ().has_prefix ("tcp:127.0.0.1:"));
    assert (bound.get_host () == "127.0.0.1" && at ("unix:@name").get_host () == null);
    assert (bound.equal (at (bound.to_string ())) && bound.equal (bound.copy ()));
    var client = bound.connect_sync ();
    var server = listener.accept ();

    // What was only looked at is still there. TCP carries no descriptors: there is no list of them.
    UnixFDList? fds;
    client.write_bytes_all (bytes ("ping"));
    assert (!server.has_feature (FD_PASS));
    assert (holds (server.read_bytes_with_fds (10, out fds, MSG_PEEK), "ping") && fds == null);
    assert (holds (yield server.read_bytes_with_fds_async (10, MSG_PEEK, Priority.DEFAULT, null, out fds), "ping"));
    assert (fds == null);
    assert (holds (server.read_bytes_all (4), "ping"));

    assert (at ("tcp:localhost:80").get_connectable () is NetworkAddress);
    var error = error_of (() => at ("tcp:localhost:http"));
    assert (error is IOError.INVALID_ARGUMENT);
    assert ("expected a port from 0 to 65535 at character 15" in error.message);
}

async void connecting () throws Error {
    var listener = new Qio.ChannelSocket ();
    yield listener.listen_async (new NetworkAddress ("127.0.0.1", 0), 5);
    var address = (InetSocketAddress) listener.get_local_address ();
    var name = new NetworkAddress ("127.0.0.1", (uint16) address.port);
    var socket = new Qio.ChannelSocket ();
    Qio.ChannelConnectStage[] progress = {};
    socket.connect_progress.connect ((stage, connectable, address) => {
        assert (connectable == name);
        assert ((address != null) == (stage >= Qio.ChannelConnectStage.CONNECTING));
        progress += stage;
    });
    yield socket.connect_async (name);
    assert (progress.length == 5);
    assert (progress[0] == RESOLVING && progress[4] == COMPLETE);

    var other = new Qio.ChannelSocket ();
    var cancellable = new Cancellable ();
    cancellable.cancel ();
    Error? error = null;
    try {
        yield other.connect_async (name, null, Priority.DEFAULT, cancellable);
    } catch (Error e) {
        error = e;
    }
    assert (error is IOError.CANCELLED);
    listener.close ();
    var client = new SocketClient ();
    client.timeout = 60;
    try {
        yield other.connect_async (name, client);
    } catch (Error e) {
        error = e;
    }
    assert (error is IOError.CONNECTION_REFUSED);
    assert (error.message.has_prefix ("Unable to connect to 127.0.0.1:"));
}

// A server that listens later.
async void connecting_again () throws Error {
    var name = at ("unix:@qio-again-%d".printf (Posix.getpid ()));
    var address = name.get_connectable ();
    var backoff = new Qio.Backoff ();
    backoff.set_attempts (3);
    backoff.set_delays (1, 20);
    var socket = new Qio.ChannelSocket ();
    var error = error_of (() => socket.connect_with_backoff_sync (address, backoff));
    assert (error is IOError.CONNECTION_REFUSED);
    assert (error.message.has_suffix ("Connection refused (3 attempts)"));

    backoff.set_attempts (0);
    var failures = 0;
    Qio.ChannelSocket? listener = null;
    socket.connect_progress.connect ((stage, connectable, other_end) => {
        if (stage == COMPLETE && ++failures == 2) {
            try {
                listener = name.listen_sync (5);
            } catch (Error e) {
                assert_not_reached ();
            }
        }
    });
    yield socket.connect_with_backoff_async (address, backoff);
    assert (failures >= 3 && listener.accept () != null);
}

// Clients come to an asynchronous call, and to one that blocks.
async void listening () throws Error {
    var listener = new Qio.NetListener ();
    listener.name = "service";
    var port = listener.open_port (0, 5);
    assert (port != 0 && listener.connected && listener.get_name () == "service");
    var first = client_of (port);
    var accepted = yield listener.accept_async ();
    var second = client_of (port);
    var waited_for = listener.wait_client ();
    assert (listener.clients == 2);
    first.write_bytes_all (bytes ("hello"));
    assert (holds (yield accepted.read_bytes_all_async (5), "hello"));
    waited_for.write_bytes_all (bytes ("you"));
    assert (holds (second.read_bytes_all (3), "you"));

    // A pending accept is completed with the end. Signal handlers can be disconnected.
    var handler = listener.accept_error.connect (() => assert_not_reached ());
    Error? error = null;
    listener.accept_async.begin (Priority.DEFAULT, null, (_, result) => {
        try {
            listener.accept_async.end (result);
        } catch (Error e) {
            error = e;
        }
    });
    run_all ();
    listener.disconnect (handler);
    listener.close ();
    while (error == null) {
        MainContext.default ().iteration (true);
    }
    assert (error is IOError.CLOSED && !listener.is_connected ());
}

// A callback gets one client at a time.
void limits () throws Error {
    var listener = new Qio.NetListener ();
    listener.open_sync ((SocketConnectable) any_port (), 5);
    listener.max_clients = 1;
    var port = (uint16) ((InetSocketAddress) listener.get_local_addresses ().data).port;
    Qio.ChannelSocket[] clients = {};
    listener.set_client_func ((emitter, client) => {
        assert (emitter == listener);
        clients += client;
    });
    Qio.Channel[] outside = { client_of (port), client_of (port) };
    while (clients.length == 0) {
        MainContext.default ().iteration (true);
    }
    run_all ();
    assert (clients.length == 1 && listener.get_clients () == 1);
    clients[0].close ();
    while (clients.length == 1) {
        MainContext.default ().iteration (true);
    }

    // On a private context: the default one has nothing to do with it.
    listener.set_max_clients (0);
    var own = new MainContext ();
    listener.set_client_func_full ((emitter, client) => { clients += client; }, own);
    outside += client_of (port);
    run_all ();
    assert (clients.length == 2);
    while (clients.length == 2) {
        own.iteration (true);
    }
    listener.set_client_func (null);
    listener.close ();
}

// Connections are served in two threads.
async void serving_on_a_pool () throws Error {
    var pool = new Qio.ContextPool (2);
    assert (pool.n_threads == 2 && pool.get_context (1) != null && pool.get_context (2) == null);
    var listener = new Qio.NetListener ();
    var port = listener.open_port (0, 5);
    listener.serve_on (pool, (emitter, client) => {
        try {
            client.write_bytes_all (bytes ("hello"));
            client.close ();
        } catch (Error e) {
            assert_not_reached ();
        }
    });
    for (var i = 0; i < 4; i++) {
        assert (holds (client_of (port).read_bytes_all (5), "hello"));
    }
    assert ((yield pool.shutdown_async (-1)) == 0);
    listener.close ();
}

// Several addresses at once.
async void several () throws Error {
    var directory = DirUtils.make_tmp ("qio-network-XXXXXX");
    var path = Path.build_filename (directory, "socket");
    var address = new UnixSocketAddress (path);
    var listener = new Qio.NetListener ();
    listener.replace_stale = true;
    listener.path_mode = 0660;
    listener.set_path_owner ((uint) Posix.getuid (), (uint) Posix.getgid ());
    new Socket (SocketFamily.UNIX, SocketType.STREAM, SocketProtocol.DEFAULT).bind (address, false);
    yield listener.open_async (address, 5);
    Posix.Stat status;
    assert (Posix.stat (path, out status) == 0 && (status.st_mode & 0777) == 0660);
    listener.open_address (at ("tcp:127.0.0.1:0"), 5);
    var own = at ("tcp:127.0.0.1:0").listen_sync (5);
    listener.add (own);
    assert (error_of (() => listener.add (own)) is IOError.EXISTS);
    assert (listener.get_local_addresses ().length () == 3);
    listener.close ();
    assert (own.is_closed () && DirUtils.remove (directory) == 0);

    // With reuse-port, listeners share a port.
    var one = new Qio.NetListener ();
    var other = new Qio.NetListener ();
    one.reuse_port = other.reuse_port = true;
    var port = one.open_port (0, 5);
    assert (other.open_port (port, 5) == port);
}

async void datagrams () throws Error {
    var server = new Qio.ChannelSocket ();
    server.dgram_sync (any_port ());
    var client = new Qio.ChannelSocket ();
    yield client.dgram_async (any_port (), (SocketConnectable) server.get_local_address ());
    assert (client.socket_type == DATAGRAM);
    assert (client.write_bytes (bytes ("question")) == 8);
    assert (server.get_next_message_size () == 8);
    SocketAddress? sender;
    assert (holds (server.receive_from (64, out sender), "question"));
    assert (server.send_to (bytes ("answer"), sender) == 6);
    assert (holds (client.read_bytes (64), "answer"));
    client.write_bytes (bytes ("too long"));
    assert (error_of (() => server.read_bytes (2)) is IOError.MESSAGE_TOO_LARGE);
}

// Packets, and peer credentials.
void packets () throws Error {
    Qio.ChannelSocket one, other;
    Qio.ChannelSocket.new_pair_of_type (SEQPACKET, out one, out other);
    assert (one.get_socket_type () == SEQPACKET);
    one.write_bytes (bytes ("ab"));
    one.write_bytes (bytes ("c"));
    assert (holds (other.read_bytes (9), "ab") && holds (other.read_bytes (9), "c"));
    int pid;
    uint uid, gid;
    one.get_peer_credentials (out pid, out uid, out gid);
    assert (pid == Posix.getpid () && uid == Posix.getuid () && gid == Posix.getgid ());
    assert (one.get_credentials ().get_unix_pid () == pid);
    assert (new Qio.ChannelSocket.of_type (SEQPACKET).socket_type == SEQPACKET);
}

// Options, and writes without a copy.
async void options () throws Error {
    var listener = at ("tcp:127.0.0.1:0").listen_sync (5);
    var client = new Qio.ChannelSocket ();
    client.connect_sync ((SocketConnectable) listener.get_local_address ());
    var server = listener.accept ();
    client.keep_alive = true;
    assert (client.get_keep_alive () == 1);
    client.set_user_timeout (1234);
    assert (client.user_timeout == 1234);
    client.send_buffer_size = 100000;
    assert (client.get_send_buffer_size () >= 100000);
    var refused = error_of (() => client.set_keep_alive_count (1000));
    assert (refused is IOError.INVALID_ARGUMENT && "TCP_KEEPCNT" in refused.message);

    var long = string.nfill (50000, 'z');
    client.write_bytes_with_fds_all (bytes (long), null, ZERO_COPY);
    assert (holds (server.read_bytes_all (50000), long));
    // The peer is on this machine: all was copied.
    assert ((yield client.flush_async ()) == 1 && client.flush () == 0);
}

async void moving () throws Error {
    Qio.ChannelSocket client, one, other, server;
    Qio.ChannelSocket.new_pair (out client, out one);
    Qio.ChannelSocket.new_pair (out other, out server);
    var sent = new Qio.ByteCounter ();
    var received = new Qio.ByteCounter ();
    var memory = new Qio.ChannelBuffer (0);
    memory.write_bytes_all (bytes ("question, and more"));
    memory.io_seek (0, Posix.SEEK_SET);
    assert (memory.splice_to (client, 8, sent) == 8);
    assert (sent.get_count () == 8);
    client.shutdown (WRITE);
    server.write_bytes_all (bytes ("answer"));
    server.shutdown (WRITE);

    yield one.relay_async (other, sent, received);
    assert (sent.get_count () == 16 && received.get_count () == 6);
    assert (holds (server.read_bytes_all (8), "question"));
    assert (holds (client.read_bytes_all (6), "answer"));
    one.relay (other);

    try {
        yield memory.splice_to_async (server);
        assert_not_reached ();
    } catch (IOError.BROKEN_PIPE error) {
    }
    assert (memory.io_seek (0, Posix.SEEK_CUR) == 8);
    assert ((yield memory.splice_to_async (new Qio.ChannelNull ())) == 10);
}

// A number that is not open is an error.
void closed_numbers () {
    var number = Posix.dup (0);
    Posix.close (number);
    var expected = "descriptor %d: Bad file".printf (number);
    assert (expected in error_of (() => Qio.channel_for_fd (number)).message);
    assert (expected in error_of (() => new Qio.ChannelFile.from_fd (number)).message);
    assert (expected in error_of (() => new Qio.ChannelSocket.from_fd (number)).message);
}

async void journey () throws Error {
    activation ();
    yield addresses ();
    yield connecting ();
    yield connecting_again ();
    yield listening ();
    limits ();
    yield serving_on_a_pool ();
    yield several ();
    yield datagrams ();
    packets ();
    yield options ();
    yield moving ();
    closed_numbers ();
}
