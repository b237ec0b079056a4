// The part of the journey in Vala with streams of GIO as channels.

const string PART = "gio_streams";

/** Counts, and cannot poll. */
class Numbers : InputStream {
    private uint8 next = 0;

    public override ssize_t read (uint8[] buffer, Cancellable? cancellable) throws IOError {
        var size = int.min (buffer.length, 3);
        for (var i = 0; i < size; i++) {
            buffer[i] = next++;
        }
        return size;
    }

    public override bool close (Cancellable? cancellable) throws IOError {
        return true;
    }
}

void class_in_vala () throws Error {
    var channel = new Qio.ChannelIOStream.pair (new Numbers (), null);
    var read = channel.read_bytes_all (100);
    for (var i = 0; i < 100; i++) {
        assert (read[i] == i);
    }
    assert (channel.output_stream == null);
    channel.close ();
    assert (channel.input_stream.is_closed ());
    var error = error_of (() => {
        new Qio.ChannelIOStream.pair (null, null);
    });
    assert (error is IOError.INVALID_ARGUMENT);
}

async void memory () throws Error {
    const int USUAL = Priority.DEFAULT;
    var output = new MemoryOutputStream.resizable ();
    var stream = new SimpleIOStream (new MemoryInputStream.from_bytes (bytes ("content")), output);
    var channel = new Qio.ChannelIOStream (stream);
    assert (channel.io_stream == stream);
    assert (holds (yield channel.read_to_end_async (100, USUAL, null), "content"));
    yield channel.write_bytes_all_async (bytes ("written"), USUAL, null);
    yield channel.close_async (USUAL, null);
    assert (holds (output.steal_as_bytes (), "written"));
}

void connections () throws Error {
    Qio.ChannelSocket one, other;
    Qio.ChannelSocket.new_pair (out one, out other);
    var connection = one.to_connection ();
    assert (connection is UnixConnection);
    size_t written;
    connection.output_stream.write_all ("ping".data, out written);
    assert (holds (other.read_bytes_all (4), "ping"));
    assert (Qio.Channel.for_stream (connection) is Qio.ChannelSocket);
    assert (new Qio.ChannelSocket.from_connection (connection) is Qio.ChannelSocket);
    assert (Qio.Channel.for_stream (new Qio.IOStream (other)) == other);
}

async void journey () throws Error {
    class_in_vala ();
    yield memory ();
    connections ();
}
