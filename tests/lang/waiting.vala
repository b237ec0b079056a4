// The part of the journey in Vala that waits: watches, and asynchronous calls.

const string PART = "waiting";

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

    // A hang-up is reported, whatever condition was requested.
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

    // The read starts first, and waits.
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

    // A cancelled read loses no data.
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

async void journey () throws Error {
    watches ();
    yield asynchronous ();
}
