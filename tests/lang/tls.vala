// The TLS part of the journey in Vala. QIO_TEST_PKI is a directory in QEMU's layout.

const string PART = "tls";

string path (string name) {
    return Path.build_filename (Environment.get_variable ("QIO_TEST_PKI"), name);
}

Bytes pem (string name) throws Error {
    uint8[] contents;
    FileUtils.get_data (path (name), out contents);
    return new Bytes (contents);
}

// By texts.
Qio.TlsCreds client_creds () throws Error {
    var builder = new Qio.TlsCredsBuilder (CLIENT);
    builder.add_trust_pem (pem ("ca-cert.pem"));
    builder.set_alpn_protocols ({ "other", "echo" });
    return builder.build ();
}

Qio.TlsCreds server_creds () throws Error {
    var builder = new Qio.TlsCredsBuilder (SERVER);
    builder.set_certificate_pem (pem ("server-cert.pem"), pem ("server-key.pem"));
    builder.set_alpn_protocols ({ "echo" });
    return builder.build ();
}

// By a directory: the client has a certificate too, which the server needs to see.
Qio.TlsCreds directory_creds (Qio.TlsEndpoint endpoint) throws Error {
    var builder = new Qio.TlsCredsBuilder (endpoint);
    builder.set_directory (path (""));
    if (endpoint == SERVER) {
        builder.set_client_certificates (REQUIRED);
    }
    return builder.build ();
}

// A connection, and the result of its handshake at each end.
class Ends {
    public Qio.ChannelTLS client;
    public Qio.ChannelTLS server;
    public Error? error = null;
    public Error? their_error = null;

    public Ends (Qio.TlsCreds mine, Qio.TlsCreds theirs, string? name = "localhost") throws Error {
        Qio.ChannelSocket here, there;
        Qio.ChannelSocket.new_pair (out here, out there);
        this.over (here, there, mine, theirs, name);
    }

    public Ends.over (Qio.Channel here, Qio.Channel there, Qio.TlsCreds mine, Qio.TlsCreds theirs,
                      string? name = "localhost") throws Error {
        client = new Qio.ChannelTLS.client (here, mine, name);
        server = new Qio.ChannelTLS.server (there, theirs);
    }

    private async void answer () {
        try {
            yield server.handshake_async ();
        } catch (Error e) {
            their_error = e;
        }
    }

    // Both at once.
    public async void try_to_handshake () {
        var answered = false;
        var waiting = false;
        answer.begin ((_, result) => {
            answer.end (result);
            answered = true;
            if (waiting) {
                try_to_handshake.callback ();
            }
        });
        try {
            yield client.handshake_async ();
        } catch (Error e) {
            error = e;
        }
        if (!answered) {
            waiting = true;
            yield;
        }
    }

    public async void handshake () throws Error {
        yield try_to_handshake ();
        assert_no_error (error);
        assert_no_error (their_error);
    }

    // Sends close_notify at one end, which is the end of what the other one reads.
    public async void part () throws Error {
        yield client.bye_async ();
        assert ((yield server.read_bytes_async (1)).get_size () == 0);
        yield server.bye_async ();
        assert ((yield client.read_bytes_async (1)).get_size () == 0);
    }
}

Qio.TlsCreds locked_creds (owned Qio.TlsPasswordFunc func) throws Error {
    var builder = new Qio.TlsCredsBuilder (SERVER);
    builder.set_certificate_files (path ("server-cert.pem"), path ("locked.pem"));
    builder.set_password_func ((owned) func);
    return builder.copy ().build ();
}

// Is finalized with its last owner.
class Witness {
    public static uint alive = 0;
    public uint calls = 0;

    public Witness () {
        alive++;
    }

    ~Witness () {
        alive--;
    }
}

void credentials () throws Error {
    var creds = client_creds ();
    assert (creds.get_endpoint () == CLIENT && creds.endpoint == CLIENT && creds.verifies_peer);
    assert (!server_creds ().verifies_peer && directory_creds (SERVER).verifies_peer);
    var error = error_of (() => {
        var builder = new Qio.TlsCredsBuilder (SERVER);
        builder.set_directory ("/nowhere");
        builder.build ();
    });
    assert (error is IOError.NOT_FOUND && "/nowhere" in error.message);

    // The password callback is freed with the last of the builders.
    int status;
    Process.spawn_command_line_sync ("openssl pkey -aes256 -passout pass:sesame -in %s -out %s".printf (
        path ("server-key.pem"), path ("locked.pem")), null, null, out status);
    Process.check_wait_status (status);
    {
        var witness = new Witness ();
        locked_creds (what => {
            witness.calls++;
            return what == path ("locked.pem") ? "sesame" : null;
        });
        assert (witness.calls == 1);
        assert (error_of (() => locked_creds (what => { witness.calls++; return null; })) is TlsError.BAD_CERTIFICATE_PASSWORD);
        assert (witness.calls == 2 && Witness.alive == 1);
    }
    assert (Witness.alive == 0);
}

