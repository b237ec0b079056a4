/* Memory as a channel. */

#ifndef QIO_CHANNEL_BUFFER_H
#define QIO_CHANNEL_BUFFER_H

#include <qio/qio-channel.h>

G_BEGIN_DECLS

#define QIO_TYPE_CHANNEL_BUFFER (qio_channel_buffer_get_type ())

/**
 * QIOChannelBuffer:
 *
 * Memory that is read and written like a file. Reads, writes and qio_channel_io_seek() move one
 * common position. It grows as needed; a gap between the end and a later write is filled with
 * zeros. Always ready.
 */
G_DECLARE_DERIVABLE_TYPE (QIOChannelBuffer, qio_channel_buffer, QIO, CHANNEL_BUFFER, QIOChannel)

/**
 * QIOChannelBufferClass:
 * @parent_class: the parent class
 *
 * The class of a #QIOChannelBuffer.
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
 */

/**
 * QIOChannelBuffer:position:
 *
 * The position of the next read or write, in bytes from the start.
 */

/**
 * qio_channel_buffer_new:
 * @capacity: the number of bytes to reserve, or 0
 *
 * Creates an empty channel.
 *
 * Returns: (transfer full): a channel
 */
QIOChannelBuffer *qio_channel_buffer_new (gsize capacity);

/**
 * qio_channel_buffer_get_data:
 * @buffer: a channel
 *
 * Copies all data, independent of the position. The data remains after the channel was closed.
 *
 * Returns: (transfer full): the bytes
 */
GBytes *qio_channel_buffer_get_data (QIOChannelBuffer *buffer);

/**
 * qio_channel_buffer_get_size:
 * @buffer: a channel
 *
 * Gets the size of the data.
 *
 * Returns: the number of bytes
 */
guint64 qio_channel_buffer_get_size (QIOChannelBuffer *buffer);

/**
 * qio_channel_buffer_get_position:
 * @buffer: a channel
 *
 * Gets the position of the next read or write, which may be beyond the end.
 *
 * Returns: the position, in bytes from the start
 */
guint64 qio_channel_buffer_get_position (QIOChannelBuffer *buffer);

G_END_DECLS

#endif
