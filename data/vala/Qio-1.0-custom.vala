namespace Qio {
	[CCode (cname = "GSource", ref_function = "g_source_ref", unref_function = "g_source_unref")]
	public class ChannelSource : GLib.Source {
		[CCode (cname = "qio_channel_create_watch")]
		public ChannelSource (Qio.Channel ioc, GLib.IOCondition condition);
		[CCode (cname = "g_source_set_callback")]
		public void set_callback ([CCode (type = "GSourceFunc")] owned Qio.ChannelFunc func);
	}

	[CCode (cname = "qio_channel_new_fd")]
	public static Qio.Channel channel_for_fd (int fd) throws GLib.Error;
}