async void verified () throws Error {
    var ends = new Ends (client_creds (), server_creds ());
    var emissions = 0;
    ends.client.notify["handshake-done"].connect (() => emissions++);
    assert (!ends.client.handshake_done && ends.client.get_cipher () == null);
    yield ends.handshake ();
    assert (emissions == 1);
    foreach (var end in new Qio.ChannelTLS[] { ends.client, ends.server }) {
        assert (end.handshake_done && end.is_handshake_done () && !end.resumed && !end.is_resumed ());
        assert (end.protocol_version == TLS_1_3 && end.cipher.has_prefix ("TLS_"));
        assert (end.alpn_protocol == "echo" && end.get_alpn_protocol () == "echo");
    }
    assert (ends.client.hostname == "localhost" && ends.server.get_hostname () == "localhost");
    assert (ends.client.get_master () is Qio.ChannelSocket && ends.client.creds.endpoint == CLIENT);
    var expected = new TlsCertificate.from_file (path ("server-cert.pem"));
    assert (ends.client.peer_certificate.is_same (expected) && ends.server.get_peer_certificate () == null);

    yield ends.client.write_bytes_all_async (bytes ("question"));
    assert (holds (yield ends.server.read_bytes_all_async (8), "question"));
    ends.client.update_keys (true);
    yield ends.server.write_bytes_all_async (bytes ("answer"));
    assert (holds (yield ends.client.read_bytes_all_async (6), "answer"));
    yield ends.part ();
    yield ends.client.close_async ();
    ends.server.close ();
}

// An end without close_notify may be caused by an attacker.
async void cut () throws Error {
    var ends = new Ends (client_creds (), server_creds ());
    yield ends.handshake ();
    ends.server.master.close ();
    try {
        yield ends.client.read_bytes_async (1);
        assert_not_reached ();
    } catch (TlsError.EOF e) {
    }
    UnixFDList? fds;
    assert (ends.client.read_bytes_with_fds (1, out fds, RELAXED_EOF).get_size () == 0);
    ends.client.require_close_notify = false;
    assert ((yield ends.client.read_bytes_async (1)).get_size () == 0);
}

async void another_name () throws Error {
    var ends = new Ends (client_creds (), server_creds (), "example.org");
    yield ends.try_to_handshake ();
    assert (ends.error is TlsError.BAD_CERTIFICATE);
    assert (ends.error.message.has_prefix ("Unable to perform the TLS handshake with example.org: "));
    assert (ends.their_error is TlsError.HANDSHAKE);
    // It is still worth looking at.
    assert (!ends.client.handshake_done && ends.client.peer_certificate != null);
    assert (error_of (() => ends.client.read_bytes (1)).message == ends.error.message);
}

// A certificate that does not verify is data, and up to a handler.
async void accepted () throws Error {
    foreach (var answer in new bool[] { true, false }) {
        var ends = new Ends (directory_creds (CLIENT), directory_creds (SERVER), "example.org");
        TlsCertificateFlags seen = 0;
        ends.client.accept_certificate.connect ((certificate, errors) => {
            assert (certificate.is_same (ends.client.peer_certificate));
            seen = errors;
            return answer;
        });
        yield ends.try_to_handshake ();
        assert (ends.client.handshake_done == answer && seen == TlsCertificateFlags.BAD_IDENTITY);
        assert (ends.client.peer_certificate_errors == seen && ends.client.get_peer_certificate_errors () == seen);
    }
}

// authorize-peer handlers decide about a verified certificate.
async void authorized () throws Error {
    var mine = directory_creds (CLIENT);
    var theirs = directory_creds (SERVER);
    var ends = new Ends (mine, theirs);
    var chain = "";
    ends.server.authorize_peer.connect ((certificate) => {
        assert (!ends.server.handshake_done);
        for (var one = certificate; one != null; one = one.issuer) {
            chain += one.subject_name + ";";
        }
        return true;
    });
    yield ends.handshake ();
    assert (chain.index_of ("alice") >= 0 && chain.split (";").length == 4);
    assert ("alice" in ends.server.peer_certificate.subject_name);

    ends = new Ends (mine, theirs);
    ends.server.authorize_peer.connect (() => true);
    ends.server.authorize_peer.connect (() => false);
    yield ends.try_to_handshake ();
    assert (ends.their_error is TlsError.BAD_CERTIFICATE && ends.their_error.message.has_suffix ("rejected by authorize-peer handler"));
    assert (error_of (() => ends.server.write_bytes (bytes ("x"))).message == ends.their_error.message);

    // A handler may close the channel, or release its last reference.
    ends = new Ends (mine, theirs);
    ends.server.authorize_peer.connect (() => {
        try {
            ends.server.close ();
        } catch (Error e) {
            assert_no_error (e);
        }
        return true;
    });
    yield ends.try_to_handshake ();
    assert (ends.their_error is IOError.CLOSED && !ends.server.handshake_done);
}

