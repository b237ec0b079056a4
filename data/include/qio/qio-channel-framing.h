/* Lines and frames of a channel. */

#ifndef QIO_CHANNEL_FRAMING_H
#define QIO_CHANNEL_FRAMING_H

#include <qio/qio-channel.h>

G_BEGIN_DECLS

/**
 * QIOChannelFraming:
 * @QIO_CHANNEL_FRAMING_U8: one byte
 * @QIO_CHANNEL_FRAMING_U16_BE: two bytes, the most significant first
 * @QIO_CHANNEL_FRAMING_U32_BE: four bytes, the most significant first
 * @QIO_CHANNEL_FRAMING_U32_LE: four bytes, the least significant first
 * @QIO_CHANNEL_FRAMING_U64_BE: eight bytes, the most significant first
 * @QIO_CHANNEL_FRAMING_VARINT: LEB128, as in Protocol Buffers: seven bits a byte, the least
 * significant first; the top bit is set in all bytes but the last
 * @QIO_CHANNEL_FRAMING_NETSTRING: the length in decimal digits, a colon, the content, and a comma
 *
 * How the length of a frame is encoded, which precedes its content.
 *
 * Lines and frames are read by qio_channel_read_line(), qio_channel_read_until(),
 * qio_channel_read_frame() and qio_channel_read_to_end(). These functions wait, whatever the mode
 * of the channel is, and read ahead: what follows the item is pushed back, and the next reader of
 * the channel gets it, whatever that is. So a binary body may follow a line, a TLS handshake may
 * follow `STARTTLS`, and a file descriptor that was sent behind a line is received by the next
 * reader of descriptors. Each has a limit, in bytes: a peer cannot fill the memory. After an error
 * no data is lost: what was read is read again.
 *
 * |[<!-- language="C" -->
 * g_autoptr (GBytes) line = qio_channel_read_line (channel, 1000, &error);
 *
 * if (line != NULL)
 *   handle_line (g_bytes_get_data (line, NULL), g_bytes_get_size (line));
 * else if (error == NULL)
 *   handle_end_of_file ();
 * ]|
 *
 * Since: 0.1
 */
typedef enum {
  QIO_CHANNEL_FRAMING_U8 = 0,
  QIO_CHANNEL_FRAMING_U16_BE = 1,
  QIO_CHANNEL_FRAMING_U32_BE = 2,
  QIO_CHANNEL_FRAMING_U32_LE = 3,
  QIO_CHANNEL_FRAMING_U64_BE = 4,
  QIO_CHANNEL_FRAMING_VARINT = 5,
  QIO_CHANNEL_FRAMING_NETSTRING = 6
} QIOChannelFraming;

#define QIO_TYPE_CHANNEL_FRAMING (qio_channel_framing_get_type ())
GType qio_channel_framing_get_type (void);

/**
 * qio_channel_read_line:
 * @ioc: a channel
 * @max: the maximum number of bytes
 * @error: where to report an error
 *
 * Reads a line of @max bytes at most, without its LF or CRLF. What precedes end-of-file is a line
 * as well. Reports %G_IO_ERROR_MESSAGE_TOO_LARGE if the line is longer.
 *
 * Returns: (transfer full) (nullable): the line, or %NULL at end-of-file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_line (QIOChannel *ioc,
                               gsize max,
                               GError **error);

/**
 * qio_channel_read_line_async:
 * @ioc: a channel
 * @max: the maximum number of bytes
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As qio_channel_read_line(), without blocking: @callback is called from the
 * thread-default context. Never blocks, whatever the mode of the channel is. A cancelled
 * operation has consumed nothing.
 *
 * Since: 0.1
 */
void qio_channel_read_line_async (QIOChannel *ioc,
                                  gsize max,
                                  int io_priority,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);

/**
 * qio_channel_read_line_finish:
 * @ioc: a channel
 * @result: the result that @callback got
 * @error: where to report an error
 *
 * Returns the result of qio_channel_read_line_async().
 *
 * Returns: (transfer full) (nullable): the line, or %NULL at end-of-file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_line_finish (QIOChannel *ioc,
                                      GAsyncResult *result,
                                      GError **error);

/**
 * qio_channel_read_until:
 * @ioc: a channel
 * @delimiters: (array length=n_delimiters) (element-type guint8): the bytes that end the data
 * @n_delimiters: the number of delimiters
 * @max: the maximum number of bytes
 * @error: where to report an error
 *
 * Reads up to the first byte that is one of @delimiters, and with it, @max bytes at most. What
 * precedes end-of-file is returned without a delimiter. Reports %G_IO_ERROR_MESSAGE_TOO_LARGE if
 * there is no delimiter in so many bytes.
 *
 * Returns: (transfer full) (nullable): the data, or %NULL at end-of-file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_until (QIOChannel *ioc,
                                const guint8 *delimiters,
                                gsize n_delimiters,
                                gsize max,
                                GError **error);

/**
 * qio_channel_read_until_async:
 * @ioc: a channel
 * @delimiters: (array length=n_delimiters) (element-type guint8): the bytes that end the data
 * @n_delimiters: the number of delimiters
 * @max: the maximum number of bytes
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As qio_channel_read_until(), without blocking: @callback is called from the
 * thread-default context. Never blocks, whatever the mode of the channel is. A cancelled
 * operation has consumed nothing.
 *
 * Since: 0.1
 */
