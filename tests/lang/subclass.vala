// The part of the journey in Vala with classes in Vala: valid ones, and invalid ones.

const string PART = "subclass";

// Derived from the abstract class: what is written to it can be read from it.
class Echo : Qio.Channel {
    private ByteArray held = new ByteArray ();
    // Readable while something is held: what a reader waits for.
    private int bell[2];

    construct {
        assert (Posix.pipe (bell) == 0);
    }

    ~Echo () {
        Posix.close (bell[0]);
        Posix.close (bell[1]);
    }

    public override ssize_t write_bytes_with_fds (Bytes data, UnixFDList? fds, Qio.ChannelWriteFlags flags) throws Error {
        if (held.len == 0) {
            assert (Posix.write (bell[1], "!", 1) == 1);
        }
        held.append (data.get_data ());
        return (ssize_t) data.get_size ();
    }

    public override Bytes read_bytes_with_fds (size_t count, out UnixFDList? fds, Qio.ChannelReadFlags flags) throws Error {
        fds = null;
        if (held.len == 0) {
            throw new IOError.WOULD_BLOCK ("Nothing is held");
        }
        var size = uint.min (held.len, (uint) count);
        var data = new Bytes (held.data[0:size]);
        held.remove_range (0, size);
        if (held.len == 0) {
            uint8 rung[1];
            assert (Posix.read (bell[0], rung, 1) == 1);
        }
        return data;
    }

    public override int io_set_blocking (bool enabled) throws Error {
        return 0;
    }

    public override int io_close () throws Error {
        return 0;
    }

    public override int io_wait_fd (IOCondition condition, out IOCondition fd_condition) {
        fd_condition = IOCondition.IN;
        return IOCondition.OUT in condition ? Qio.CHANNEL_WAIT_NOW : bell[0];
    }
}

// Derived from the class of files: reads return capital letters.
class Upper : Qio.ChannelFile {
    public int closes = 0;

    public override Bytes read_bytes_with_fds (size_t count, out UnixFDList? fds, Qio.ChannelReadFlags flags) throws Error {
        var data = base.read_bytes_with_fds (count, out fds, flags).get_data ();
        var upper = new uint8[data.length];
        for (var i = 0; i < data.length; i++) {
            upper[i] = (uint8) ((char) data[i]).toupper ();
        }
        return new Bytes.take ((owned) upper);
    }

    public override int io_close () throws Error {
        closes++;
        return base.io_close ();
    }
}

// Derived from the class of sockets: counts the transferred bytes.
class Counter : Qio.ChannelSocket {
    public size_t sent = 0;
    public size_t received = 0;

    public Counter () {
        Object ();
    }

    public override ssize_t write_bytes_with_fds (Bytes data, UnixFDList? fds, Qio.ChannelWriteFlags flags) throws Error {
        var count = base.write_bytes_with_fds (data, fds, flags);
        sent += count;
        return count;
    }

    public override Bytes read_bytes_with_fds (size_t count, out UnixFDList? fds, Qio.ChannelReadFlags flags) throws Error {
        var data = base.read_bytes_with_fds (count, out fds, flags);
        received += data.get_size ();
        return data;
    }
}

// Does what is wrong.
class Wrong : Qio.Channel {
    public Source? watch;

    public override Bytes read_bytes_with_fds (size_t count, out UnixFDList? fds, Qio.ChannelReadFlags flags) throws Error {
        fds = null;
        if (count == 1) {
            throw new IOError.PERMISSION_DENIED ("Not today");
        }
        return new Bytes (new uint8[count + 1]);
    }

    public override ssize_t write_bytes_with_fds (Bytes data, UnixFDList? fds, Qio.ChannelWriteFlags flags) throws Error {
        return 0;
    }

    public override Qio.ChannelSource create_watch (IOCondition condition) {
        return (Qio.ChannelSource) (owned) watch;
    }
}

