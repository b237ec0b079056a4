/* Sockets: TCP, UDP, unix paths and abstract names, and any that is adopted. */

#ifndef QIO_CHANNEL_SOCKET_H
#define QIO_CHANNEL_SOCKET_H

#include <qio/qio-channel.h>

G_BEGIN_DECLS

/**
 * QIOChannelConnectStage:
 * @QIO_CHANNEL_CONNECT_STAGE_RESOLVING: the addresses are being looked up
 * @QIO_CHANNEL_CONNECT_STAGE_RESOLVED: there is an address; others may follow
 * @QIO_CHANNEL_CONNECT_STAGE_CONNECTING: an address is being tried: that of the proxy, if there is
 * one
 * @QIO_CHANNEL_CONNECT_STAGE_CONNECTED: the address has answered
 * @QIO_CHANNEL_CONNECT_STAGE_PROXY_NEGOTIATING: the request was sent to the proxy
 * @QIO_CHANNEL_CONNECT_STAGE_PROXY_NEGOTIATED: the proxy has connected
 * @QIO_CHANNEL_CONNECT_STAGE_COMPLETE: the end: the channel is open, or it has failed
 *
 * The stages of a connect. The values are those of [enum@Gio.SocketClientEvent].
 *
 * Since: 0.1
 */
typedef enum
{
  QIO_CHANNEL_CONNECT_STAGE_RESOLVING = 0,
  QIO_CHANNEL_CONNECT_STAGE_RESOLVED = 1,
  QIO_CHANNEL_CONNECT_STAGE_CONNECTING = 2,
  QIO_CHANNEL_CONNECT_STAGE_CONNECTED = 3,
  QIO_CHANNEL_CONNECT_STAGE_PROXY_NEGOTIATING = 4,
  QIO_CHANNEL_CONNECT_STAGE_PROXY_NEGOTIATED = 5,
  QIO_CHANNEL_CONNECT_STAGE_COMPLETE = 8,
} QIOChannelConnectStage;

#define QIO_TYPE_CHANNEL_CONNECT_STAGE (qio_channel_connect_stage_get_type ())
GType qio_channel_connect_stage_get_type (void);

#define QIO_TYPE_CHANNEL_SOCKET (qio_channel_socket_get_type ())

/**
 * QIOChannelSocket:
 *
 * A socket: a stream, datagrams or a sequence of packets.
 *
 * Streams are TCP over IPv4 and IPv6, unix paths and abstract names; datagrams are UDP or unix
 * sockets. Any other socket can be adopted.
 *
 * [ctor@Qio.ChannelSocket.new] makes a channel that is not open yet. It becomes a connection by
 * [method@Qio.ChannelSocket.connect_sync] or [method@Qio.ChannelSocket.connect_async], a listening
 * socket by [method@Qio.ChannelSocket.listen_sync], a datagram socket by
 * [method@Qio.ChannelSocket.dgram_sync]. [ctor@Qio.ChannelSocket.new_fd] adopts a descriptor, and
 * [func@Qio.ChannelSocket.new_pair] makes two connected channels.
 *
 * A typical sequence of a client:
 *
 * ```c
 * g_autoptr (GError) error = NULL;
 * g_autoptr (QIOChannelSocket) socket = qio_channel_socket_new ();
 * g_autoptr (GSocketConnectable) address = g_network_address_new ("www.example.com", 80);
 * static const char request[] = "HEAD / HTTP/1.0\r\n\r\n";
 * char answer[1024];
 * gssize count = -1;
 *
 * if (qio_channel_socket_connect_sync (socket, address, &error) == 0
 *     && qio_channel_write_all (QIO_CHANNEL (socket), request, strlen (request), &error) == 0)
 *   count = qio_channel_read (QIO_CHANNEL (socket), answer, sizeof answer, &error);
 * if (count < 0)
 *   g_printerr ("%s\n", error->message);
 * ```
 *
 * Servers are simpler with [class@Qio.NetListener].
 *
 * Unix sockets pass file descriptors, up to 253 in one message. A write to a peer that has
 * disconnected fails and raises no signal. A socket that listens on a unix path removes the file
 * when it is closed or finalized, unless another file has taken its place.
 *
 * ## Threads
 *
 * As of every [class@Qio.Channel]. One thread may read while another one writes.
 *
 * ## Signals
 *
 * [signal@Qio.ChannelSocket::connect-progress] reports the stages of an asynchronous connect, in
 * the thread that runs its context.
 *
 * Since: 0.1
 */
