/* Listening on several addresses at once. */

#ifndef QIO_NET_LISTENER_H
#define QIO_NET_LISTENER_H

#include <qio/qio-channel-socket.h>
#include <qio/qio-net-address.h>

G_BEGIN_DECLS

#define QIO_TYPE_NET_LISTENER (qio_net_listener_get_type ())

/**
 * QIONetListener:
 *
 * Listens on several addresses at once, and accepts connections.
 *
 * [ctor@Qio.NetListener.new] makes one without sockets. [method@Qio.NetListener.open_sync] listens
 * on all addresses of a name, [method@Qio.NetListener.open_address] on a [struct@Qio.NetAddress],
 * [method@Qio.NetListener.open_port] on a port, [method@Qio.NetListener.open_activated] on the
 * sockets of a service manager, and [method@Qio.NetListener.add] takes a listening socket. Options
 * are set before that.
 *
 * Connections are accepted by a callback ([method@Qio.NetListener.set_client_func]), asynchronously
 * ([method@Qio.NetListener.accept_async]), or by a thread that blocks
 * ([method@Qio.NetListener.wait_client]). Each goes to one of them.
 *
 * A typical sequence:
 *
 * ```c
 * static void
 * on_client (QIONetListener *listener, QIOChannelSocket *client, gpointer user_data)
 * {
 *   qio_channel_write_all (QIO_CHANNEL (client), "hello\n", 6, NULL);
 * }
 *
 * g_autoptr (GError) error = NULL;
 * g_autoptr (QIONetListener) listener = qio_net_listener_new ();
 * guint16 port = qio_net_listener_open_port (listener, 0, 16, &error);
 *
 * if (port == 0)
 *   g_error ("%s", error->message);
 * qio_net_listener_set_client_func (listener, on_client, NULL, NULL);
 * g_main_loop_run (loop);
 * ```
 *
 * After `EMFILE` and similar errors accepting is suspended, without an error: connections stay in
 * the backlog. A warning is logged once a minute at most. Accepting resumes when a client
 * disconnects, or after a pause of at most one second.
 *
 * ## Threads
 *
 * A listener can be used from any thread. Callbacks run in the context that they were set for, or
 * the global default one. Finalizing a listener disconnects it, but with a callback it stays alive
 * until it is disconnected, or the callback is removed, or its context is destroyed.
 *
 * ## Signals
 *
 * [signal@Qio.NetListener::accept-error] is emitted each time accepting fails, in the thread that
 * accepts.
 *
 * Since: 0.1
 */
G_DECLARE_DERIVABLE_TYPE (QIONetListener, qio_net_listener, QIO, NET_LISTENER, GObject)

/**
 * QIONetListenerClass:
 * @parent_class: the parent class
 *
 * The class of a [class@Qio.NetListener].
 *
 * Since: 0.1
 */
struct _QIONetListenerClass
{
  GObjectClass parent_class;

  /*< private >*/
  gpointer padding[8];
};

/**
 * QIONetListener:name:
 *
 * The label of the listener and of its sockets in messages.
 *
 * Since: 0.1
 */

/**
 * QIONetListener:connected:
 *
 * Whether it listens on any socket.
 *
 * Since: 0.1
 */

/**
 * QIONetListener:max-handshakes:
 *
 * The maximum number of concurrent TLS handshakes, or 0 for no limit. See
 * [method@Qio.NetListener.set_max_handshakes].
 *
 * Since: 0.1
 */

/**
 * QIONetListener:max-clients:
 *
 * The maximum number of clients at a time, or 0 for no limit.
 *
 * Since: 0.1
 */

/**
 * QIONetListener:clients:
 *
 * The number of clients. Changes without a `notify` signal.
 *
 * Since: 0.1
 */

/**
 * QIONetListener:reuse-port:
 *
 * Whether sockets share their port with others that do so as well (SO_REUSEPORT).
 *
 * Since: 0.1
 */

/**
 * QIONetListener:replace-stale:
 *
 * Whether a unix socket on which no process listens is replaced.
 *
 * Since: 0.1
 */

/**
 * QIONetListener:path-mode:
 *
 * The permissions of unix paths, or %G_MAXUINT for the permissions by the umask.
 *
 * Since: 0.1
 */

/**
 * QIONetListener::accept-error:
 * @listener: the listener
 * @error: why
 *
 * Accepting has failed, and is tried again. Emitted in the thread that accepts.
 *
 * Since: 0.1
 */

