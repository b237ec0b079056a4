/* Connecting again after failures. */

#ifndef QIO_BACKOFF_H
#define QIO_BACKOFF_H

#include <qio/qio-channel-socket.h>

G_BEGIN_DECLS

#define QIO_TYPE_BACKOFF (qio_backoff_get_type ())

/**
 * QIOBackoff:
 *
 * How often, and after which delays, an operation that has failed is tried again.
 *
 * The limit of the delay begins with the initial delay, and is multiplied by the factor after each
 * failure, up to the maximum. With jitter each delay is chosen at random between zero and its
 * limit, so that the clients of a server that was restarted do not all come at the same moment;
 * without jitter it is the limit. The defaults: any number of attempts, 100 ms at first, 30 s at
 * most, a factor of 2, with jitter.
 *
 * [method@Qio.ChannelSocket.connect_with_backoff_async] connects that way. Some errors end the
 * attempts at once, as another attempt would have the same result: an invalid address, a family or
 * an option that is not supported, a permission that is missing, a proxy that refuses the
 * credentials, a channel that was closed or opened before, a cancelled operation.
 *
 * Since: 0.1
 */
typedef struct _QIOBackoff QIOBackoff;

GType qio_backoff_get_type (void);

/**
 * qio_backoff_new: (constructor)
 *
 * Creates a back-off with the defaults.
 *
 * Returns: (transfer full): the back-off
 *
 * Since: 0.1
 */
QIOBackoff *qio_backoff_new (void);

/**
 * qio_backoff_copy:
 * @backoff: a back-off
 *
 * Copies a back-off.
 *
 * Returns: (transfer full): the copy
 *
 * Since: 0.1
 */
QIOBackoff *qio_backoff_copy (const QIOBackoff *backoff);

/**
 * qio_backoff_free: (skip)
 * @backoff: (transfer full): a back-off
 *
 * Frees a back-off.
 *
 * Since: 0.1
 */
void qio_backoff_free (QIOBackoff *backoff);

/**
 * qio_backoff_set_attempts:
 * @backoff: a back-off
 * @attempts: the maximum number of attempts, including the first one, or 0 for no limit
 *
 * Sets the maximum number of attempts.
 *
 * Since: 0.1
 */
void qio_backoff_set_attempts (QIOBackoff *backoff,
                               guint attempts);

/**
 * qio_backoff_set_delays:
 * @backoff: a back-off
 * @initial: the limit of the first delay, in milliseconds
 * @max: the limit of all delays, in milliseconds
 *
 * Sets the limits of the delays.
 *
 * Since: 0.1
 */
void qio_backoff_set_delays (QIOBackoff *backoff,
                             guint initial,
                             guint max);

/**
 * qio_backoff_set_factor:
 * @backoff: a back-off
 * @factor: the factor; anything that is not above 1 counts as 1
 *
 * Sets what the limit of the delay is multiplied by after each failure.
 *
 * Since: 0.1
 */
void qio_backoff_set_factor (QIOBackoff *backoff,
                             double factor);

/**
 * qio_backoff_set_jitter:
 * @backoff: a back-off
 * @jitter: whether delays are random, from zero to their limit
 *
 * Sets whether delays are random.
 *
 * Since: 0.1
 */
void qio_backoff_set_jitter (QIOBackoff *backoff,
                             gboolean jitter);

/**
 * qio_backoff_get_delay:
 * @backoff: a back-off
 * @failures: the number of failures so far
 *
 * Gets the delay before the next attempt, for programs that wait by themselves. With jitter each
 * call returns another one.
 *
 * Returns: the delay in milliseconds
 *
 * Since: 0.1
 */
guint qio_backoff_get_delay (const QIOBackoff *backoff,
                             guint failures);

/**
 * qio_channel_socket_connect_with_backoff_sync:
 * @socket: a channel that is not open yet
 * @address: where to
 * @backoff: how often, and after which delays
 * @cancellable: (nullable): what can cancel it, from any thread
 * @error: where to report an error
 *
 * Connects, and tries again after failures. Blocks; in a coroutine, suspends that. Proxies are not
 * used. The message of an error ends with the number of attempts, and the error is that of the last
 * one: see [method@Qio.ChannelSocket.connect_with_backoff_async].
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_socket_connect_with_backoff_sync (QIOChannelSocket *socket,
                                                  GSocketConnectable *address,
                                                  const QIOBackoff *backoff,
                                                  GCancellable *cancellable,
                                                  GError **error);

/**
 * qio_channel_socket_connect_with_backoff_async:
 * @socket: a channel that is not open yet
 * @address: where to: an address, a [class@Gio.NetworkAddress], a [class@Gio.NetworkService], …
 * @backoff: how often, and after which delays
 * @client: (nullable): the options of an attempt, %NULL for those of a new
 *   [class@Gio.SocketClient]
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it, in an attempt and in a delay
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Connects as [method@Qio.ChannelSocket.connect_async], and tries again after failures. Names are
 * resolved again for each attempt. The last attempt ends it, and errors that another attempt would
 * have as well: see [struct@Qio.Backoff]. Closing the channel ends it at once.
 *
 * A channel can be connected once: to reconnect after the connection was lost, use a new one.
 *
 * Since: 0.1
 */
void qio_channel_socket_connect_with_backoff_async (QIOChannelSocket *socket,
                                                    GSocketConnectable *address,
                                                    const QIOBackoff *backoff,
                                                    GSocketClient *client,
                                                    int io_priority,
                                                    GCancellable *cancellable,
                                                    GAsyncReadyCallback callback,
                                                    gpointer user_data);

/**
 * qio_channel_socket_connect_with_backoff_finish:
 * @socket: the channel
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelSocket.connect_with_backoff_async]. An error is that of
 * the last attempt, as of [method@Qio.ChannelSocket.connect_finish], and its message ends with the
 * number of attempts.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_socket_connect_with_backoff_finish (QIOChannelSocket *socket,
                                                         GAsyncResult *result,
                                                         GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QIOBackoff, qio_backoff_free)

G_END_DECLS

#endif