G_DECLARE_DERIVABLE_TYPE (QIOChannelSocket, qio_channel_socket, QIO, CHANNEL_SOCKET, QIOChannel)

/**
 * QIOChannelSocketClass:
 * @parent_class: the parent class
 *
 * The class of a [class@Qio.ChannelSocket].
 *
 * Since: 0.1
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
 *
 * Since: 0.1
 */

/**
 * QIOChannelSocket:local-address:
 *
 * The address of this end, once there is one.
 *
 * Since: 0.1
 */

/**
 * QIOChannelSocket:remote-address:
 *
 * The address of the other end, if there is one.
 *
 * Since: 0.1
 */

/**
 * QIOChannelSocket::connect-progress:
 * @socket: the channel
 * @stage: the stage
 * @connectable: the destination
 * @address: (nullable): the address that @stage is about, if it is about one
 *
 * Emitted at each stage of [method@Qio.ChannelSocket.connect_async], in the thread that runs the
 * context. Several addresses may be tried at the same time. The last stage is
 * %QIO_CHANNEL_CONNECT_STAGE_COMPLETE, with the address of the other end, or without one on
 * failure; after it was cancelled a connect emits nothing more.
 *
 * The address of a proxy is a [class@Gio.ProxyAddress] while it is being connected to.
 *
 * Since: 0.1
 */

/**
 * QIOChannelSocket:socket-type:
 *
 * The type of the socket: the type to create, or once it is open the type of the descriptor. It is
 * set before the socket is open; later that is a warning.
 *
 * Since: 0.1
 */

/**
 * QIOChannelSocket:send-buffer-size:
 *
 * The size of the send buffer of the kernel in bytes (SO_SNDBUF). Linux doubles what is set.
 *
 * Since: 0.1
 */

/**
 * QIOChannelSocket:receive-buffer-size:
 *
 * The size of the receive buffer of the kernel in bytes (SO_RCVBUF). Linux doubles what is set.
 *
 * Since: 0.1
 */

/**
 * QIOChannelSocket:keep-alive:
 *
 * Whether keep-alive probes are sent to an idle peer (SO_KEEPALIVE).
 *
 * Since: 0.1
 */

/**
 * QIOChannelSocket:user-timeout:
 *
 * The time in milliseconds after which unacknowledged data ends a TCP connection
 * (TCP_USER_TIMEOUT). 0: the default of the system.
 *
 * Since: 0.1
 */

/**
 * qio_channel_socket_new:
 *
 * Creates a channel that is not open yet: it can be connected, or listen, once.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelSocket *qio_channel_socket_new (void);

/**
 * qio_channel_socket_new_fd: (constructor)
 * @fd: a socket
 * @error: where to report an error
 *
 * Creates a channel for a socket, and takes ownership of @fd. On failure the caller keeps it, as
 * with [ctor@Gio.Socket.new_from_fd]. The blocking mode is that of the socket. A number that is not
 * open, and a descriptor that is not a socket, are errors.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelSocket *qio_channel_socket_new_fd (int fd,
                                             GError **error);

/**
 * qio_channel_socket_new_pair:
 * @one: (out) (transfer full): one end
 * @other: (out) (transfer full): the other end
 * @error: where to report an error
 *
 * Creates two connected unix sockets. Neither is set on failure.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_socket_new_pair (QIOChannelSocket **one,
                                      QIOChannelSocket **other,
                                      GError **error);

/**
 * qio_channel_socket_new_from_connection: (constructor)
 * @connection: a connection
 * @error: where to report an error
 *
 * Creates a channel with a duplicate of the descriptor of a connection of GIO.
 *
 * It is in non-blocking mode, as the sockets of GIO, with which it shares that: if it is put in
 * blocking mode, operations of the connection may block where GIO forbids it. Each is closed on its
 * own, and the connection ends when both are; shutting one of them down shuts the connection down.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelSocket *qio_channel_socket_new_from_connection (GSocketConnection *connection,
                                                          GError **error);

/**
 * qio_channel_socket_to_connection:
 * @socket: a channel
 * @error: where to report an error
 *
 * Creates a connection of GIO with a duplicate of the descriptor.
 *
 * For a unix socket it is a `GUnixConnection`: with it, D-Bus passes file descriptors and
 * authenticates by credentials, which it does not over [class@Qio.IOStream]. GIO's sockets are in
 * non-blocking mode, which the two share: the channel is put in that mode. Each is closed on its
 * own, and the connection ends when both are; shutting one of them down shuts the connection down.
 *
 * Fails if the channel is not connected, or has data that was read ahead, which the connection
 * would not get.
 *
 * Returns: (transfer full): a connection
 *
 * Since: 0.1
 */
