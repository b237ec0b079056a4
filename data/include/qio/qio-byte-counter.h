/* Counting bytes while they are moved. */

#ifndef QIO_BYTE_COUNTER_H
#define QIO_BYTE_COUNTER_H

#include <glib-object.h>

G_BEGIN_DECLS

/**
 * QIOByteCounter:
 *
 * Counts the bytes that [method@Qio.Channel.splice_to] and [method@Qio.Channel.relay] move, to be
 * read while the operation runs, in any thread, and also where an error has ended it. It is
 * reference-counted.
 *
 * Since: 0.1
 */
typedef struct _QIOByteCounter QIOByteCounter;

#define QIO_TYPE_BYTE_COUNTER (qio_byte_counter_get_type ())
GType qio_byte_counter_get_type (void);

/**
 * qio_byte_counter_new:
 *
 * Creates a counter of 0 bytes.
 *
 * Returns: (transfer full): the counter
 *
 * Since: 0.1
 */
QIOByteCounter *qio_byte_counter_new (void);

/**
 * qio_byte_counter_ref:
 * @counter: a counter
 *
 * Increments the reference count. May be called from any thread.
 *
 * Returns: (transfer full): the same counter
 *
 * Since: 0.1
 */
QIOByteCounter *qio_byte_counter_ref (QIOByteCounter *counter);

/**
 * qio_byte_counter_unref:
 * @counter: (transfer full): a counter
 *
 * Decrements the reference count. May be called from any thread.
 *
 * Since: 0.1
 */
void qio_byte_counter_unref (QIOByteCounter *counter);

/**
 * qio_byte_counter_get_count:
 * @counter: a counter
 *
 * Gets the number of bytes so far. May be called from any thread.
 *
 * Returns: the number of bytes
 *
 * Since: 0.1
 */
guint64 qio_byte_counter_get_count (QIOByteCounter *counter);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QIOByteCounter, qio_byte_counter_unref)

G_END_DECLS

#endif
