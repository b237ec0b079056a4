/* Streams of GIO as channels. */

#ifndef QIO_CHANNEL_IO_STREAM_H
#define QIO_CHANNEL_IO_STREAM_H

#include <gio/gio.h>
#include <qio/qio-channel.h>

G_BEGIN_DECLS

#define QIO_TYPE_CHANNEL_IO_STREAM (qio_channel_io_stream_get_type ())

/**
 * QIOChannelIOStream:
 *
 * A stream of GIO as a channel: all that has a [class@Gio.IOStream], or an input and an output
 * stream.
 *
 * [func@Qio.Channel.for_stream] returns a channel of another class where the stream is a socket,
 * one descriptor or a [class@Qio.IOStream]: that is faster, and can pass descriptors.
 *
 * Streams that can poll ([iface@Gio.PollableInputStream]) are read and written without blocking,
 * and waited for by their source. Other ones, such as those of a [iface@Gio.File], are read and
 * written by a thread, one call at a time in each direction and at most 64 KiB each; this needs no
 * main loop. They count as ready while no call is in progress, so that the first read begins one
 * and would block. A call in progress is not lost when the caller stops waiting: the next read
 * returns the data. A write in non-blocking mode, and an asynchronous one, accepts the data while
 * no other write is in progress; its error is reported by the next write, by
 * [method@Qio.Channel.flush] or by [method@Qio.Channel.close]. In blocking mode a write returns its
 * own error.
 *
 * A stream with a position, which implements [iface@Gio.Seekable] (the pair, or the only one of the
 * two), has %QIO_CHANNEL_FEATURE_SEEKABLE: [method@Qio.Channel.io_seek] moves it, and blocks as the
 * stream does that. While a thread reads or writes, it waits, or fails with
 * %G_IO_ERROR_WOULD_BLOCK in non-blocking mode. Reads and writes at an offset are not supported, as
 * GIO has none.
 *
 * A typical sequence reads what a process of GIO prints:
 *
 * |[<!-- language="C" -->
 * g_autoptr (QIOChannelIOStream) output = NULL;
 * g_autoptr (GBytes) text = NULL;
 *
 * output = qio_channel_io_stream_new_pair (g_subprocess_get_stdout_pipe (process), NULL, &error);
 * text = qio_channel_read_to_end (QIO_CHANNEL (output), 100000, &error);
 * ]|
 *
 * Without an input stream, reads return end-of-file; without an output stream, writes fail. Errors
 * of the streams have their own domain and code.
 *
 * [method@Qio.Channel.flush] flushes the stream, in a thread if its class can do that.
 * [method@Qio.Channel.shutdown] closes one of the streams, behind the call in progress, and does
 * not wait for that: flushing does. [method@Qio.Channel.close] closes the streams, in blocking mode
 * before it returns. It does not wait for calls in progress: a read is cancelled, data that were
 * accepted are written, and the streams are closed behind them. [method@Qio.Channel.close_async]
 * waits for them, up to 5 s. Releasing the last reference closes nothing.
 *
 * ## Threads
 *
 * The channel can be shared between threads, and makes one call in each direction at a time. As
 * with every stream of GIO, no other code may use the streams meanwhile. A stream that may be used
 * in one thread only, as one with a class of a language that has one thread, belongs in a channel
 * that is used in this thread only, and must be able to poll.
 *
 * Since: 0.1
 */
G_DECLARE_DERIVABLE_TYPE (QIOChannelIOStream, qio_channel_io_stream, QIO, CHANNEL_IO_STREAM,
                          QIOChannel)

/**
 * QIOChannelIOStreamClass:
 * @parent_class: the parent class
 *
 * The class of a [class@Qio.ChannelIOStream].
 *
 * Since: 0.1
 */
struct _QIOChannelIOStreamClass
{
  QIOChannelClass parent_class;

  /*< private >*/
  gpointer padding[8];
};

/**
 * QIOChannelIOStream:io-stream:
 *
 * The stream that the channel reads from and writes to, if it is one.
 *
 * Since: 0.1
 */

/**
 * QIOChannelIOStream:input-stream:
 *
 * The stream that the channel reads from.
 *
 * Since: 0.1
 */

/**
 * QIOChannelIOStream:output-stream:
 *
 * The stream that the channel writes to.
 *
 * Since: 0.1
 */

/**
 * qio_channel_io_stream_new:
 * @stream: a stream
 *
 * Creates a channel for a stream. It holds a reference to the stream.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelIOStream *qio_channel_io_stream_new (GIOStream *stream);

/**
 * qio_channel_io_stream_new_pair: (constructor)
 * @input: (nullable): the stream to read from
 * @output: (nullable): the stream to write to
 * @error: where to report an error
 *
 * Creates a channel for two streams, or one. It holds references to them. Without any it fails with
 * %G_IO_ERROR_INVALID_ARGUMENT.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelIOStream *qio_channel_io_stream_new_pair (GInputStream *input,
                                                    GOutputStream *output,
                                                    GError **error);

/**
 * qio_channel_io_stream_get_io_stream: (get-property io-stream)
 * @channel: a channel
 *
 * Gets the stream.
 *
 * Returns: (transfer none) (nullable): the stream, or %NULL for a channel of two streams
 *
 * Since: 0.1
 */
GIOStream *qio_channel_io_stream_get_io_stream (QIOChannelIOStream *channel);

/**
 * qio_channel_io_stream_get_input_stream: (get-property input-stream)
 * @channel: a channel
 *
 * Gets the stream that the channel reads from.
 *
 * Returns: (transfer none) (nullable): the stream, or %NULL if there is none
 *
 * Since: 0.1
 */
GInputStream *qio_channel_io_stream_get_input_stream (QIOChannelIOStream *channel);

/**
 * qio_channel_io_stream_get_output_stream: (get-property output-stream)
 * @channel: a channel
 *
 * Gets the stream that the channel writes to.
 *
 * Returns: (transfer none) (nullable): the stream, or %NULL if there is none
 *
 * Since: 0.1
 */
GOutputStream *qio_channel_io_stream_get_output_stream (QIOChannelIOStream *channel);

/**
 * qio_channel_for_stream:
 * @stream: a stream
 * @error: where to report an error
 *
 * Creates a channel for a stream of GIO: what is behind it, where that is known. For a
 * [class@Qio.IOStream] it is its channel; for a [class@Gio.SocketConnection] over no other stream a
 * [class@Qio.ChannelSocket], as [ctor@Qio.ChannelSocket.new_from_connection]; for unix streams of
 * one descriptor a [class@Qio.ChannelFile] with a duplicate of it; for all others a
 * [class@Qio.ChannelIOStream].
 *
 * A channel with a duplicate of the descriptor is in the mode of that. To close the connection,
 * close both the channel and the stream, or shut the channel down.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannel *qio_channel_for_stream (GIOStream *stream,
                                    GError **error);

G_END_DECLS

#endif