GSocketConnection *qio_channel_socket_to_connection (QIOChannelSocket *socket,
                                                     GError **error);

/**
 * qio_channel_socket_adopt_fd:
 * @socket: a channel
 * @fd: a socket
 * @error: where to report an error
 *
 * Sets the socket of a channel, which takes ownership of it; on failure the caller keeps it. For
 * derived classes, whose instances are created without a socket. %G_IO_ERROR_EXISTS if the channel
 * has one, %G_IO_ERROR_CLOSED if it was closed. A number that is not open is an error as well.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
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
 * Connects. Blocks, also while a name is looked up; in a coroutine, suspends that. The addresses of
 * a name are tried one after the other; the error is that of the last one. Proxies are not used.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_socket_connect_sync (QIOChannelSocket *socket,
                                     GSocketConnectable *address,
                                     GError **error);

/**
 * qio_channel_socket_connect_async:
 * @socket: a channel that is not open yet
 * @address: where to: an address, a [class@Gio.NetworkAddress], a [class@Gio.NetworkService], …
 * @client: (nullable): the options, %NULL for those of a new [class@Gio.SocketClient]
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it, at any stage; all its sockets are closed then
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Connects, on the thread's default main context, without blocking. Where there are several
 * addresses, the next one is tried in parallel when the others have not answered within a quarter
 * of a second; the first that connects is used. Proxies are those of the desktop settings, SOCKS
 * and HTTP.
 *
 * @client has the options, as for [method@Gio.SocketClient.connect]: the timeout in seconds, for
 * each address and step, the local address, the type of socket, whether to use proxies and the
 * resolver of proxies. It is not referenced afterwards. Unix sockets and each
 * [class@Gio.NativeSocketAddress] have no proxies.
 *
 * The new connection is blocking, as every new channel.
 * [signal@Qio.ChannelSocket::connect-progress] reports the stages.
 *
 * Since: 0.1
 */
void qio_channel_socket_connect_async (QIOChannelSocket *socket,
                                       GSocketConnectable *address,
                                       GSocketClient *client,
                                       int io_priority,
                                       GCancellable *cancellable,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);

/**
 * qio_channel_socket_connect_finish:
 * @socket: the channel
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelSocket.connect_async]. An error has the domain and the
 * code of GIO (%G_RESOLVER_ERROR, %G_IO_ERROR_TIMED_OUT, %G_IO_ERROR_PROXY_FAILED, …), and names
 * the destination, with the address that failed or the proxy where that is known.
 * %G_IO_ERROR_EXISTS if the channel is open, %G_IO_ERROR_CLOSED as soon as it is closed,
 * %G_IO_ERROR_NOT_SUPPORTED for a client with TLS, for a proxy that is itself behind TLS, and for a
 * local address of anything but IP.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_socket_connect_finish (QIOChannelSocket *socket,
                                            GAsyncResult *result,
                                            GError **error);

/**
 * qio_channel_socket_listen_sync:
 * @socket: a channel that is not open yet
 * @address: where; with port 0 the system chooses one
 * @backlog: how many connections may wait to be accepted
 * @error: where to report an error
 *
 * Listens. [method@Qio.ChannelSocket.get_local_address] returns the port.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_socket_listen_sync (QIOChannelSocket *socket,
                                    GSocketAddress *address,
                                    guint backlog,
                                    GError **error);

/**
 * qio_channel_socket_listen_async:
 * @socket: a channel that is not open yet
 * @address: where; with port 0 the system chooses one
 * @backlog: how many connections may wait to be accepted
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * As [method@Qio.ChannelSocket.listen_sync], on the first address of a name that can be listened
 * on. Nothing blocks while the name is looked up.
 *
 * Since: 0.1
 */
