// A journey through the library in Vala, with the same stages as the journeys in other languages in
// this folder. It is continued in waiting.vala, subclass.vala and network.vala.

const string PART = "journey";

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
    string[] script = { "sh", "-c", "cat; echo err >&2; exit 3" };
    command = new Qio.ChannelCommand.full (script, null, null, Posix.O_RDWR, PIPE);
    Bytes output, errors;
    command.communicate (bytes ("in"), -1, out output, out errors, out status);
    assert (holds (output, "in") && holds (errors, "err\n") && status >> 8 == 3);
    assert (command.get_stderr ().read_bytes (1).get_size () == 0);

    var memory = new Qio.ChannelBuffer (16);
    memory.write_bytes_all (bytes ("memory"));
    assert (holds (memory.get_data (), "memory"));
    var nothing = new Qio.ChannelNull ();
    assert (nothing.write_bytes (bytes ("void")) == 4);
    assert (nothing.read_bytes (5).get_size () == 0);
}

async void journey () throws Error {
    var directory = DirUtils.make_tmp ("qio-journey-XXXXXX");
    files (directory);
    assert (DirUtils.remove (directory) == 0);
    pair ();
    descriptors ();
    yield loopback ();
    properties ();
    others ();
}
