// A client of the library that is installed.

int main () {
    var loop = new MainLoop ();
    var read = 0;

    try {
        Qio.ChannelSocket here, there;
        Qio.ChannelSocket.new_pair (out here, out there);
        here.set_blocking (false);
        here.add_watch (IOCondition.IN, (channel, condition) => {
            try {
                read = (int) channel.read_bytes (16).length;
            } catch (Error error) {
                printerr ("%s\n", error.message);
            }
            loop.quit ();
            return Source.REMOVE;
        });
        there.write_bytes_all (new Bytes ("hello".data));
        loop.run ();
    } catch (Error error) {
        printerr ("%s\n", error.message);
    }
    return read == 5 ? 0 : 1;
}