void qio_channel_socket_listen_async (QIOChannelSocket *socket,
                                      GSocketConnectable *address,
                                      guint backlog,
                                      int io_priority,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);

/**
 * qio_channel_socket_listen_finish:
 * @socket: the channel
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelSocket.listen_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_socket_listen_finish (QIOChannelSocket *socket,
                                           GAsyncResult *result,
                                           GError **error);

/**
 * qio_channel_socket_accept:
 * @socket: a channel that listens
 * @error: where to report an error
 *
 * Accepts a connection. In blocking mode waits for one; in non-blocking mode fails with
 * %G_IO_ERROR_WOULD_BLOCK if none is pending. The new channel is blocking, whatever the mode of
 * this one is.
 *
 * On an error, such as %G_IO_ERROR_TOO_MANY_OPEN_FILES, the connection stays in the queue.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
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
 * Waits for a connection and accepts it, on the thread-default main context. Never blocks, whatever
 * the mode of the channel is.
 *
 * Since: 0.1
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
 * Takes the result of [method@Qio.ChannelSocket.accept_async].
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelSocket *qio_channel_socket_accept_finish (QIOChannelSocket *socket,
                                                    GAsyncResult *result,
                                                    GError **error);

/**
 * qio_channel_socket_get_local_address:
 * @socket: a channel
 * @error: where to report an error
 *
 * Gets the address of this end.
 *
 * Returns: (transfer full): the address
 *
 * Since: 0.1
 */
GSocketAddress *qio_channel_socket_get_local_address (QIOChannelSocket *socket,
                                                      GError **error);

/**
 * qio_channel_socket_get_remote_address:
 * @socket: a channel
 * @error: where to report an error
 *
 * Gets the address of the peer. %G_IO_ERROR_NOT_CONNECTED if there is none.
 *
 * Of a connection over IP that was accepted it is the address as of then, also after the peer has
 * reset the connection.
 *
 * Returns: (transfer full): the address
 *
 * Since: 0.1
 */
GSocketAddress *qio_channel_socket_get_remote_address (QIOChannelSocket *socket,
                                                       GError **error);

/**
 * qio_channel_socket_get_fd:
 * @socket: a channel
 *
 * Gets the descriptor, which the channel owns: do not close it.
 *
 * Returns: the number, or -1 when there is none
 *
 * Since: 0.1
 */
int qio_channel_socket_get_fd (QIOChannelSocket *socket);

/**
 * qio_channel_socket_new_of_type: (constructor)
 * @type: %G_SOCKET_TYPE_STREAM, %G_SOCKET_TYPE_DATAGRAM or %G_SOCKET_TYPE_SEQPACKET
 *
 * Creates a channel that is not open yet, for a socket of a given type.
 * [method@Qio.ChannelSocket.connect_sync] and [method@Qio.ChannelSocket.listen_sync] open it.
 * %G_SOCKET_TYPE_SEQPACKET is a connection that preserves message boundaries, of unix sockets or
 * vsock. Datagram sockets do not listen.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelSocket *qio_channel_socket_new_of_type (GSocketType type);

/**
 * qio_channel_socket_new_pair_of_type:
 * @type: %G_SOCKET_TYPE_STREAM, %G_SOCKET_TYPE_DATAGRAM or %G_SOCKET_TYPE_SEQPACKET
 * @one: (out) (transfer full): one end
 * @other: (out) (transfer full): the other end
 * @error: where to report an error
 *
 * As [func@Qio.ChannelSocket.new_pair], of any type.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_socket_new_pair_of_type (GSocketType type,
                                              QIOChannelSocket **one,
                                              QIOChannelSocket **other,
                                              GError **error);

/**
 * qio_channel_socket_get_socket_type:
 * @socket: a channel
 *
 * Gets the type of the socket: the type to create, or once it is open the type of the descriptor.
 *
 * Returns: the type, %G_SOCKET_TYPE_INVALID for one without a value in GIO
 *
 * Since: 0.1
 */
