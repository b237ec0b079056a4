/* The channel that discards its data. */

#ifndef QIO_CHANNEL_NULL_H
#define QIO_CHANNEL_NULL_H

#include <qio/qio-channel.h>

G_BEGIN_DECLS

#define QIO_TYPE_CHANNEL_NULL (qio_channel_null_get_type ())

/**
 * QIOChannelNull:
 *
 * A channel that discards what is written and is always at its end.
 *
 * As `/dev/null`, but without a descriptor. It is always ready.
 *
 * A typical sequence discards, and counts, the data of a channel:
 *
 * ```c
 * g_autoptr (QIOChannelNull) nowhere = qio_channel_null_new ();
 * goffset count = qio_channel_splice_to (channel, QIO_CHANNEL (nowhere), -1, NULL, &error);
 * ```
 *
 * Since: 0.1
 */
G_DECLARE_DERIVABLE_TYPE (QIOChannelNull, qio_channel_null, QIO, CHANNEL_NULL, QIOChannel)

/**
 * QIOChannelNullClass:
 * @parent_class: the parent class
 *
 * The class of a [class@Qio.ChannelNull].
 *
 * Since: 0.1
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
 *
 * Since: 0.1
 */
QIOChannelNull *qio_channel_null_new (void);

G_END_DECLS

#endif