/**
 * QIONetListenerClientFunc:
 * @listener: the listener
 * @client: the client, which is closed after the call unless it is referenced
 * @user_data: the user data of the callback
 *
 * The callback for accepted clients.
 *
 * Since: 0.1
 */
typedef void (*QIONetListenerClientFunc) (QIONetListener *listener,
                                          QIOChannelSocket *client,
                                          gpointer user_data);

/**
 * qio_net_listener_new:
 *
 * Creates a listener that is not open yet.
 *
 * Returns: (transfer full): a listener
 *
 * Since: 0.1
 */
QIONetListener *qio_net_listener_new (void);

/**
 * qio_net_listener_open_sync:
 * @listener: a listener
 * @address: where; with port 0 the system chooses one
 * @backlog: the maximum number of pending connections of each address
 * @error: where to report an error
 *
 * Listens on every address of a name, in addition to open sockets. Blocks while the name is looked
 * up; in a coroutine, suspends that.
 *
 * With port 0 all addresses get the same port. Where there are IPv4 and IPv6 addresses, IPV6_V6ONLY
 * is set. Addresses of a family that the machine does not have are skipped, if there are others;
 * any other address that cannot be listened on is an error, and then none is listened on.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_net_listener_open_sync (QIONetListener *listener,
                                GSocketConnectable *address,
                                guint backlog,
                                GError **error);

/**
 * qio_net_listener_open_async:
 * @listener: a listener
 * @address: where; with port 0 the system chooses one
 * @backlog: the maximum number of pending connections of each address
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * As [method@Qio.NetListener.open_sync], without blocking.
 *
 * Since: 0.1
 */
void qio_net_listener_open_async (QIONetListener *listener,
                                  GSocketConnectable *address,
                                  guint backlog,
                                  int io_priority,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);

/**
 * qio_net_listener_open_finish:
 * @listener: the listener
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.NetListener.open_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_net_listener_open_finish (QIONetListener *listener,
                                       GAsyncResult *result,
                                       GError **error);

/**
 * qio_net_listener_open_port:
 * @listener: a listener
 * @port: a port, or 0 for one that the system chooses
 * @backlog: the maximum number of pending connections of each family
 * @error: where to report an error
 *
 * Listens on a port of all interfaces, over IPv4 and IPv6 if the machine has them.
 *
 * Returns: the port, or 0 with an error
 *
 * Since: 0.1
 */
guint16 qio_net_listener_open_port (QIONetListener *listener,
                                    guint16 port,
                                    guint backlog,
                                    GError **error);

/**
 * qio_net_listener_open_address:
 * @listener: a listener
 * @address: an address as people write it
 * @backlog: the maximum number of pending connections of each address
 * @error: where to report an error
 *
 * Listens on an address: as [method@Qio.NetListener.open_sync], without a host as
 * [method@Qio.NetListener.open_port], and for `fd` on a socket that listens already. Blocks while a
 * name is looked up; [method@Qio.NetListener.open_async] does not, with what
 * [method@Qio.NetAddress.get_connectable] returns.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_net_listener_open_address (QIONetListener *listener,
                                   const QIONetAddress *address,
                                   guint backlog,
                                   GError **error);

/**
 * qio_net_listener_open_activated:
 * @listener: a listener
 * @name: (nullable): the name of the sockets, or %NULL for all
 * @error: where to report an error
 *
 * Listens on the sockets that a service manager has passed to this process. See
 * [func@Qio.activation_sockets].
 *
 * Returns: their number, which may be 0; or -1 with an error
 *
 * Since: 0.1
 */
int qio_net_listener_open_activated (QIONetListener *listener,
                                     const char *name,
                                     GError **error);

/**
 * qio_net_listener_add:
 * @listener: a listener
 * @socket: a channel that listens
 * @error: where to report an error
 *
 * Listens on a socket of the caller. It becomes non-blocking, and is closed when the listener is
 * disconnected. %G_IO_ERROR_NOT_SUPPORTED if it does not listen, %G_IO_ERROR_EXISTS if the listener
 * has it already.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_net_listener_add (QIONetListener *listener,
                          QIOChannelSocket *socket,
                          GError **error);

/**
 * qio_net_listener_disconnect:
 * @listener: a listener
 *
 * Closes all sockets, which removes unix paths. A pending accept, in any thread, fails with
 * %G_IO_ERROR_CLOSED; the callback is not called any more, except for a call that is running in
 * another thread. Accepted clients are not affected.
 *
 * The listener can be opened again. The callback stays set.
 *
 * Called `close` in Python, GJS and Vala, where every object has a `disconnect`, for the handlers
 * of its signals.
 *
 * Since: 0.1
 */
