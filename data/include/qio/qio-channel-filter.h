/* The base class of layers. */

#ifndef QIO_CHANNEL_FILTER_H
#define QIO_CHANNEL_FILTER_H

#include <qio/qio-channel.h>

G_BEGIN_DECLS

#define QIO_TYPE_CHANNEL_FILTER (qio_channel_filter_get_type ())

/**
 * QIOChannelFilter:
 *
 * The base class of layers: it forwards every function to the lower channel, the base channel.
 *
 * A class that derives from it overrides what it changes: usually #QIOChannelClass.io_readv and
 * #QIOChannelClass.io_writev, or #QIOChannelClass.io_read_bytes and
 * #QIOChannelClass.io_write_bytes, which read from and write to the base channel. Waiting,
 * flushing, the mode and closing need nothing more, as long as the class holds no data back. A
 * class that may have data when the base channel has none, because it has read more than it has
 * returned, also overrides #QIOChannelClass.io_wait_fd: it returns %QIO_CHANNEL_WAIT_NOW then, and
 * chains up otherwise. A class that collects output sends it in #QIOChannelClass.io_flush and
 * #QIOChannelClass.io_close, and chains up.
 *
 * |[<!-- language="C" -->
 * static gssize
 * counter_readv (QIOChannel *ioc, const struct iovec *iov, gsize niov, int **fds, gsize *nfds,
 *                int flags, GError **error)
 * {
 *   gssize count = QIO_CHANNEL_CLASS (counter_parent_class)->io_readv (ioc, iov, niov, fds, nfds,
 *                                                                      flags, error);
 *
 *   if (count > 0)
 *     COUNTER (ioc)->count += count;
 *   return count;
 * }
 * ]|
 *
 * A filter has the mode of the base channel, and its features %QIO_CHANNEL_FEATURE_FD_PASS and
 * %QIO_CHANNEL_FEATURE_SHUTDOWN. A class that does not override reading and writing has
 * %QIO_CHANNEL_FEATURE_SEEKABLE and %QIO_CHANNEL_FEATURE_READ_MSG_PEEK as well. Closing the filter
 * closes the base channel; releasing the last reference does not.
 *
 * A filter may be used from any thread, as every channel, if its class allows that.
 *
 * Since: 0.1
 */
G_DECLARE_DERIVABLE_TYPE (QIOChannelFilter, qio_channel_filter, QIO, CHANNEL_FILTER, QIOChannel)

/**
 * QIOChannelFilterClass:
 * @parent_class: the parent class
 *
 * The class of filters.
 *
 * Since: 0.1
 */
struct _QIOChannelFilterClass {
  QIOChannelClass parent_class;

  /*< private >*/
  gpointer padding[8];
};

/**
 * qio_channel_filter_new:
 * @base_channel: the lower channel
 *
 * Creates a filter that changes nothing. It holds a reference to the base channel.
 *
 * Returns: (transfer full): the filter
 *
 * Since: 0.1
 */
QIOChannelFilter *qio_channel_filter_new (QIOChannel *base_channel);

/**
 * qio_channel_filter_get_base_channel: (get-property base-channel)
 * @filter: a filter
 *
 * Gets the base channel.
 *
 * Returns: (transfer none) (nullable): the base channel, or %NULL for a filter that was constructed
 *   without one
 *
 * Since: 0.1
 */
QIOChannel *qio_channel_filter_get_base_channel (QIOChannelFilter *filter);

G_END_DECLS

#endif
