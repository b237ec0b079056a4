// A layer in Vala: it logs the lines that are written, over TLS and under TLS. QIO_TEST_PKI is a
// directory in QEMU's layout.

const string PART = "filter";

class LineLogger : Qio.ChannelFilter {
    public string[] lines = {};
    private StringBuilder line = new StringBuilder ();

    public LineLogger (Qio.Channel base_channel) {
        Object (base_channel: base_channel);
    }

    public override ssize_t write_bytes_with_fds (Bytes bytes, UnixFDList? fds, Qio.ChannelWriteFlags flags) throws Error {
        var count = base.write_bytes_with_fds (bytes, fds, flags);
        unowned uint8[] data = bytes.get_data ();
        for (var i = 0; i < count; i++) {
            if (data[i] == '\n') {
                lines += line.str;
                line.truncate ();
            } else {
                line.append_c ((char) data[i]);
            }
        }
        return count;
    }
}

Bytes pem (string name) throws Error {
    uint8[] contents;
    FileUtils.get_data (Path.build_filename (Environment.get_variable ("QIO_TEST_PKI"), name), out contents);
    return new Bytes (contents);
}

void tls (Qio.Channel here, Qio.Channel there, out Qio.ChannelTLS client, out Qio.ChannelTLS server) throws Error {
    var of_client = new Qio.TlsCredsBuilder (CLIENT);
    of_client.add_trust_pem (pem ("ca-cert.pem"));
    var of_server = new Qio.TlsCredsBuilder (SERVER);
    of_server.set_certificate_pem (pem ("server-cert.pem"), pem ("server-key.pem"));
    client = new Qio.ChannelTLS.client (here, of_client.build (), "localhost");
    server = new Qio.ChannelTLS.server (there, of_server.build ());
}

// Sends lines in both directions.
async void transfer (Qio.Channel one, Qio.Channel other) throws Error {
    Qio.Channel writer = one, reader = other;
    for (var i = 0; i < 2; i++) {
        Error? failure = null;
        var done = false;
        SourceFunc? resume = null;
        writer.write_bytes_all_async.begin (bytes ("one\ntwo\nthree\n"), Priority.DEFAULT, null, (_, result) => {
            try {
                writer.write_bytes_all_async.end (result);
            } catch (Error error) {
                failure = error;
            }
            done = true;
            if (resume != null) {
                resume ();
            }
        });
        assert (holds (yield reader.read_bytes_all_async (14, Priority.DEFAULT, null), "one\ntwo\nthree\n"));
        if (!done) {
            resume = transfer.callback;
            yield;
        }
        assert_no_error (failure);
        writer = other;
        reader = one;
    }
}

async void journey () throws Error {
    Qio.ChannelSocket one, other;
    Qio.ChannelSocket.new_pair (out one, out other);
    var logger = new LineLogger (one);
    assert (logger.base_channel == one);
    logger.set_blocking (false);
    yield transfer (logger, other);
    assert (string.joinv (" ", logger.lines) == "one two three");

    Qio.ChannelTLS client, server;
    Qio.ChannelSocket.new_pair (out one, out other);
    tls (one, other, out client, out server);
    logger = new LineLogger (client);
    logger.set_blocking (false);
    yield transfer (logger, server);
    assert (string.joinv (" ", logger.lines) == "one two three");

    Qio.ChannelSocket.new_pair (out one, out other);
    tls (new LineLogger (one), other, out client, out server);
    yield transfer (client, server);
}
