/* Channels as streams of GIO. */

#ifndef QIO_IO_STREAM_H
#define QIO_IO_STREAM_H

#include <gio/gio.h>
#include <qio/qio-channel.h>

G_BEGIN_DECLS

/**
 * QIOIOStream:
 *
 * A channel as a [class@Gio.IOStream], for all that takes one: [class@Gio.DBusConnection],
 * [class@Gio.TlsConnection], [class@Gio.DataInputStream], libsoup, converters.
 *
 * Its halves, [class@Qio.InputStream] and [class@Qio.OutputStream], are pollable: asynchronous
 * calls wait on the main loop of the caller and start no threads. A file on disk is not pollable,
 * and its asynchronous calls are made in threads. The mode of the channel does not matter and does
 * not change: blocking calls wait, the others do not.
 *
 * |[<!-- language="C" -->
 * g_autoptr (QIOIOStream) stream = qio_io_stream_new (QIO_CHANNEL (socket));
 * GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (stream));
 * g_autoptr (GDataInputStream) lines = g_data_input_stream_new (input);
 * g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, NULL, on_line, NULL);
 * ]|
 *
 * Closing the stream, by g_io_stream_close() or g_io_stream_close_async(), sends what the channel
 * has buffered, and closes the channel. Releasing the last reference does not: a stream that was
 * made for one call leaves the connection open.
 *
 * A reader that reads ahead, such as [class@Gio.DataInputStream], keeps what it has read: it is
 * lost for the channel.
 *
 * Use a stream in one thread at a time, as all streams of GIO.
 *
 * Since: 0.1
 */
#define QIO_TYPE_IO_STREAM (qio_io_stream_get_type ())
G_DECLARE_FINAL_TYPE (QIOIOStream, qio_io_stream, QIO, IO_STREAM, GIOStream)

/**
 * QIOInputStream:
 *
 * The half of a [class@Qio.IOStream] that reads.
 *
 * It implements [iface@Gio.PollableInputStream], so that GIO starts no threads for it, and
 * [iface@Gio.Seekable]. It holds the channel, and may outlive the stream. Closing it leaves the
 * channel open.
 *
 * Since: 0.1
 */
#define QIO_TYPE_INPUT_STREAM (qio_input_stream_get_type ())
G_DECLARE_FINAL_TYPE (QIOInputStream, qio_input_stream, QIO, INPUT_STREAM, GInputStream)

/**
 * QIOOutputStream:
 *
 * The half of a [class@Qio.IOStream] that writes.
 *
 * It implements [iface@Gio.PollableOutputStream], so that GIO starts no threads for it, and
 * [iface@Gio.Seekable]. It holds the channel, and may outlive the stream. Closing it sends what the
 * channel has buffered, and shuts down the direction where the channel has
 * %QIO_CHANNEL_FEATURE_SHUTDOWN, so that the peer reads end-of-file; the channel stays open for
 * reading. Releasing the last reference does neither.
 *
 * Since: 0.1
 */
#define QIO_TYPE_OUTPUT_STREAM (qio_output_stream_get_type ())
G_DECLARE_FINAL_TYPE (QIOOutputStream, qio_output_stream, QIO, OUTPUT_STREAM, GOutputStream)

/**
 * qio_io_stream_new:
 * @channel: the channel
 *
 * Creates a stream for a channel. It holds a reference to the channel.
 *
 * Returns: (transfer full): the stream
 *
 * Since: 0.1
 */
QIOIOStream *qio_io_stream_new (QIOChannel *channel);

/**
 * qio_io_stream_get_channel: (get-property channel)
 * @stream: a stream
 *
 * Gets the channel.
 *
 * Returns: (transfer none) (nullable): the channel, or %NULL for a stream that was constructed
 *   without one
 *
 * Since: 0.1
 */
QIOChannel *qio_io_stream_get_channel (QIOIOStream *stream);

G_END_DECLS

#endif
