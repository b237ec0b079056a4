/* Memory as a channel. */

#ifndef QIO_CHANNEL_BUFFER_H
#define QIO_CHANNEL_BUFFER_H

#include <qio/qio-channel.h>

G_BEGIN_DECLS

#define QIO_TYPE_CHANNEL_BUFFER (qio_channel_buffer_get_type ())

/**
 * QIOChannelBuffer:
 *
 * Memory that is written and read like a file: it has one position, which reads and writes both
 * move, and qio_channel_io_seek(). It grows as needed; what lies between the end and a later write
 * is filled with zeros. Always ready.
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
 * How many bytes the memory holds.
 */

/**
 * QIOChannelBuffer:position:
 *
 * Where the next read or write takes place, in bytes from the start.
 */

/**
 * qio_channel_buffer_new:
 * @capacity: how many bytes to reserve; 0 is fine
 *
 * Makes an empty channel.
 *
 * Returns: (transfer full): a channel
 */
QIOChannelBuffer *qio_channel_buffer_new (gsize capacity);

/**
 * qio_channel_buffer_get_data:
 * @buffer: a channel
 *
 * Copies everything that is in the memory, wherever the position is. Closing the channel does not
 * take it away.
 *
 * Returns: (transfer full): the bytes
 */
GBytes *qio_channel_buffer_get_data (QIOChannelBuffer *buffer);

/**
 * qio_channel_buffer_get_size:
 * @buffer: a channel
 *
 * Gets how many bytes the memory holds.
 *
 * Returns: the number of bytes
 */
guint64 qio_channel_buffer_get_size (QIOChannelBuffer *buffer);

/**
 * qio_channel_buffer_get_position:
 * @buffer: a channel
 *
 * Gets where the next read or write takes place. May be beyond the end.
 *
 * Returns: the position, in bytes from the start
 */
guint64 qio_channel_buffer_get_position (QIOChannelBuffer *buffer);

G_END_DECLS

#endif