GSocketType qio_channel_socket_get_socket_type (QIOChannelSocket *socket);

/**
 * qio_channel_socket_dgram_sync:
 * @socket: a channel that is not open yet
 * @local: (nullable): where to receive, or %NULL for wherever the system chooses
 * @remote: (nullable): where to send to, or %NULL for no default destination; not both are %NULL
 * @error: where to report an error
 *
 * Opens a channel as a datagram socket: UDP, or unix. Blocks while a name is looked up. With
 * @remote it is connected: messages are sent there, and taken only from there. The file of a unix
 * path is removed with the channel.
 *
 * Each write sends one message, and each read receives one. A read whose buffers are too small
 * fails with %G_IO_ERROR_MESSAGE_TOO_LARGE, and the rest of the message is lost: see
 * [method@Qio.ChannelSocket.get_next_message_size]. A read of 0 bytes is an empty message; it is
 * end-of-file only after the channel was shut down.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_socket_dgram_sync (QIOChannelSocket *socket,
                                   GSocketAddress *local,
                                   GSocketConnectable *remote,
                                   GError **error);

/**
 * qio_channel_socket_dgram_async:
 * @socket: a channel that is not open yet
 * @local: (nullable): where to receive
 * @remote: (nullable): where to send to: a [class@Gio.SocketAddress] or a
 * [class@Gio.NetworkAddress]
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it; the channel stays as it is then
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * As [method@Qio.ChannelSocket.dgram_sync], without blocking: @callback is called from the thread's
 * default main context.
 *
 * Since: 0.1
 */
void qio_channel_socket_dgram_async (QIOChannelSocket *socket,
                                     GSocketAddress *local,
                                     GSocketConnectable *remote,
                                     int io_priority,
                                     GCancellable *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data);

/**
 * qio_channel_socket_dgram_finish:
 * @socket: the channel
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelSocket.dgram_async].
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_socket_dgram_finish (QIOChannelSocket *socket,
                                     GAsyncResult *result,
                                     GError **error);

/**
 * qio_channel_socket_receive_from:
 * @socket: a channel that keeps messages apart
 * @count: the most bytes
 * @from: (out) (optional) (nullable) (transfer full): where the message came from, or %NULL for a
 * unix socket without an address
 * @error: where to report an error
 *
 * Reads one message. In blocking mode waits for one; in non-blocking mode fails with
 * %G_IO_ERROR_WOULD_BLOCK if none is pending.
 *
 * Returns: (transfer full): the message, which may be empty
 *
 * Since: 0.1
 */
GBytes *qio_channel_socket_receive_from (QIOChannelSocket *socket,
                                         gsize count,
                                         GSocketAddress **from,
                                         GError **error);

/**
 * qio_channel_socket_send_to:
 * @socket: a channel that keeps messages apart
 * @bytes: the message, which may be empty
 * @to: where to
 * @error: where to report an error
 *
 * Sends one message. In non-blocking mode the error is %G_IO_ERROR_WOULD_BLOCK if the send buffer
 * is full.
 *
 * Returns: the number of bytes sent, or -1 with an error
 *
 * Since: 0.1
 */
gssize qio_channel_socket_send_to (QIOChannelSocket *socket,
                                   GBytes *bytes,
                                   GSocketAddress *to,
                                   GError **error);

