// GIO's own TLS over streams of channels, with ChannelTLS as the peer. QIO_TEST_PKI is a directory
// in QEMU's layout.

const string PART = "gio_tls";
const int USUAL = Priority.DEFAULT;
const size_t SIZE = 1000000;

string path (string name) {
    return Path.build_filename (Environment.get_variable ("QIO_TEST_PKI"), name);
}

Bytes data () {
    var bytes = new uint8[SIZE];
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (uint8) (i % 250);
    }
    return new Bytes.take ((owned) bytes);
}

delegate IOStream End (Qio.Channel channel) throws Error;

IOStream gio_client (Qio.Channel channel) throws Error {
    var client = TlsClientConnection.new (new Qio.IOStream (channel), new NetworkAddress ("localhost", 443));
    client.database = TlsFileDatabase.new (path ("ca-cert.pem"));
    return client;
}

IOStream gio_server (Qio.Channel channel) throws Error {
    var certificate = new TlsCertificate.from_files (path ("server-cert.pem"), path ("server-key.pem"));
    return TlsServerConnection.new (new Qio.IOStream (channel), certificate);
}

IOStream qio_client (Qio.Channel channel) throws Error {
    var builder = new Qio.TlsCredsBuilder (CLIENT);
    builder.add_trust_file (path ("ca-cert.pem"));
    return new Qio.IOStream (new Qio.ChannelTLS.client (channel, builder.build (), "localhost"));
}

IOStream qio_server (Qio.Channel channel) throws Error {
    var builder = new Qio.TlsCredsBuilder (SERVER);
    builder.set_certificate_files (path ("server-cert.pem"), path ("server-key.pem"));
    return new Qio.IOStream (new Qio.ChannelTLS.server (channel, builder.build ()));
}

// What one end has sent and received, and the caller that waits for both.
class Exchange {
    public uint pending = 4;
    public SourceFunc? resume = null;

    public async void write (IOStream stream) {
        try {
            var source = new MemoryInputStream.from_bytes (data ());
            var sent = yield stream.output_stream.splice_async (source, NONE, USUAL, null);
            assert (sent == SIZE);
        } catch (Error error) {
            assert_no_error (error);
        }
        end ();
    }

    public async void read (IOStream stream) {
        try {
            var received = new ByteArray ();
            while (received.len < SIZE) {
                var part = yield stream.input_stream.read_bytes_async (100000, USUAL, null);
                assert (part.length > 0);
                received.append (part.get_data ());
            }
            assert (ByteArray.free_to_bytes ((owned) received).compare (data ()) == 0);
        } catch (Error error) {
            assert_no_error (error);
        }
        end ();
    }

    private void end () {
        pending--;
        if (pending == 0 && resume != null) {
            resume ();
        }
    }
}

async void exchange (End make_client, End make_server) throws Error {
    Qio.ChannelSocket here, there;
    Qio.ChannelSocket.new_pair (out here, out there);
    var client = make_client (here);
    var server = make_server (there);
    var running = new Exchange ();
    foreach (var end in new IOStream[] { client, server }) {
        running.write.begin (end);
        running.read.begin (end);
    }
    if (running.pending > 0) {
        running.resume = exchange.callback;
        yield;
    }
    // The end of the stream is close_notify.
    yield client.close_async (USUAL, null);
    assert (here.is_closed ());
    var rest = yield server.input_stream.read_bytes_async (1, USUAL, null);
    assert (rest.length == 0);
}

async void journey () throws Error {
    yield exchange (gio_client, gio_server);
    yield exchange (gio_client, qio_server);
    yield exchange (qio_client, gio_server);
}