void qio_net_listener_disconnect (QIONetListener *listener);

/**
 * qio_net_listener_is_connected:
 * @listener: a listener
 *
 * Gets whether it listens on any socket.
 *
 * Returns: %TRUE if it does
 *
 * Since: 0.1
 */
gboolean qio_net_listener_is_connected (QIONetListener *listener);

/**
 * qio_net_listener_get_local_addresses:
 * @listener: a listener
 *
 * Gets the addresses that it listens on.
 *
 * Returns: (element-type GSocketAddress) (transfer full): the addresses
 *
 * Since: 0.1
 */
GList *qio_net_listener_get_local_addresses (QIONetListener *listener);

/**
 * qio_net_listener_set_client_func:
 * @listener: a listener
 * @func: (nullable) (scope notified) (closure user_data) (destroy notify): the callback, or %NULL
 * for none
 * @user_data: what to call @func with
 * @notify: (nullable): frees @user_data
 *
 * Calls @func for each client, from the default context. Replaces the previous callback.
 *
 * Since: 0.1
 */
void qio_net_listener_set_client_func (QIONetListener *listener,
                                       QIONetListenerClientFunc func,
                                       gpointer user_data,
                                       GDestroyNotify notify);

/**
 * qio_net_listener_set_client_func_full: (rename-to qio_net_listener_set_client_func)
 * @listener: a listener
 * @func: (nullable) (scope notified) (closure user_data) (destroy notify): the callback, or %NULL
 * for none
 * @user_data: what to call @func with
 * @notify: (nullable): frees @user_data
 * @context: (nullable): the context, or %NULL for the default one
 *
 * As [method@Qio.NetListener.set_client_func], in a context. After this returns no call begins in
 * another context, and no client is lost: a listener can be moved to another context.
 *
 * The previous callback is freed at once, or after its running call.
 *
 * Since: 0.1
 */
void qio_net_listener_set_client_func_full (QIONetListener *listener,
                                            QIONetListenerClientFunc func,
                                            gpointer user_data,
                                            GDestroyNotify notify,
                                            GMainContext *context);

/**
 * qio_net_listener_wait_client:
 * @listener: a listener
 * @error: where to report an error
 *
 * Blocks until a client is accepted. It takes precedence over the callback. In a coroutine,
 * suspends that.
 *
 * Returns: (transfer full): the client
 *
 * Since: 0.1
 */
QIOChannelSocket *qio_net_listener_wait_client (QIONetListener *listener,
                                                GError **error);

/**
 * qio_net_listener_accept_async:
 * @listener: a listener
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it; the client stays in the queue then
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Waits for a client and accepts it.
 *
 * Since: 0.1
 */
void qio_net_listener_accept_async (QIONetListener *listener,
                                    int io_priority,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);

/**
 * qio_net_listener_accept_finish:
 * @listener: the listener
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.NetListener.accept_async].
 *
 * Returns: (transfer full): the client
 *
 * Since: 0.1
 */
QIOChannelSocket *qio_net_listener_accept_finish (QIONetListener *listener,
                                                  GAsyncResult *result,
                                                  GError **error);

/**
 * qio_net_listener_set_name:
 * @listener: a listener
 * @name: (nullable): a name
 *
 * Sets the label of the listener and of its sockets in messages.
 *
 * Since: 0.1
 */
void qio_net_listener_set_name (QIONetListener *listener,
                                const char *name);

/**
 * qio_net_listener_get_name:
 * @listener: a listener
 *
 * Gets the label of the listener in messages.
 *
 * Returns: (transfer full) (nullable): the name
 *
 * Since: 0.1
 */
char *qio_net_listener_get_name (QIONetListener *listener);

/**
 * qio_net_listener_set_max_clients:
 * @listener: a listener
 * @limit: the number, or 0 for no limit
 *
 * Sets the maximum number of clients at a time; no further connection is accepted at the limit. A
 * client counts from when it was accepted until its channel is closed or finalized.
 *
 * Since: 0.1
 */
void qio_net_listener_set_max_clients (QIONetListener *listener,
                                       guint limit);