async void derived_from_abstract () throws Error {
    var echo = new Echo ();
    assert (error_of (() => echo.read_bytes (1)) is IOError.WOULD_BLOCK);
    echo.write_bytes_all (bytes ("abcde"));
    assert (holds (echo.read_bytes_all (5), "abcde"));

    // One small method is enough to wait by a watch, and asynchronously.
    var readable = new Seen ();
    var writable = new Seen ();
    echo.add_watch (IOCondition.IN, readable.note);
    echo.add_watch (IOCondition.OUT, writable.note);
    writable.await ();
    assert (writable.condition == IOCondition.OUT && readable.calls == 0);
    echo.write_bytes (bytes ("x"));
    readable.await ();
    assert (readable.condition == IOCondition.IN);
    assert (holds (echo.read_bytes (8), "x"));

    Idle.add (() => {
        try {
            echo.write_bytes_all (bytes ("by bytes"));
        } catch (Error error) {
            assert_no_error (error);
        }
        return Source.REMOVE;
    });
    assert (holds (yield echo.read_bytes_all_async (8), "by bytes"));

    // The base class reports what it does not implement.
    assert (error_of (() => echo.io_seek (0, Posix.SEEK_SET)) is IOError.NOT_SUPPORTED);
    echo.set_cork (true);
    echo.close ();
    assert (error_of (() => echo.write_bytes (bytes ("x"))) is IOError.CLOSED);
}

async void derived_from_concrete () throws Error {
    int ends[2];
    assert (Posix.pipe (ends) == 0);
    var upper = (Upper) Object.new (typeof (Upper));
    upper.adopt_fd (ends[0]);
    assert (Posix.write (ends[1], "abcdef", 6) == 6);
    assert (holds (upper.read_bytes_all (3), "ABC"));
    assert (holds (upper.read_bytes (10), "DEF"));
    upper.close ();
    upper.close ();
    assert (upper.closes == 1);
    Posix.close (ends[1]);

    Qio.ChannelSocket one, other;
    Qio.ChannelSocket.new_pair (out one, out other);
    var counter = new Counter ();
    counter.adopt_fd (Posix.dup (other.get_fd ()));
    counter.write_bytes_all (bytes ("four"));
    assert (holds (one.read_bytes_all (4), "four"));
    one.write_bytes_all (bytes ("xyz"));
    assert (holds (yield counter.read_bytes_all_async (3), "xyz"));
    assert (counter.sent == 4 && counter.received == 3);
}

void wrong_classes () {
    // An error is the caller's; a result that cannot be is one too.
    var wrong = new Wrong ();
    assert (error_of (() => wrong.read_bytes (1)) is IOError.PERMISSION_DENIED);
    assert (error_of (() => wrong.read_bytes (2)) is IOError.FAILED);
    assert (error_of (() => wrong.write_bytes (bytes ("x"))) is IOError.FAILED);

    // A watch of a descriptor, in place of one of the channel's own.
    int ends[2];
    assert (Posix.pipe (ends) == 0 && Posix.write (ends[1], "x", 1) == 1);
    var seen = new Seen ();
    wrong.watch = wrong.create_fd_watch (ends[0], IOCondition.IN);
    wrong.add_watch (IOCondition.IN, seen.note);
    seen.await ();
    assert (seen.channel == wrong && seen.condition == IOCondition.IN);
    Posix.close (ends[0]);
    Posix.close (ends[1]);

    // A source of another kind calls the callback nevertheless, and a missing source is reported.
    seen = new Seen ();
    wrong.watch = new TimeoutSource (1);
    wrong.add_watch (IOCondition.IN, seen.note);
    seen.await ();
    assert (seen.channel == wrong && seen.condition == IOCondition.IN);
    seen = new Seen ();
    wrong.add_watch (IOCondition.IN, seen.note);
    seen.await ();
    assert (seen.condition == IOCondition.NVAL);
}

async void journey () throws Error {
    yield derived_from_abstract ();
    yield derived_from_concrete ();
    wrong_classes ();
}
