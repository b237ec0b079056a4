/* Memory as a channel. */

#ifndef QIO_CHANNEL_BUFFER_H
#define QIO_CHANNEL_BUFFER_H

#include <qio/qio-channel.h>

G_BEGIN_DECLS

#define QIO_TYPE_CHANNEL_BUFFER (qio_channel_buffer_get_type ())

/**
 * QIOChannelBuffer:
 *
 * Memory that is written and read like a file.
 *
 * [ctor@Qio.ChannelBuffer.new] makes an empty one. It has one position, which reads and writes both
 * move, and [method@Qio.Channel.io_seek]. It grows as needed; what lies between the end and a later
 * write is filled with zeros. It is always ready.
 *
 * A typical sequence:
 *
 * ```c
 * g_autoptr (QIOChannelBuffer) buffer = qio_channel_buffer_new (0);
 * g_autoptr (GBytes) data = NULL;
 *
 * qio_channel_write_all (QIO_CHANNEL (buffer), "hello", 5, NULL);
 * data = qio_channel_buffer_get_data (buffer);
 * ```
 *
 * ## Threads
 *
 * As of every [class@Qio.Channel]; each read and write is atomic.
 *
 * Since: 0.1
 */
G_DECLARE_DERIVABLE_TYPE (QIOChannelBuffer, qio_channel_buffer, QIO, CHANNEL_BUFFER, QIOChannel)

/**
 * QIOChannelBufferClass:
 * @parent_class: the parent class
 *
 * The class of a [class@Qio.ChannelBuffer].
 *
 * Since: 0.1
 */
struct _QIOChannelBufferClass
{
  QIOChannelClass parent_class;

  /*< private >*/
  gpointer padding[8];
};

/**
 * QIOChannelBuffer:size:
 *
 * The size of the data in bytes.
 *
 * Since: 0.1
 */

/**
 * QIOChannelBuffer:position:
 *
 * The position of the next read or write, in bytes from the start.
 *
 * Since: 0.1
 */

/**
 * qio_channel_buffer_new:
 * @capacity: the number of bytes to reserve, or 0
 *
 * Creates an empty channel.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelBuffer *qio_channel_buffer_new (gsize capacity);

/**
 * qio_channel_buffer_get_data:
 * @buffer: a channel
 *
 * Copies all data, independent of the position. The data remains after the channel was closed.
 *
 * Returns: (transfer full): the bytes
 *
 * Since: 0.1
 */
GBytes *qio_channel_buffer_get_data (QIOChannelBuffer *buffer);

/**
 * qio_channel_buffer_get_size:
 * @buffer: a channel
 *
 * Gets the size of the data.
 *
 * Returns: the number of bytes
 *
 * Since: 0.1
 */
guint64 qio_channel_buffer_get_size (QIOChannelBuffer *buffer);

/**
 * qio_channel_buffer_get_position:
 * @buffer: a channel
 *
 * Gets the position of the next read or write, which may be beyond the end.
 *
 * Returns: the position, in bytes from the start
 *
 * Since: 0.1
 */
guint64 qio_channel_buffer_get_position (QIOChannelBuffer *buffer);

G_END_DECLS

#endif