// A pre-shared key authenticates both ends.
Qio.TlsCreds psk_creds (Qio.TlsEndpoint endpoint, string name, Witness witness) throws Error {
    var builder = new Qio.TlsCredsBuilder (endpoint);
    builder.add_psk (name, bytes ("sixteen bytes..."));
    builder.set_key_log_func (line => {
        witness.calls++;
    });
    return builder.build ();
}

async void in_common () throws Error {
    {
        var witness = new Witness ();
        var theirs = psk_creds (SERVER, "alice", witness);
        var ends = new Ends (psk_creds (CLIENT, "alice", witness), theirs, null);
        yield ends.handshake ();
        assert (!ends.client.creds.verifies_peer && ends.client.get_peer_certificate () == null);
        assert (witness.calls > 0);
        yield ends.part ();
        ends = new Ends (psk_creds (CLIENT, "mallory", witness), theirs, null);
        yield ends.try_to_handshake ();
        assert (ends.error is TlsError.HANDSHAKE && ends.their_error is TlsError.HANDSHAKE);
    }
}

async void resumed () throws Error {
    var mine = client_creds ();
    var theirs = server_creds ();
    for (var i = 0; i < 2; i++) {
        var ends = new Ends (mine, theirs);
        var times = 0;
        ends.client.authorize_peer.connect (() => ++times > 0);
        yield ends.handshake ();
        assert (ends.client.resumed == (i == 1) && ends.server.is_resumed () == (i == 1));
        assert (times == 1 && ends.client.peer_certificate != null);
        // The session ticket arrives with the data.
        ends.server.write_bytes_all (bytes ("x"));
        assert (holds (yield ends.client.read_bytes_all_async (1), "x"));
        yield ends.part ();
    }
}

// A deadline is a cancellable. The next call continues with the rest, which ends when the channel
// is closed.
async void limited () throws Error {
    var ends = new Ends (client_creds (), server_creds ());
    var cancellable = new Cancellable ();
    Timeout.add (10, () => {
        cancellable.cancel ();
        return Source.REMOVE;
    });
    try {
        yield ends.client.handshake_async (Priority.DEFAULT, cancellable);
        assert_not_reached ();
    } catch (IOError.CANCELLED e) {
    }
    yield ends.handshake ();
    assert (ends.client.handshake_done);

    ends = new Ends (client_creds (), server_creds ());
    Timeout.add (10, () => {
        assert (error_of (() => ends.client.close ()) == null);
        return Source.REMOVE;
    });
    try {
        yield ends.client.handshake_async ();
        assert_not_reached ();
    } catch (IOError.CLOSED e) {
    }
}

// Passes everything on, a few bytes at a time, and waits by a watch alone.
class Slow : Qio.Channel {
    private Qio.ChannelSocket below;

    public Slow (Qio.ChannelSocket below) {
        this.below = below;
    }

    public override ssize_t write_bytes_with_fds (Bytes data, UnixFDList? fds, Qio.ChannelWriteFlags flags) throws Error {
        return below.write_bytes (data.slice (0, int.min (data.length, 100)));
    }

    public override Bytes read_bytes_with_fds (size_t count, out UnixFDList? fds, Qio.ChannelReadFlags flags) throws Error {
        fds = null;
        return below.read_bytes (size_t.min (count, 70));
    }

    public override int io_set_blocking (bool enabled) throws Error {
        below.set_blocking (enabled);
        return 0;
    }

    public override Qio.ChannelSource create_watch (IOCondition condition) {
        return below.create_watch (condition);
    }

    public override int io_close () throws Error {
        below.close ();
        return 0;
    }
}

async void over_a_class () throws Error {
    Qio.ChannelSocket here, there;
    Qio.ChannelSocket.new_pair (out here, out there);
    var outer = new Ends.over (new Slow (here), new Slow (there), client_creds (), server_creds ());
    yield outer.handshake ();
    var many = new Bytes (new uint8[50000]);
    Bytes? got = null;
    outer.server.read_bytes_all_async.begin (50000, Priority.DEFAULT, null, (_, result) => {
        try {
            got = outer.server.read_bytes_all_async.end (result);
        } catch (Error e) {
            assert_no_error (e);
        }
    });
    yield outer.client.write_bytes_all_async (many);
    while (got == null) {
        Idle.add (over_a_class.callback);
        yield;
    }
    assert (got.compare (many) == 0);

    // TLS in TLS, over the class.
    var inner = new Ends.over (outer.client, outer.server, client_creds (), server_creds ());
    yield inner.handshake ();
    yield inner.client.write_bytes_all_async (bytes ("inside"));
    assert (holds (yield inner.server.read_bytes_all_async (6), "inside"));
    yield inner.part ();
    yield outer.part ();
}

async void journey () throws Error {
    credentials ();
    yield verified ();
    yield cut ();
    yield another_name ();
    yield authorized ();
    yield accepted ();
    yield in_common ();
    yield resumed ();
    yield limited ();
    yield over_a_class ();
}