/**
 * qio_channel_socket_get_next_message_size:
 * @socket: a channel that keeps messages apart
 * @error: where to report an error
 *
 * Gets the size of the next message, which is not consumed. In blocking mode waits for one; in
 * non-blocking mode fails with %G_IO_ERROR_WOULD_BLOCK if none is pending.
 *
 * Returns: the number of bytes, or -1 with an error
 *
 * Since: 0.1
 */
gssize qio_channel_socket_get_next_message_size (QIOChannelSocket *socket,
                                                 GError **error);

/**
 * qio_channel_socket_get_peer_credentials:
 * @socket: a unix socket
 * @pid: (out) (optional): the process, or 0 if this process cannot see it
 * @uid: (out) (optional): the user it ran as
 * @gid: (out) (optional): the group it ran as
 * @error: where to report an error
 *
 * Gets the credentials of the peer at the time when it connected, listened, or created the pair
 * (SO_PEERCRED). [method@Qio.Channel.get_credentials] returns the same as an object, which has no
 * group. %G_IO_ERROR_NOT_SUPPORTED for other sockets, %G_IO_ERROR_NOT_CONNECTED if there is no
 * other end.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_socket_get_peer_credentials (QIOChannelSocket *socket,
                                                  int *pid,
                                                  guint *uid,
                                                  guint *gid,
                                                  GError **error);

/**
 * qio_channel_socket_get_peer_pidfd:
 * @socket: a unix socket
 * @error: where to report an error
 *
 * Gets a pidfd of the peer process, which refers to it even if its process id is reused, and is
 * readable once it has exited. As [method@Qio.ChannelSocket.get_peer_credentials]; and
 * %G_IO_ERROR_NOT_SUPPORTED before Linux 6.5.
 *
 * Returns: a descriptor, which the caller closes, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_socket_get_peer_pidfd (QIOChannelSocket *socket,
                                       GError **error);

/**
 * qio_channel_socket_get_send_buffer_size:
 * @socket: a channel
 * @error: where to report an error
 *
 * Gets the size of the send buffer of the kernel, including its overhead (SO_SNDBUF).
 *
 * Returns: the number, or -1 with an error
 *
 * Since: 0.1
 */
gint64 qio_channel_socket_get_send_buffer_size (QIOChannelSocket *socket,
                                                GError **error);

/**
 * qio_channel_socket_set_send_buffer_size:
 * @socket: a channel
 * @bytes: how many
 * @error: where to report an error
 *
 * Sets the size of the send buffer of the kernel, including its overhead (SO_SNDBUF). Linux doubles
 * the number, limits it silently (`net.core.wmem_max`), and turns the automatic tuning of TCP
 * buffers off. Errors name the option.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_socket_set_send_buffer_size (QIOChannelSocket *socket,
                                                  guint bytes,
                                                  GError **error);

/**
 * qio_channel_socket_get_receive_buffer_size:
 * @socket: a channel
 * @error: where to report an error
 *
 * Gets the size of the receive buffer of the kernel, including its overhead (SO_RCVBUF).
 *
 * Returns: the number, or -1 with an error
 *
 * Since: 0.1
 */
gint64 qio_channel_socket_get_receive_buffer_size (QIOChannelSocket *socket,
                                                   GError **error);

/**
 * qio_channel_socket_set_receive_buffer_size:
 * @socket: a channel
 * @bytes: how many
 * @error: where to report an error
 *
 * Sets the size of the receive buffer of the kernel, including its overhead (SO_RCVBUF). See
 * [method@Qio.ChannelSocket.set_send_buffer_size]. Errors name the option.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_socket_set_receive_buffer_size (QIOChannelSocket *socket,
                                                     guint bytes,
                                                     GError **error);

/**
 * qio_channel_socket_get_keep_alive:
 * @socket: a channel
 * @error: where to report an error
 *
 * Gets whether the kernel probes an idle peer (SO_KEEPALIVE).
 *
 * Returns: 1 if it does, 0 if not, or -1 with an error
 *
 * Since: 0.1
 */
gint64 qio_channel_socket_get_keep_alive (QIOChannelSocket *socket,
                                          GError **error);