/**
 * qio_net_listener_get_max_clients:
 * @listener: a listener
 *
 * Gets the maximum number of clients at a time.
 *
 * Returns: the number, or 0 for no limit
 *
 * Since: 0.1
 */
guint qio_net_listener_get_max_clients (QIONetListener *listener);

/**
 * qio_net_listener_set_max_handshakes:
 * @listener: a listener
 * @max_handshakes: the maximum number of concurrent TLS handshakes, or 0 for no limit
 *
 * Sets the maximum number of concurrent TLS handshakes of clients; no further connection is
 * accepted at the limit. Default: 1024. A handshake counts from when
 * [ctor@Qio.ChannelTLS.new_server] is called with the channel of a client until it is done. At the
 * limit the oldest one fails once it has taken a second, and another client is accepted: peers that
 * begin a handshake and send nothing do not keep other clients out.
 *
 * Since: 0.1
 */
void qio_net_listener_set_max_handshakes (QIONetListener *listener,
                                          guint max_handshakes);

/**
 * qio_net_listener_get_max_handshakes:
 * @listener: a listener
 *
 * Gets the maximum number of concurrent TLS handshakes.
 *
 * Returns: the number, or 0 for no limit
 *
 * Since: 0.1
 */
guint qio_net_listener_get_max_handshakes (QIONetListener *listener);

/**
 * qio_net_listener_get_clients:
 * @listener: a listener
 *
 * Gets the number of clients whose channels are neither closed nor finalized.
 *
 * Returns: their number
 *
 * Since: 0.1
 */
guint qio_net_listener_get_clients (QIONetListener *listener);

/**
 * qio_net_listener_set_reuse_port:
 * @listener: a listener
 * @enabled: whether to share ports
 *
 * Sets whether sockets that are opened from now on share their port with others that do so as well
 * (SO_REUSEPORT): the kernel distributes the connections.
 *
 * Since: 0.1
 */
void qio_net_listener_set_reuse_port (QIONetListener *listener,
                                      gboolean enabled);

/**
 * qio_net_listener_get_reuse_port:
 * @listener: a listener
 *
 * Gets whether ports are shared.
 *
 * Returns: %TRUE if they are
 *
 * Since: 0.1
 */
gboolean qio_net_listener_get_reuse_port (QIONetListener *listener);

/**
 * qio_net_listener_set_replace_stale:
 * @listener: a listener
 * @enabled: whether to replace
 *
 * Sets whether a stale unix socket at the path to be opened is removed: one that refuses
 * connections, as after its program was killed. A connection attempt determines that. A
 * socket that a process listens on is never removed, nor anything that is not a socket: these are
 * errors. Meanwhile there is a locked file next to the path, its name with `.` before and `.lock`
 * behind it, which only processes of the same user wait for, for a second at most.
 *
 * Since: 0.1
 */
void qio_net_listener_set_replace_stale (QIONetListener *listener,
                                         gboolean enabled);

/**
 * qio_net_listener_get_replace_stale:
 * @listener: a listener
 *
 * Gets whether stale sockets are replaced.
 *
 * Returns: %TRUE if they are
 *
 * Since: 0.1
 */
gboolean qio_net_listener_get_replace_stale (QIONetListener *listener);

/**
 * qio_net_listener_set_path_mode:
 * @listener: a listener
 * @mode: permissions such as 0660, or %G_MAXUINT for the permissions by the umask
 *
 * Sets the permissions of the unix paths that are opened from now on. No process can connect before
 * they are set.
 *
 * Since: 0.1
 */
void qio_net_listener_set_path_mode (QIONetListener *listener,
                                     guint mode);

/**
 * qio_net_listener_get_path_mode:
 * @listener: a listener
 *
 * Gets the permissions of unix paths.
 *
 * Returns: the permissions, or %G_MAXUINT for the permissions by the umask
 *
 * Since: 0.1
 */
guint qio_net_listener_get_path_mode (QIONetListener *listener);

/**
 * qio_net_listener_set_path_owner:
 * @listener: a listener
 * @uid: the user, or %G_MAXUINT to leave that
 * @gid: the group, or %G_MAXUINT to leave that
 *
 * Sets the owner of the unix paths that are opened from now on. No process can connect before that.
 *
 * Since: 0.1
 */
void qio_net_listener_set_path_owner (QIONetListener *listener,
                                      guint uid,
                                      guint gid);

G_END_DECLS

#endif