void qio_channel_read_until_async (QIOChannel *ioc,
                                   const guint8 *delimiters,
                                   gsize n_delimiters,
                                   gsize max,
                                   int io_priority,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data);

/**
 * qio_channel_read_until_finish:
 * @ioc: a channel
 * @result: the result that @callback got
 * @error: where to report an error
 *
 * Returns the result of qio_channel_read_until_async().
 *
 * Returns: (transfer full) (nullable): the data, or %NULL at end-of-file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_until_finish (QIOChannel *ioc,
                                       GAsyncResult *result,
                                       GError **error);

/**
 * qio_channel_read_frame:
 * @ioc: a channel
 * @framing: how the length is encoded
 * @max: the maximum number of bytes
 * @error: where to report an error
 *
 * Reads a frame whose content has @max bytes at most. Reports %G_IO_ERROR_MESSAGE_TOO_LARGE for a
 * longer one, before its content is read, %QIO_CHANNEL_ERROR_TRUNCATED at end-of-file in the middle
 * of a frame, and %G_IO_ERROR_INVALID_DATA for bytes that are no frame of this kind.
 *
 * Returns: (transfer full) (nullable): the content, or %NULL at end-of-file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_frame (QIOChannel *ioc,
                                QIOChannelFraming framing,
                                gsize max,
                                GError **error);

/**
 * qio_channel_read_frame_async:
 * @ioc: a channel
 * @framing: how the length is encoded
 * @max: the maximum number of bytes
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As qio_channel_read_frame(), without blocking: @callback is called from the
 * thread-default context. Never blocks, whatever the mode of the channel is. A cancelled
 * operation has consumed nothing.
 *
 * Since: 0.1
 */
void qio_channel_read_frame_async (QIOChannel *ioc,
                                   QIOChannelFraming framing,
                                   gsize max,
                                   int io_priority,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data);

/**
 * qio_channel_read_frame_finish:
 * @ioc: a channel
 * @result: the result that @callback got
 * @error: where to report an error
 *
 * Returns the result of qio_channel_read_frame_async().
 *
 * Returns: (transfer full) (nullable): the content, or %NULL at end-of-file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_frame_finish (QIOChannel *ioc,
                                       GAsyncResult *result,
                                       GError **error);

/**
 * qio_channel_write_frame:
 * @ioc: a channel
 * @framing: how the length is encoded
 * @content: the content
 * @error: where to report an error
 *
 * Writes a frame with this content. Reports %G_IO_ERROR_INVALID_ARGUMENT if the content is too long
 * for the encoding of its length.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_write_frame (QIOChannel *ioc,
                                  QIOChannelFraming framing,
                                  GBytes *content,
                                  GError **error);

/**
 * qio_channel_write_frame_async:
 * @ioc: a channel
 * @framing: how the length is encoded
 * @content: the content
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As qio_channel_write_frame(), without blocking: @callback is called from the
 * thread-default context. Never blocks, whatever the mode of the channel is. A cancelled
 * operation may have written a part of the frame.
 *
 * Since: 0.1
 */
void qio_channel_write_frame_async (QIOChannel *ioc,
                                    QIOChannelFraming framing,
                                    GBytes *content,
                                    int io_priority,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);

/**
 * qio_channel_write_frame_finish:
 * @ioc: a channel
 * @result: the result that @callback got
 * @error: where to report an error
 *
 * Returns the result of qio_channel_write_frame_async().
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_write_frame_finish (QIOChannel *ioc,
                                         GAsyncResult *result,
                                         GError **error);

/**
 * qio_channel_push_back:
 * @ioc: a channel
 * @bytes: the data
 * @error: where to report an error
 *
 * Pushes bytes back that were read and not consumed: the next reader of the channel gets them
 * first. So a protocol that is recognized by its first bytes gets these as well, and a TLS
 * handshake what a buffered reader has read beyond `STARTTLS`. What waits for input is woken.
 *
 * On a channel with %QIO_CHANNEL_FEATURE_SEEKABLE it has to be what was read last: seeks and writes
 * move the position back by its length.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error if the channel is closed
 *
 * Since: 0.1
 */
gboolean qio_channel_push_back (QIOChannel *ioc,
                                GBytes *bytes,
                                GError **error);

/**
 * qio_channel_read_to_end:
 * @ioc: a channel
 * @max: the maximum number of bytes
 * @error: where to report an error
 *
 * Reads all data up to end-of-file. Reports %G_IO_ERROR_MESSAGE_TOO_LARGE if there are more than
 * @max bytes.
 *
 * Returns: (transfer full): the data, none at end-of-file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_to_end (QIOChannel *ioc,
                                 gsize max,
                                 GError **error);

/**
 * qio_channel_read_to_end_async:
 * @ioc: a channel
 * @max: the maximum number of bytes
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As qio_channel_read_to_end(), without blocking: @callback is called from the
 * thread-default context. Never blocks, whatever the mode of the channel is. A cancelled
 * operation has consumed nothing.
 *
 * Since: 0.1
 */
void qio_channel_read_to_end_async (QIOChannel *ioc,
                                    gsize max,
                                    int io_priority,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);

/**
 * qio_channel_read_to_end_finish:
 * @ioc: a channel
 * @result: the result that @callback got
 * @error: where to report an error
 *
 * Returns the result of qio_channel_read_to_end_async().
 *
 * Returns: (transfer full): the data, none at end-of-file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_to_end_finish (QIOChannel *ioc,
                                        GAsyncResult *result,
                                        GError **error);

G_END_DECLS

#endif
