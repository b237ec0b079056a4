// Shared by the parts of the journey in Vala; public, as none of them uses all of it. The stages
// of each part are in `journey ()`.

public delegate void Failing () throws Error;

// The error that some code throws, if it does.
public Error? error_of (Failing code) {
    try {
        code ();
        return null;
    } catch (Error error) {
        return error;
    }
}

public Bytes bytes (string text) {
    return new Bytes (text.data);
}

public bool holds (Bytes? data, string text) {
    return data != null && data.compare (bytes (text)) == 0;
}

// What a watch has been called with.
public class Seen {
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

int main () {
    // A failed assertion prints its location, and aborts.
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
    stdout.printf ("%s: ok\n", PART);
    return 0;
}
