// The part of the journey in Vala with lines, frames, and channels as streams of GIO.

const string PART = "streams";

void items () throws Error {
    Qio.ChannelSocket one, other;
    Qio.ChannelSocket.new_pair (out one, out other);
    other.write_bytes_all (bytes ("one\r\ntwo;body"));
    assert (holds (one.read_line (100), "one"));
    assert (holds (one.read_until (";,".data, 100), "two;"));
    // What was read ahead goes to the next reader.
    assert (holds (one.read_bytes_all (4), "body"));
    one.push_back (bytes ("pushed back\n"));
    assert (holds (one.read_line (100), "pushed back"));
    other.write_frame (Qio.ChannelFraming.U32_BE, bytes ("a frame"));
    other.write_frame (Qio.ChannelFraming.NETSTRING, bytes ("net"));
    assert (holds (one.read_frame (Qio.ChannelFraming.U32_BE, 100), "a frame"));
    assert (holds (one.read_frame (Qio.ChannelFraming.NETSTRING, 100), "net"));
    other.write_bytes_all (bytes ("too long\n"));
    var error = error_of (() => {
        one.read_line (3);
    });
    assert (error is IOError.MESSAGE_TOO_LARGE);
    other.close ();
    assert (holds (one.read_to_end (100), "too long\n"));
    assert (one.read_line (100) == null);
}

async void items_asynchronously () throws Error {
    Qio.ChannelSocket one, other;
    Qio.ChannelSocket.new_pair (out one, out other);
    const int USUAL = Priority.DEFAULT;
    yield other.write_frame_async (Qio.ChannelFraming.U32_BE, bytes ("frame"), USUAL, null);
    other.write_bytes_all (bytes ("line\nfield;rest"));
    assert (holds (yield one.read_frame_async (Qio.ChannelFraming.U32_BE, 100, USUAL, null), "frame"));
    assert (holds (yield one.read_line_async (100, USUAL, null), "line"));
    assert (holds (yield one.read_until_async (";".data, 100, USUAL, null), "field;"));
    other.close ();
    assert (holds (yield one.read_to_end_async (100, USUAL, null), "rest"));
    assert ((yield one.read_line_async (100, USUAL, null)) == null);
}

async void streams () throws Error {
    Qio.ChannelSocket one, other;
    Qio.ChannelSocket.new_pair (out one, out other);
    var stream = new Qio.IOStream (one);
    assert (stream.channel == one);
    var lines = new DataInputStream (stream.input_stream);
    var output = new Qio.IOStream (other).output_stream;
    size_t written;
    output.write_all ("one\ntwo\n".data, out written);
    assert (lines.read_line () == "one");
    assert ((yield lines.read_line_async ()) == "two");
    assert (!other.is_closed ());
    yield stream.close_async ();
    assert (one.is_closed ());
}

async void journey () throws Error {
    items ();
    yield items_asynchronously ();
    yield streams ();
}
