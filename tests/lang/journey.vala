// A journey through the library in Vala. Its stages are those of the other journeys of this folder.

delegate void Failing () throws Error;

// The error that some code throws, if it does.
Error? error_of (Failing code) {
    try {
        code ();
        return null;
    } catch (Error error) {
        return error;
    }
}

Bytes bytes (string text) {
    return new Bytes (text.data);
}

bool holds (Bytes? data, string text) {
    return data != null && data.compare (bytes (text)) == 0;
}

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

// Derived from the class of files: what is read comes in capitals.
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

// Derived from the class of sockets: counts what goes through it.
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

void files (string directory) throws Error {
    var path = Path.build_filename (directory, "file");
    var file = new Qio.ChannelFile.from_path (path, Posix.O_RDWR | Posix.O_CREAT, 0600);
    assert (file.get_path () == path);
    assert (file.has_feature (SEEKABLE) && !file.has_feature (FD_PASS));
    file.write_bytes_all (bytes ("hello"));
    assert (file.io_seek (1, Posix.SEEK_SET) == 1);
    assert (holds (file.read_bytes (16), "ello"));

    // The end of the file.
    assert (file.read_bytes (16).get_size () == 0);
    assert (file.read_bytes_all_eof (1) == null);
    assert (file.io_seek (-2, Posix.SEEK_END) == 3);
    assert (error_of (() => file.read_bytes_all (3)) is Qio.ChannelError.TRUNCATED);

    assert (holds (file.pread_bytes (3, 2), "llo"));
    assert (file.pwrite_bytes (bytes ("J"), 0) == 1);
    file.close ();
    assert (file.get_fd () == -1);
    assert (error_of (() => file.read_bytes (1)) is IOError.CLOSED);

    var missing = Path.build_filename (directory, "missing");
    var error = error_of (() => new Qio.ChannelFile.from_path (missing, Posix.O_RDONLY, 0));
    assert (error is IOError.NOT_FOUND && missing in error.message);
    assert (FileUtils.unlink (path) == 0);
}

void pair () throws Error {
    Qio.ChannelSocket one, other;
    Qio.ChannelSocket.new_pair (out one, out other);
    one.set_blocking (false);

    // Nothing there.
    assert (error_of (() => one.read_bytes (16)) is IOError.WOULD_BLOCK);
    assert (error_of (() => one.wait_timeout (IOCondition.IN, 1000, null)) is IOError.TIMED_OUT);
    IOCondition ready;
    one.wait_timeout (IOCondition.OUT, -1, out ready);
    assert (ready == IOCondition.OUT);

    assert (other.write_bytes (bytes ("abc")) == 3);
    assert (holds (one.read_bytes (16), "abc"));
    other.shutdown (WRITE);
    assert (one.read_bytes (16).get_size () == 0);
    one.close ();
    other.close ();
}

// Sends the write end of a pipe through a socket, and writes through what arrives.
void descriptors () throws Error {
    Qio.ChannelSocket one, other;
    Qio.ChannelSocket.new_pair (out one, out other);
    int ends[2];
    uint8 byte[1];
    assert (Posix.pipe (ends) == 0);
    var fds = new UnixFDList ();
    fds.append (ends[1]);
    assert (one.write_bytes_with_fds (bytes ("f"), fds, 0) == 1);
    UnixFDList? arrived;
    assert (holds (other.read_bytes_with_fds (10, out arrived, 0), "f"));
    assert (arrived.get_length () == 1);
    assert (Posix.write (arrived.peek_fds ()[0], "x", 1) == 1);
    assert (Posix.read (ends[0], byte, 1) == 1 && byte[0] == 'x');

    one.write_bytes_with_fds_all (bytes ("gh"), fds, 0);
    assert (holds (other.read_bytes_with_fds_all (2, out arrived), "gh"));
    assert (arrived.get_length () == 1);

    one.write_bytes_all (bytes ("none"));
    assert (holds (other.read_bytes_with_fds (10, out arrived, 0), "none"));
    assert (arrived == null);
    Posix.close (ends[0]);
    Posix.close (ends[1]);
}

async void loopback () throws Error {
    var host = new InetAddress.loopback (SocketFamily.IPV4);
    var listener = new Qio.ChannelSocket ();
    listener.listen_sync (new InetSocketAddress (host, 0), 5);
    assert (listener.has_feature (LISTEN));
    var address = (InetSocketAddress) listener.get_local_address ();
    assert (address.port != 0);

    listener.set_blocking (false);
    assert (error_of (() => listener.accept ()) is IOError.WOULD_BLOCK);
    var client = new Qio.ChannelSocket ();
    client.connect_sync (address);
    listener.wait (IOCondition.IN);
    var server = listener.accept ();
    assert (((InetSocketAddress) client.get_remote_address ()).port == address.port);
    client.set_delay (false);
    client.write_bytes_all (bytes ("ping"));
    assert (holds (server.read_bytes_all (4), "ping"));

    var late = new Qio.ChannelSocket ();
    late.connect_sync (address);
    var second = yield listener.accept_async ();
    assert (second.get_fd () >= 0);

    listener.close ();
    assert (error_of (() => new Qio.ChannelSocket ().connect_sync (address)) is IOError.CONNECTION_REFUSED);
}

// What a watch has been called with.
class Seen {
    public uint calls = 0;
    public Qio.Channel? channel = null;
    public IOCondition condition = 0;

    public bool note (Qio.Channel channel, IOCondition condition) {
        calls++;
        this.channel = channel;
        this.condition = condition;
        return Source.REMOVE;
    }

    public void await (MainContext? context = null) {
        var running = context ?? MainContext.default ();
        while (calls == 0) {
            running.iteration (true);
        }
    }
}

