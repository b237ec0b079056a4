/* The channel that discards its data. */

#ifndef QIO_CHANNEL_NULL_H
#define QIO_CHANNEL_NULL_H

#include <qio/qio-channel.h>

G_BEGIN_DECLS

#define QIO_TYPE_CHANNEL_NULL (qio_channel_null_get_type ())

/**
 * QIOChannelNull:
 *
 * A channel that discards writes, and whose reads return end-of-file, as `/dev/null`, but without a
 * descriptor. Always ready.
 */
G_DECLARE_DERIVABLE_TYPE (QIOChannelNull, qio_channel_null, QIO, CHANNEL_NULL, QIOChannel)

/**
 * QIOChannelNullClass:
 * @parent_class: the parent class
 *
 * The class of a #QIOChannelNull.
 */
struct _QIOChannelNullClass
{
  QIOChannelClass parent_class;

  /*< private >*/
  gpointer padding[8];
};

/**
 * qio_channel_null_new:
 *
 * Makes a channel.
 *
 * Returns: (transfer full): a channel
 */
QIOChannelNull *qio_channel_null_new (void);

G_END_DECLS

#endif