/**
 * qio_channel_socket_set_keep_alive:
 * @socket: a channel
 * @enabled: whether to do so
 * @error: where to report an error
 *
 * Sets whether keep-alive probes are sent to an idle peer (SO_KEEPALIVE). Default: %FALSE.
 * Without an answer, reads and writes fail with %G_IO_ERROR_TIMED_OUT. Errors name the option.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_socket_set_keep_alive (QIOChannelSocket *socket,
                                            gboolean enabled,
                                            GError **error);

/**
 * qio_channel_socket_get_keep_alive_idle:
 * @socket: a channel
 * @error: where to report an error
 *
 * Gets after how many idle seconds a peer on TCP is probed (TCP_KEEPIDLE).
 *
 * Returns: the number, or -1 with an error
 *
 * Since: 0.1
 */
gint64 qio_channel_socket_get_keep_alive_idle (QIOChannelSocket *socket,
                                               GError **error);

/**
 * qio_channel_socket_set_keep_alive_idle:
 * @socket: a channel
 * @seconds: how many
 * @error: where to report an error
 *
 * Sets the idle time on TCP before the first keep-alive probe (TCP_KEEPIDLE).
 * 1 to 32767. Errors name the option.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_socket_set_keep_alive_idle (QIOChannelSocket *socket,
                                                 guint seconds,
                                                 GError **error);

/**
 * qio_channel_socket_get_keep_alive_interval:
 * @socket: a channel
 * @error: where to report an error
 *
 * Gets the seconds between two probes of a peer on TCP (TCP_KEEPINTVL).
 *
 * Returns: the number, or -1 with an error
 *
 * Since: 0.1
 */
gint64 qio_channel_socket_get_keep_alive_interval (QIOChannelSocket *socket,
                                                   GError **error);

/**
 * qio_channel_socket_set_keep_alive_interval:
 * @socket: a channel
 * @seconds: how many
 * @error: where to report an error
 *
 * Sets the seconds between two keep-alive probes on TCP (TCP_KEEPINTVL).
 * 1 to 32767. Errors name the option.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_socket_set_keep_alive_interval (QIOChannelSocket *socket,
                                                     guint seconds,
                                                     GError **error);

/**
 * qio_channel_socket_get_keep_alive_count:
 * @socket: a channel
 * @error: where to report an error
 *
 * Gets after how many unanswered probes a peer on TCP counts as disconnected (TCP_KEEPCNT).
 *
 * Returns: the number, or -1 with an error
 *
 * Since: 0.1
 */
gint64 qio_channel_socket_get_keep_alive_count (QIOChannelSocket *socket,
                                                GError **error);

/**
 * qio_channel_socket_set_keep_alive_count:
 * @socket: a channel
 * @count: how often
 * @error: where to report an error
 *
 * Sets after how many unanswered probes a peer on TCP counts as disconnected (TCP_KEEPCNT).
 * 1 to 127. Errors name the option.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_socket_set_keep_alive_count (QIOChannelSocket *socket,
                                                  guint count,
                                                  GError **error);

/**
 * qio_channel_socket_get_user_timeout:
 * @socket: a channel
 * @error: where to report an error
 *
 * Gets the time in milliseconds after which unacknowledged data ends a TCP connection
 * (TCP_USER_TIMEOUT).
 *
 * Returns: the number, or -1 with an error
 *
 * Since: 0.1
 */
gint64 qio_channel_socket_get_user_timeout (QIOChannelSocket *socket,
                                            GError **error);

/**
 * qio_channel_socket_set_user_timeout:
 * @socket: a channel
 * @milliseconds: how many
 * @error: where to report an error
 *
 * Sets the time in milliseconds after which unacknowledged data ends a TCP connection
 * (TCP_USER_TIMEOUT). 0: the default of the system. Reads and writes fail with
 * %G_IO_ERROR_TIMED_OUT then. Errors name the option.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_socket_set_user_timeout (QIOChannelSocket *socket,
                                              guint milliseconds,
                                              GError **error);

G_END_DECLS

#endif