void watches () throws Error {
    Qio.ChannelSocket one, other;
    Qio.ChannelSocket.new_pair (out one, out other);
    other.write_bytes_all (bytes ("w"));

    var seen = new Seen ();
    assert (one.add_watch (IOCondition.IN, seen.note) != 0);
    seen.await ();
    assert (seen.channel == one && seen.condition == IOCondition.IN);

    // On a private context: the default one has nothing to do with it.
    var own = new MainContext ();
    seen = new Seen ();
    assert (one.add_watch_full (IOCondition.IN, seen.note, own) != 0);
    while (MainContext.default ().iteration (false));
    assert (seen.calls == 0);
    seen.await (own);
    assert (seen.channel == one && seen.condition == IOCondition.IN);

    // A source of one's own, and one that is taken back.
    seen = new Seen ();
    var source = new Qio.ChannelSource (one, IOCondition.IN);
    source.set_callback (seen.note);
    source.attach (own);
    seen.await (own);
    assert (seen.channel == one && source.is_destroyed ());

    seen = new Seen ();
    source = one.create_watch (IOCondition.IN);
    source.set_callback (seen.note);
    source.attach (own);
    source.destroy ();
    assert (!own.iteration (false) && seen.calls == 0);

    // A hang-up is told, whatever was asked for.
    one.read_bytes_all (1);
    other.close ();
    seen = new Seen ();
    one.add_watch (IOCondition.IN, seen.note);
    seen.await ();
    assert (IOCondition.HUP in seen.condition);
}

async void asynchronous () throws Error {
    Qio.ChannelSocket one, other;
    Qio.ChannelSocket.new_pair (out one, out other);

    // The read comes first, and waits.
    Bytes? read = null;
    var waiting = false;
    one.read_bytes_all_async.begin (5, Priority.DEFAULT, null, (_, result) => {
        try {
            read = one.read_bytes_all_async.end (result);
        } catch (Error error) {
            assert_no_error (error);
        }
        if (waiting) {
            asynchronous.callback ();
        }
    });
    yield other.write_bytes_all_async (bytes ("hello"));
    if (read == null) {
        waiting = true;
        yield;
    }
    assert (holds (read, "hello"));

    // A read that somebody cancels loses no data.
    var cancellable = new Cancellable ();
    cancellable.cancel ();
    try {
        yield one.read_bytes_async (5, Priority.DEFAULT, cancellable);
        assert_not_reached ();
    } catch (IOError.CANCELLED error) {
    }
    other.write_bytes_all (bytes ("hello"));
    assert ((yield one.ready_async (IOCondition.IN)) == IOCondition.IN);
    assert (holds (yield one.read_bytes_async (2), "he"));
    UnixFDList? fds;
    assert (holds (yield one.read_bytes_with_fds_async (2, 0, Priority.DEFAULT, null, out fds), "ll"));
    assert (fds == null);

    // The end, in the middle and at the start.
    other.shutdown (WRITE);
    try {
        yield one.read_bytes_all_async (10);
        assert_not_reached ();
    } catch (Qio.ChannelError.TRUNCATED error) {
    }
    assert ((yield one.read_bytes_all_eof_async (10)) == null);
    yield one.close_async ();
    assert (one.is_closed ());
}

void properties () throws Error {
    Qio.ChannelSocket one, other;
    Qio.ChannelSocket.new_pair (out one, out other);
    var notified = "";
    one.notify.connect (pspec => {
        if (pspec.name == "name" || pspec.name == "blocking" || pspec.name == "closed") {
            notified += pspec.name + " ";
        }
    });
    one.name = "first";
    one.blocking = false;
    assert (one.get_name () == "first" && !one.get_blocking ());
    one.set_name ("first");
    one.close ();
    one.close ();
    assert (one.closed && !one.blocking);
    assert (one.features == one.get_features () && FD_PASS in one.features);
    assert (notified == "name blocking closed ");
    one.set_name (null);
    assert (one.get_name () == null);
}

void others () throws Error {
    var command = new Qio.ChannelCommand.spawn ({ "cat" }, Posix.O_RDWR);
    int status;
    command.write_bytes_all (bytes ("child"));
    assert (holds (command.read_bytes_all (5), "child"));
    assert (!command.get_exit_status (out status));
    command.close ();
    assert (command.get_exit_status (out status) && status == 0);

    var memory = new Qio.ChannelBuffer (16);
    memory.write_bytes_all (bytes ("memory"));
    assert (holds (memory.get_data (), "memory"));
    var nothing = new Qio.ChannelNull ();
    assert (nothing.write_bytes (bytes ("void")) == 4);
    assert (nothing.read_bytes (5).get_size () == 0);
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

    // What it does not do, the base class says.
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

    // A source of another kind calls the callback nevertheless, and no source at all says so.
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
    var directory = DirUtils.make_tmp ("qio-journey-XXXXXX");
    files (directory);
    assert (DirUtils.remove (directory) == 0);
    pair ();
    descriptors ();
    yield loopback ();
    watches ();
    yield asynchronous ();
    properties ();
    others ();
    yield derived_from_abstract ();
    yield derived_from_concrete ();
    wrong_classes ();
}

int main () {
    // An assertion that does not hold says where it is, and aborts.
    Process.signal (ProcessSignal.ABRT, () => Posix._exit (1));

    var loop = new MainLoop ();
    journey.begin ((_, result) => {
        try {
            journey.end (result);
        } catch (Error error) {
            assert_no_error (error);
        }
        loop.quit ();
    });
    loop.run ();
    stdout.printf ("journey: ok\n");
    return 0;
}
