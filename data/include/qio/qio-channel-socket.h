/* Stream sockets: TCP, unix paths and abstract names. */

#ifndef QIO_CHANNEL_SOCKET_H
#define QIO_CHANNEL_SOCKET_H

#include <qio/qio-channel.h>

G_BEGIN_DECLS

#define QIO_TYPE_CHANNEL_SOCKET (qio_channel_socket_get_type ())

/**
 * QIOChannelSocket:
 *
 * A stream socket: TCP over IPv4 and IPv6, a unix path or an abstract name, or any socket that is adopted.
 *
 * Unix sockets pass file descriptors, up to 253 in one message. A write to a peer that is gone fails and raises
 * no signal. A socket that listens on a unix path removes the file when it is closed or finalized, unless
 * another file has taken its place.
 */
G_DECLARE_DERIVABLE_TYPE (QIOChannelSocket, qio_channel_socket, QIO, CHANNEL_SOCKET, QIOChannel)

/**
 * QIOChannelSocketClass:
 * @parent_class: the parent class
 *
 * The class of a #QIOChannelSocket.
 */
struct _QIOChannelSocketClass
{
  QIOChannelClass parent_class;

  /*< private >*/
  gpointer padding[8];
};

/**
 * QIOChannelSocket:fd:
 *
 * The number of the descriptor, or -1 when there is none.
 */

/**
 * QIOChannelSocket:local-address:
 *
 * The address of this end, once there is one.
 */

/**
 * QIOChannelSocket:remote-address:
 *
 * The address of the other end, if there is one.
 */

/**
 * qio_channel_socket_new:
 *
 * Makes a channel that is still to be connected, or to listen: once.
 *
 * Returns: (transfer full): a channel
 */
QIOChannelSocket *qio_channel_socket_new (void);

/**
 * qio_channel_socket_new_fd: (constructor)
 * @fd: a socket
 * @error: where to report an error
 *
 * Makes a channel of a socket, which it takes over, and closes on failure. The mode, blocking or not, is the
 * one that the socket is in.
 *
 * Returns: (transfer full): a channel
 */
QIOChannelSocket *qio_channel_socket_new_fd (int fd,
                                             GError **error);

/**
 * qio_channel_socket_new_pair:
 * @one: (out) (transfer full): one end
 * @other: (out) (transfer full): the other end
 * @error: where to report an error
 *
 * Makes two unix sockets that are connected to each other. Neither is set on failure.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 */
gboolean qio_channel_socket_new_pair (QIOChannelSocket **one,
                                      QIOChannelSocket **other,
                                      GError **error);

/**
 * qio_channel_socket_adopt_fd:
 * @socket: a channel
 * @fd: a socket
 * @error: where to report an error
 *
 * Gives a channel its socket, which it takes over, and closes on failure. For classes that derive from this one,
 * whose instances begin without. %G_IO_ERROR_EXISTS if the channel has one, %G_IO_ERROR_CLOSED if it was closed.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 */
gboolean qio_channel_socket_adopt_fd (QIOChannelSocket *socket,
                                      int fd,
                                      GError **error);

/**
 * qio_channel_socket_connect_sync:
 * @socket: a channel that is not open yet
 * @address: where to
 * @error: where to report an error
 *
 * Connects. Blocks, also while a name is looked up. Where a name has several addresses, each is tried in turn,
 * and the error is that of the last one.
 *
 * Returns: (skip): 0, or -1 with an error
 */
int qio_channel_socket_connect_sync (QIOChannelSocket *socket,
                                     GSocketConnectable *address,
                                     GError **error);

/**
 * qio_channel_socket_listen_sync:
 * @socket: a channel that is not open yet
 * @address: where; with port 0 the system chooses one
 * @backlog: how many connections may wait to be accepted
 * @error: where to report an error
 *
 * Listens. qio_channel_socket_get_local_address() tells the port.
 *
 * Returns: (skip): 0, or -1 with an error
 */
int qio_channel_socket_listen_sync (QIOChannelSocket *socket,
                                    GSocketAddress *address,
                                    guint backlog,
                                    GError **error);

/**
 * qio_channel_socket_accept:
 * @socket: a channel that listens
 * @error: where to report an error
 *
 * Takes one connection. In blocking mode waits for one; in non-blocking mode the error is
 * %G_IO_ERROR_WOULD_BLOCK if none is there. The new channel is blocking, whatever the mode of this one is.
 *
 * On an error, such as %G_IO_ERROR_TOO_MANY_OPEN_FILES, the connection stays in the queue.
 *
 * Returns: (transfer full): a channel
 */
QIOChannelSocket *qio_channel_socket_accept (QIOChannelSocket *socket,
                                             GError **error);

/**
 * qio_channel_socket_accept_async:
 * @socket: a channel that listens
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it; the connection stays in the queue then
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Takes one connection, once there is one, on the thread's default main context. Never blocks, whatever the
 * mode of the channel is.
 */
void qio_channel_socket_accept_async (QIOChannelSocket *socket,
                                      int io_priority,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);

/**
 * qio_channel_socket_accept_finish:
 * @socket: the channel
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of qio_channel_socket_accept_async().
 *
 * Returns: (transfer full): a channel
 */
QIOChannelSocket *qio_channel_socket_accept_finish (QIOChannelSocket *socket,
                                                    GAsyncResult *result,
                                                    GError **error);

/**
 * qio_channel_socket_get_local_address:
 * @socket: a channel
 * @error: where to report an error
 *
 * Tells the address of this end.
 *
 * Returns: (transfer full): the address
 */
GSocketAddress *qio_channel_socket_get_local_address (QIOChannelSocket *socket,
                                                      GError **error);

/**
 * qio_channel_socket_get_remote_address:
 * @socket: a channel
 * @error: where to report an error
 *
 * Tells the address of the other end. %G_IO_ERROR_NOT_CONNECTED if there is none.
 *
 * Returns: (transfer full): the address
 */
GSocketAddress *qio_channel_socket_get_remote_address (QIOChannelSocket *socket,
                                                       GError **error);

/**
 * qio_channel_socket_get_fd:
 * @socket: a channel
 *
 * Tells the number of the descriptor, which the channel keeps: do not close it.
 *
 * Returns: the number, or -1 when there is none
 */
int qio_channel_socket_get_fd (QIOChannelSocket *socket);

G_END_DECLS

#endif
