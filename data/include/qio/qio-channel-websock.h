/* WebSocket over any channel. */

#ifndef QIO_CHANNEL_WEBSOCK_H
#define QIO_CHANNEL_WEBSOCK_H

#include <qio/qio-channel.h>
#include <qio/qio-tls-creds.h>
#include <qio/qio-websock-options.h>

G_BEGIN_DECLS

/**
 * QIO_WEBSOCK_ERROR:
 *
 * The domain of errors of WebSocket channels. See [error@Qio.WebsockError] for the codes.
 *
 * Since: 0.1
 */
#define QIO_WEBSOCK_ERROR (qio_websock_error_quark ())

/**
 * QIOWebsockError:
 * @QIO_WEBSOCK_ERROR_NOT_WEBSOCKET: the request is not for a WebSocket
 * @QIO_WEBSOCK_ERROR_BAD_REQUEST: the head of a request, or an argument of it, is invalid
 * @QIO_WEBSOCK_ERROR_BAD_ANSWER: the response of a server is not the one that the protocol requires
 * @QIO_WEBSOCK_ERROR_TOO_LARGE: a head is too large
 * @QIO_WEBSOCK_ERROR_TIMED_OUT: nothing was received from the peer for too long
 *
 * Errors of WebSocket channels.
 *
 * These are the ones without a code in the protocol. Others have it, in the same domain: 100 to 599
 * are the HTTP status with which a server refuses the connection, and 1000 to 4999 the code of a
 * closing handshake, of either end (RFC 6455, section 7.4); 1006 means that the connection has
 * ended without one. Compare these numbers with the code of the error.
 *
 * Since: 0.1
 */
typedef enum {
  QIO_WEBSOCK_ERROR_NOT_WEBSOCKET = 1,
  QIO_WEBSOCK_ERROR_BAD_REQUEST = 2,
  QIO_WEBSOCK_ERROR_BAD_ANSWER = 3,
  QIO_WEBSOCK_ERROR_TOO_LARGE = 4,
  QIO_WEBSOCK_ERROR_TIMED_OUT = 5
} QIOWebsockError;

#define QIO_TYPE_WEBSOCK_ERROR (qio_websock_error_get_type ())
GType qio_websock_error_get_type (void);
GQuark qio_websock_error_quark (void);

/**
 * QIOWebsockMessageKind:
 * @QIO_WEBSOCK_MESSAGE_KIND_TEXT: UTF-8
 * @QIO_WEBSOCK_MESSAGE_KIND_BINARY: any bytes
 *
 * The kind of a message.
 *
 * Since: 0.1
 */
typedef enum {
  QIO_WEBSOCK_MESSAGE_KIND_TEXT = 1,
  QIO_WEBSOCK_MESSAGE_KIND_BINARY = 2
} QIOWebsockMessageKind;

#define QIO_TYPE_WEBSOCK_MESSAGE_KIND (qio_websock_message_kind_get_type ())
GType qio_websock_message_kind_get_type (void);

#define QIO_TYPE_CHANNEL_WEBSOCK (qio_channel_websock_get_type ())

/**
 * QIOChannelWebsock:
 *
 * A WebSocket (RFC 6455) over another channel.
 *
 * [ctor@Qio.ChannelWebsock.new_client] and [ctor@Qio.ChannelWebsock.new_server] make one of a
 * connected channel, such as a socket or [class@Qio.ChannelTLS]. The channel takes ownership of the
 * lower one ([property@Qio.ChannelWebsock:master]), which is set to non-blocking mode, must not be
 * read or written directly any more, and is closed with this one.
 *
 * A typical sequence of a server that echoes messages until the client closes:
 *
 * ```c
 * g_autoptr (GError) error = NULL;
 * g_autoptr (QIOChannelWebsock) websock = qio_channel_websock_new_server (lower, NULL, &error);
 * QIOWebsockMessageKind kind;
 * GBytes *message;
 *
 * while (websock != NULL
 *        && (message = qio_channel_websock_receive (websock, &kind, &error)) != NULL)
 *   {
 *     gboolean sent = qio_channel_websock_send (websock, kind, message, &error);
 *
 *     g_bytes_unref (message);
 *     if (!sent)
 *       break;
 *   }
 * if (error != NULL)
 *   g_printerr ("%s\n", error->message);
 * ```
 *
 * And one of a client:
 *
 * ```c
 * g_autoptr (GError) error = NULL;
 * g_autoptr (QIOChannelWebsock) websock = NULL;
 * g_autoptr (GBytes) answer = NULL;
 *
 * websock = qio_channel_websock_new_client (lower, "ws://example.org/chat", NULL, &error);
 * if (websock == NULL || !qio_channel_websock_send_text (websock, "hello", &error)
 *     || (answer = qio_channel_websock_receive (websock, NULL, &error)) == NULL
 *     || !qio_channel_websock_bye (websock, 1000, NULL, &error))
 *   g_printerr ("%s\n", error != NULL ? error->message : "the server has closed");
 * ```
 *
 * ## Bytes and messages
 *
 * Reading the channel returns the bytes of the messages of the peer one after another, as they
 * arrive: a message need not be complete, and may be of any size. A write makes one message of what
 * fits into a frame of 64 KiB, of the kind [property@Qio.ChannelWebsock:message-kind]. So WebSocket
 * peers of QEMU and noVNC can be served. [method@Qio.ChannelWebsock.send] and
 * [method@Qio.ChannelWebsock.receive] transfer whole messages. Pings are answered whenever the
 * channel reads, writes, waits or flushes.
 *
 * ## Opening handshake
 *
 * The first read or write performs it; [method@Qio.ChannelWebsock.handshake] does that alone. A
 * server can decide about a request itself: [method@Qio.ChannelWebsock.receive_request] receives
 * it, then [method@Qio.ChannelWebsock.accept] or [method@Qio.ChannelWebsock.refuse] answers. A
 * handshake that has failed is final: every later call fails with the same error.
 *
 * ## End
 *
 * A stream ends when the peer closes with the code 1000 or 1001, or with none. Any other code is an
 * error with that code: see [error@Qio.WebsockError]. The end of the lower channel without a
 * closing handshake is the error 1006, unless reads have %QIO_CHANNEL_READ_FLAG_RELAXED_EOF or
 * [method@Qio.ChannelWebsock.set_require_close] was called. A peer that breaks the protocol gets a
 * close frame with the code for it, and reading fails with that code.
 *
 * [method@Qio.Channel.close] sends a close frame and closes the lower channel, in blocking mode
 * within the [close timeout][method@Qio.WebsockOptionsBuilder.set_close_timeout];
 * [method@Qio.ChannelWebsock.bye] performs the closing handshake, with a code and a reason.
 * WebSockets have no half-close: [method@Qio.Channel.shutdown] for writing sends a close frame, and
 * most peers send nothing after that. A channel that is finalized sends a close frame with the code
 * 1001 as far as that does not block, and leaves the lower channel open.
 *
 * ## Threads
 *
 * One thread may read while another one writes.
 *
 * Since: 0.1
 */
G_DECLARE_DERIVABLE_TYPE (QIOChannelWebsock, qio_channel_websock, QIO, CHANNEL_WEBSOCK, QIOChannel)

/**
 * QIOChannelWebsockClass:
 * @parent_class: the parent class
 *
 * The class of a [class@Qio.ChannelWebsock].
 *
 * Since: 0.1
 */
struct _QIOChannelWebsockClass
{
  QIOChannelClass parent_class;

  /*< private >*/
  gpointer padding[8];
};

/**
 * QIOChannelWebsock:master:
 *
 * The lower channel.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:is-client:
 *
 * Whether this is the end of the client.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:options:
 *
 * What this end offers, requires and allows.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:uri:
 *
 * The URI that a client was made for.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:protocol:
 *
 * The subprotocol that both ends have agreed on.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:extensions:
 *
 * The extensions that both ends have agreed on, with their parameters.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:origin:
 *
 * The origin of the page that a client belongs to, for a server.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:handshake-done:
 *
 * Whether the connection is established.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:close-code:
 *
 * The code with which the peer has closed, or 0. See
 * [method@Qio.ChannelWebsock.get_close_code].
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:close-reason:
 *
 * The reason that the peer has given for closing.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:buffered-amount:
 *
 * The number of bytes that the lower channel has not taken yet.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:max-message-size:
 *
 * The maximum size of a message for [method@Qio.ChannelWebsock.receive].
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:ping-interval:
 *
 * After how many milliseconds without anything from the peer a ping is sent; 0 for never.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:pong-timeout:
 *
 * For how many milliseconds a ping waits for something from the peer; 0 for no limit.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:require-close:
 *
 * Whether a stream that ends without a close frame of the peer is an error.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock:message-kind:
 *
 * The kind of the messages that plain writes make.
 *
 * Since: 0.1
 */

/**
 * QIOChannelWebsock::pong:
 * @websock: the channel
 * @payload: the payload of the pong
 *
 * A pong was received, in the thread that has read it. See [method@Qio.ChannelWebsock.ping].
 *
 * Since: 0.1
 */

/**
 * qio_channel_websock_new_server: (constructor)
 * @master: the lower channel
 * @options: (nullable): what this end offers, requires and allows; %NULL for the defaults
 * @error: where to report an error
 *
 * Creates the server's end of a connection. Sends nothing yet. Errors are those of making @master
 * non-blocking.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelWebsock *qio_channel_websock_new_server (QIOChannel *master,
                                                   QIOWebsockOptions *options,
                                                   GError **error);

/**
 * qio_channel_websock_new_client: (constructor)
 * @master: the lower channel
 * @uri: a URI of the scheme `ws` or `wss`
 * @options: (nullable): what this end offers, requires and allows; %NULL for the defaults
 * @error: where to report an error
 *
 * Creates the client's end of a connection. Sends nothing yet. The request is for @uri, which has
 * no effect on the lower channel, which has to be connected, and which performs TLS.
 *
 * Errors are %G_IO_ERROR_INVALID_ARGUMENT for an invalid URI, and those of making @master
 * non-blocking.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelWebsock *qio_channel_websock_new_client (QIOChannel *master,
                                                   const char *uri,
                                                   QIOWebsockOptions *options,
                                                   GError **error);

/**
 * qio_channel_websock_connect_to_uri:
 * @uri: a URI of the scheme `ws` or `wss`
 * @options: (nullable): what this end offers, requires and allows; %NULL for the defaults
 * @creds: (nullable): the credentials for `wss`; %NULL for those of a client that trusts the
 *   authorities of the system
 * @error: where to report an error
 *
 * Connects to the host of a URI, and performs the opening handshake. `wss` is a WebSocket over TLS;
 * the certificate must be for the host. Blocks; in a coroutine, suspends that. Uses no proxies.
 *
 * Errors are %G_IO_ERROR_INVALID_ARGUMENT for an invalid URI, and for credentials of a server or
 * for `ws`; those of connecting, of the TLS handshake, and of
 * [method@Qio.ChannelWebsock.handshake].
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelWebsock *qio_channel_websock_connect_to_uri (const char *uri,
                                                       QIOWebsockOptions *options,
                                                       QIOTlsCreds *creds,
                                                       GError **error);

/**
 * qio_channel_websock_connect_to_uri_async:
 * @uri: a URI of the scheme `ws` or `wss`
 * @options: (nullable): what this end offers, requires and allows; %NULL for the defaults
 * @creds: (nullable): the credentials for `wss`; %NULL for those of a client that trusts the
 *   authorities of the system
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it
 * @callback: (scope async) (closure user_data): called when it is done, without a source object
 * @user_data: what to call it with
 *
 * Connects as [func@Qio.ChannelWebsock.connect_to_uri], on the thread's default main context,
 * without blocking, also through proxies: see [method@Qio.ChannelSocket.connect_async].
 *
 * Since: 0.1
 */
void qio_channel_websock_connect_to_uri_async (const char *uri,
                                               QIOWebsockOptions *options,
                                               QIOTlsCreds *creds,
                                               int io_priority,
                                               GCancellable *cancellable,
                                               GAsyncReadyCallback callback,
                                               gpointer user_data);

/**
 * qio_channel_websock_connect_to_uri_finish:
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [func@Qio.ChannelWebsock.connect_to_uri_async].
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelWebsock *qio_channel_websock_connect_to_uri_finish (GAsyncResult *result,
                                                              GError **error);

/**
 * qio_channel_websock_handshake:
 * @websock: a channel
 * @error: where to report an error
 *
 * Performs the opening handshake, if that is not done. In non-blocking mode as far as that does not
 * block; in a coroutine, suspends it.
 *
 * Errors are %G_IO_ERROR_WOULD_BLOCK in non-blocking mode while the peer has to send something; of
 * [error@Qio.WebsockError], the HTTP status with which a server has refused, or was refused by the
 * options of this server, or the reason why the request or response is invalid; and those of the
 * lower channel.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_handshake (QIOChannelWebsock *websock,
                                        GError **error);

/**
 * qio_channel_websock_handshake_async:
 * @websock: a channel
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Performs the opening handshake, as [method@Qio.ChannelWebsock.handshake], on the thread's default
 * main context, without blocking. If it is cancelled, the next call resumes it.
 *
 * Since: 0.1
 */
void qio_channel_websock_handshake_async (QIOChannelWebsock *websock,
                                          int io_priority,
                                          GCancellable *cancellable,
                                          GAsyncReadyCallback callback,
                                          gpointer user_data);

/**
 * qio_channel_websock_handshake_finish:
 * @websock: a channel
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelWebsock.handshake_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_handshake_finish (QIOChannelWebsock *websock,
                                               GAsyncResult *result,
                                               GError **error);

/**
 * qio_channel_websock_receive_request:
 * @websock: a channel
 * @error: where to report an error
 *
 * Receives the request of a client, for a server that decides about it, by
 * [method@Qio.ChannelWebsock.accept] or [method@Qio.ChannelWebsock.refuse]. A request that is
 * malformed is refused here.
 *
 * Errors are %G_IO_ERROR_INVALID_ARGUMENT for a client, and those of
 * [method@Qio.ChannelWebsock.handshake].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_receive_request (QIOChannelWebsock *websock,
                                              GError **error);

/**
 * qio_channel_websock_receive_request_async:
 * @websock: a channel
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Receives the request of a client, as [method@Qio.ChannelWebsock.receive_request], on the thread's
 * default main context, without blocking.
 *
 * Since: 0.1
 */
void qio_channel_websock_receive_request_async (QIOChannelWebsock *websock,
                                                int io_priority,
                                                GCancellable *cancellable,
                                                GAsyncReadyCallback callback,
                                                gpointer user_data);

/**
 * qio_channel_websock_receive_request_finish:
 * @websock: a channel
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelWebsock.receive_request_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_receive_request_finish (QIOChannelWebsock *websock,
                                                     GAsyncResult *result,
                                                     GError **error);

/**
 * qio_channel_websock_accept:
 * @websock: a channel
 * @protocol: (nullable): the subprotocol; %NULL for the one that the options select
 * @headers: (nullable) (array zero-terminated=1): headers of the response, `Name: value` each
 * @error: where to report an error
 *
 * Accepts the request. The response has @headers and those of the options. The request is refused
 * all the same if it is not a valid request for a WebSocket, or not one that the options allow. In
 * blocking mode this waits until the response is sent; in non-blocking mode the main context sends
 * what the lower channel does not take.
 *
 * Errors are %G_IO_ERROR_INVALID_ARGUMENT before a request was received or after it was answered,
 * for a subprotocol that the client has not offered, and for headers that are invalid or those of
 * the protocol itself; and the status of a refusal.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_accept (QIOChannelWebsock *websock,
                                     const char *protocol,
                                     const char *const *headers,
                                     GError **error);

/**
 * qio_channel_websock_accept_async:
 * @websock: a channel
 * @protocol: (nullable): the subprotocol; %NULL for the one that the options select
 * @headers: (nullable) (array zero-terminated=1): headers of the response, `Name: value` each
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Accepts the request, as [method@Qio.ChannelWebsock.accept], on the thread's default main context,
 * without blocking. Done when the response is sent. If it is cancelled, the response is sent
 * nevertheless.
 *
 * Since: 0.1
 */
void qio_channel_websock_accept_async (QIOChannelWebsock *websock,
                                       const char *protocol,
                                       const char *const *headers,
                                       int io_priority,
                                       GCancellable *cancellable,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);

/**
 * qio_channel_websock_accept_finish:
 * @websock: a channel
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelWebsock.accept_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_accept_finish (QIOChannelWebsock *websock,
                                            GAsyncResult *result,
                                            GError **error);

/**
 * qio_channel_websock_refuse:
 * @websock: a channel
 * @status: the HTTP status, 200 or above
 * @headers: (nullable) (array zero-terminated=1): headers of the response, `Name: value` each
 * @body: (nullable): the body of the response
 * @error: where to report an error
 *
 * Answers the request with another status, headers and a body: a refusal, a redirection, or a page.
 * The handshake has failed then; close the channel.
 *
 * Errors are %G_IO_ERROR_INVALID_ARGUMENT before a request was received or after it was answered,
 * for a status below 200, and for headers that are invalid or those of the protocol itself; and
 * %G_IO_ERROR_WOULD_BLOCK in non-blocking mode if the response was not sent as a whole: the main
 * context sends the rest, and [method@Qio.Channel.flush] waits for it.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_refuse (QIOChannelWebsock *websock,
                                     guint status,
                                     const char *const *headers,
                                     GBytes *body,
                                     GError **error);

/**
 * qio_channel_websock_refuse_async:
 * @websock: a channel
 * @status: the HTTP status, 200 or above
 * @headers: (nullable) (array zero-terminated=1): headers of the response, `Name: value` each
 * @body: (nullable): the body of the response
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Answers the request with another status, as [method@Qio.ChannelWebsock.refuse], on the thread's
 * default main context, without blocking. If it is cancelled, the response is sent nevertheless.
 *
 * Since: 0.1
 */
void qio_channel_websock_refuse_async (QIOChannelWebsock *websock,
                                       guint status,
                                       const char *const *headers,
                                       GBytes *body,
                                       int io_priority,
                                       GCancellable *cancellable,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);

/**
 * qio_channel_websock_refuse_finish:
 * @websock: a channel
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelWebsock.refuse_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_refuse_finish (QIOChannelWebsock *websock,
                                            GAsyncResult *result,
                                            GError **error);

/**
 * qio_channel_websock_send:
 * @websock: a channel
 * @kind: its kind
 * @data: the message
 * @error: where to report an error
 *
 * Sends a message, as a whole or not at all. In non-blocking mode a message of any size is taken if
 * no other output is pending, and the main context sends it; a reference to @data is held until
 * then. If the peer closes before that is done, flushing and closing fail with
 * %G_IO_ERROR_BROKEN_PIPE.
 *
 * Errors are %G_IO_ERROR_INVALID_ARGUMENT for text that is not UTF-8, %G_IO_ERROR_WOULD_BLOCK in
 * non-blocking mode while other output is pending, %G_IO_ERROR_BROKEN_PIPE after a close frame of
 * either end, also if the peer sends it before the whole message is sent, and those of
 * [method@Qio.ChannelWebsock.handshake].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_send (QIOChannelWebsock *websock,
                                   QIOWebsockMessageKind kind,
                                   GBytes *data,
                                   GError **error);

/**
 * qio_channel_websock_send_text:
 * @websock: a channel
 * @text: the message
 * @error: where to report an error
 *
 * Sends a text message, as [method@Qio.ChannelWebsock.send].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_send_text (QIOChannelWebsock *websock,
                                        const char *text,
                                        GError **error);

/**
 * qio_channel_websock_send_async:
 * @websock: a channel
 * @kind: its kind
 * @data: the message
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Sends a message, as [method@Qio.ChannelWebsock.send], on the thread's default main context,
 * without blocking. Done when the message was taken.
 *
 * Since: 0.1
 */
void qio_channel_websock_send_async (QIOChannelWebsock *websock,
                                     QIOWebsockMessageKind kind,
                                     GBytes *data,
                                     int io_priority,
                                     GCancellable *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data);

/**
 * qio_channel_websock_send_finish:
 * @websock: a channel
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelWebsock.send_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_send_finish (QIOChannelWebsock *websock,
                                          GAsyncResult *result,
                                          GError **error);

/**
 * qio_channel_websock_receive:
 * @websock: a channel
 * @kind: (out) (optional): its kind; binary at the end and with an error
 * @error: where to report an error
 *
 * Receives a message, or what is left of one that was read in part. %NULL without an error is the
 * end of the stream.
 *
 * Errors are code 1009 of [error@Qio.WebsockError] for a message larger than
 * [property@Qio.ChannelWebsock:max-message-size], %G_IO_ERROR_WOULD_BLOCK in non-blocking mode if
 * no message has arrived, and those of reading.
 *
 * Returns: (transfer full) (nullable): the message, or %NULL at the end of the stream
 *
 * Since: 0.1
 */
GBytes *qio_channel_websock_receive (QIOChannelWebsock *websock,
                                     QIOWebsockMessageKind *kind,
                                     GError **error);

/**
 * qio_channel_websock_receive_async:
 * @websock: a channel
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Receives a message, as [method@Qio.ChannelWebsock.receive], on the thread's default main context,
 * without blocking. If it is cancelled, the next call gets what has arrived of the message.
 *
 * Since: 0.1
 */
void qio_channel_websock_receive_async (QIOChannelWebsock *websock,
                                        int io_priority,
                                        GCancellable *cancellable,
                                        GAsyncReadyCallback callback,
                                        gpointer user_data);

/**
 * qio_channel_websock_receive_finish:
 * @websock: a channel
 * @result: what the callback was given
 * @kind: (out) (optional): its kind; binary at the end and with an error
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelWebsock.receive_async].
 *
 * Returns: (transfer full) (nullable): the message, or %NULL at the end of the stream
 *
 * Since: 0.1
 */
GBytes *qio_channel_websock_receive_finish (QIOChannelWebsock *websock,
                                            GAsyncResult *result,
                                            QIOWebsockMessageKind *kind,
                                            GError **error);

/**
 * qio_channel_websock_ping:
 * @websock: a channel
 * @payload: (nullable): at most 125 bytes
 * @error: where to report an error
 *
 * Sends a ping. The peer answers with a pong of the same payload: see
 * [signal@Qio.ChannelWebsock::pong].
 *
 * Errors are %G_IO_ERROR_INVALID_ARGUMENT for a longer payload, %G_IO_ERROR_WOULD_BLOCK in
 * non-blocking mode while other output is pending, and those of writing.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_ping (QIOChannelWebsock *websock,
                                   GBytes *payload,
                                   GError **error);

/**
 * qio_channel_websock_bye:
 * @websock: a channel
 * @code: the code for closing: 1000 to 1003, 1007 to 1014, or 3000 to 4999
 * @reason: (nullable): the reason, of at most 123 bytes
 * @error: where to report an error
 *
 * Performs the closing handshake: sends a close frame with a code and a reason, and reads and
 * discards what the peer still sends until its close frame. A client then waits until the server
 * ends the connection. Does not close the lower channel.
 *
 * Errors are %G_IO_ERROR_INVALID_ARGUMENT for a code that must not be sent or a longer reason,
 * %QIO_WEBSOCK_ERROR_TIMED_OUT after the [close
 * timeout][method@Qio.WebsockOptionsBuilder.set_close_timeout], and those of reading and writing.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_bye (QIOChannelWebsock *websock,
                                  guint code,
                                  const char *reason,
                                  GError **error);

/**
 * qio_channel_websock_bye_async:
 * @websock: a channel
 * @code: the code for closing: 1000 to 1003, 1007 to 1014, or 3000 to 4999
 * @reason: (nullable): the reason, of at most 123 bytes
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Performs the closing handshake, as [method@Qio.ChannelWebsock.bye], on the thread's default main
 * context, without blocking. If it is cancelled, the close frame is sent nevertheless, and the next
 * call continues.
 *
 * Since: 0.1
 */
void qio_channel_websock_bye_async (QIOChannelWebsock *websock,
                                    guint code,
                                    const char *reason,
                                    int io_priority,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);

/**
 * qio_channel_websock_bye_finish:
 * @websock: a channel
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelWebsock.bye_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_bye_finish (QIOChannelWebsock *websock,
                                         GAsyncResult *result,
                                         GError **error);

/**
 * qio_channel_websock_get_master:
 * @websock: a channel
 *
 * Gets the lower channel.
 *
 * Returns: (transfer full) (nullable): the channel,
 *   or %NULL if the channel was created without one
 *
 * Since: 0.1
 */
QIOChannel *qio_channel_websock_get_master (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_is_client:
 * @websock: a channel
 *
 * Gets whether this is the end of the client.
 *
 * Returns: whether it is
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_is_client (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_options:
 * @websock: a channel
 *
 * Gets what this end offers, requires and allows.
 *
 * Returns: (transfer full): the options
 *
 * Since: 0.1
 */
QIOWebsockOptions *qio_channel_websock_get_options (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_uri:
 * @websock: a channel
 *
 * Gets the URI that a client was made for.
 *
 * Returns: (transfer full) (nullable): the URI, or %NULL for a server
 *
 * Since: 0.1
 */
char *qio_channel_websock_get_uri (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_is_handshake_done:
 * @websock: a channel
 *
 * Gets whether the connection is established.
 *
 * Returns: whether it is
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_is_handshake_done (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_protocol:
 * @websock: a channel
 *
 * Gets the subprotocol that both ends have agreed on.
 *
 * Returns: (transfer full) (nullable): the name
 *
 * Since: 0.1
 */
char *qio_channel_websock_get_protocol (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_extensions:
 * @websock: a channel
 *
 * Gets the extensions that both ends have agreed on, with their parameters, as the response of the
 * server names them: `permessage-deflate; server_max_window_bits=12`, for example.
 *
 * Returns: (transfer full) (nullable): the extensions
 *
 * Since: 0.1
 */
char *qio_channel_websock_get_extensions (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_is_upgrade:
 * @websock: a channel
 *
 * Gets whether the request that a server has received is for a WebSocket, and not for something
 * else over HTTP.
 *
 * Returns: whether it is
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_is_upgrade (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_method:
 * @websock: a channel
 *
 * Gets the method of the request that a server has received.
 *
 * Returns: (transfer full) (nullable): the method
 *
 * Since: 0.1
 */
char *qio_channel_websock_get_method (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_target:
 * @websock: a channel
 *
 * Gets the target of the request: the path and the query.
 *
 * Returns: (transfer full) (nullable): the target
 *
 * Since: 0.1
 */
char *qio_channel_websock_get_target (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_path:
 * @websock: a channel
 *
 * Gets the path of the request that a server has received. It is not decoded.
 *
 * Returns: (transfer full) (nullable): the path
 *
 * Since: 0.1
 */
char *qio_channel_websock_get_path (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_query:
 * @websock: a channel
 *
 * Gets the query of the request that a server has received. It is not decoded.
 *
 * Returns: (transfer full) (nullable): the query
 *
 * Since: 0.1
 */
char *qio_channel_websock_get_query (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_origin:
 * @websock: a channel
 *
 * Gets the origin of the page that a client belongs to, for a server.
 *
 * Returns: (transfer full) (nullable): the origin
 *
 * Since: 0.1
 */
char *qio_channel_websock_get_origin (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_request_header:
 * @websock: a channel
 * @name: the name of a header; its case does not matter
 *
 * Gets the first value of a header of the request that a server has received.
 *
 * Returns: (transfer full) (nullable): the value
 *
 * Since: 0.1
 */
char *qio_channel_websock_get_request_header (QIOChannelWebsock *websock,
                                              const char *name);

/**
 * qio_channel_websock_list_request_headers:
 * @websock: a channel
 *
 * Gets the headers of the request that a server has received, in their order.
 *
 * Returns: (transfer full) (array zero-terminated=1): the headers, `Name: value` each
 *
 * Since: 0.1
 */
char **qio_channel_websock_list_request_headers (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_response_header:
 * @websock: a channel
 * @name: the name of a header; its case does not matter
 *
 * Gets the first value of a header of the response that a client has received, also of one that
 * refuses the connection.
 *
 * Returns: (transfer full) (nullable): the value
 *
 * Since: 0.1
 */
char *qio_channel_websock_get_response_header (QIOChannelWebsock *websock,
                                               const char *name);

/**
 * qio_channel_websock_get_close_code:
 * @websock: a channel
 *
 * Gets the code with which the peer has closed: 1005 if it has sent none, 1006 if the connection
 * has ended without a close frame.
 *
 * Returns: the code, or 0 before that
 *
 * Since: 0.1
 */
guint qio_channel_websock_get_close_code (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_close_reason:
 * @websock: a channel
 *
 * Gets the reason that the peer has given for closing.
 *
 * Returns: (transfer full) (nullable): the reason
 *
 * Since: 0.1
 */
char *qio_channel_websock_get_close_reason (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_buffered_amount:
 * @websock: a channel
 *
 * Gets the number of bytes that the lower channel has not taken yet, as `bufferedAmount` of
 * browsers.
 *
 * Returns: the number of bytes
 *
 * Since: 0.1
 */
guint64 qio_channel_websock_get_buffered_amount (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_get_max_message_size:
 * @websock: a channel
 *
 * Gets the maximum size of a message for [method@Qio.ChannelWebsock.receive].
 *
 * Returns: the number of bytes
 *
 * Since: 0.1
 */
guint64 qio_channel_websock_get_max_message_size (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_set_max_message_size:
 * @websock: a channel
 * @bytes: the maximum size of a message
 *
 * Sets the maximum size of a message for [method@Qio.ChannelWebsock.receive]. See
 * [method@Qio.WebsockOptionsBuilder.set_max_message_size].
 *
 * Since: 0.1
 */
void qio_channel_websock_set_max_message_size (QIOChannelWebsock *websock,
                                               guint64 bytes);

/**
 * qio_channel_websock_get_ping_interval:
 * @websock: a channel
 *
 * Gets after how long without anything from the peer a ping is sent.
 *
 * Returns: the number of milliseconds; 0 for never
 *
 * Since: 0.1
 */
guint qio_channel_websock_get_ping_interval (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_set_ping_interval:
 * @websock: a channel
 * @interval_ms: the number of milliseconds; 0 for never
 *
 * Sets after how long without anything from the peer a ping is sent. See
 * [method@Qio.WebsockOptionsBuilder.set_ping_interval]. On an open connection the main context of
 * the caller sends the pings.
 *
 * Since: 0.1
 */
void qio_channel_websock_set_ping_interval (QIOChannelWebsock *websock,
                                            guint interval_ms);

/**
 * qio_channel_websock_get_pong_timeout:
 * @websock: a channel
 *
 * Gets for how long a ping waits for something from the peer.
 *
 * Returns: the number of milliseconds; 0 for no limit
 *
 * Since: 0.1
 */
guint qio_channel_websock_get_pong_timeout (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_set_pong_timeout:
 * @websock: a channel
 * @timeout_ms: the number of milliseconds; 0 for no limit
 *
 * Sets for how long a ping waits for something from the peer. See
 * [method@Qio.WebsockOptionsBuilder.set_pong_timeout].
 *
 * Since: 0.1
 */
void qio_channel_websock_set_pong_timeout (QIOChannelWebsock *websock,
                                           guint timeout_ms);

/**
 * qio_channel_websock_get_require_close:
 * @websock: a channel
 *
 * Gets whether a stream that ends without a close frame of the peer is an error.
 *
 * Returns: %TRUE if it is
 *
 * Since: 0.1
 */
gboolean qio_channel_websock_get_require_close (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_set_require_close:
 * @websock: a channel
 * @required: whether the peer has to send a close frame
 *
 * Sets whether a stream that ends without a close frame of the peer is an error of reading.
 * Default: %TRUE. Browsers that are killed end like that. %QIO_CHANNEL_READ_FLAG_RELAXED_EOF does
 * the same for one read.
 *
 * Since: 0.1
 */
void qio_channel_websock_set_require_close (QIOChannelWebsock *websock,
                                            gboolean required);

/**
 * qio_channel_websock_get_message_kind:
 * @websock: a channel
 *
 * Gets the kind of the messages that plain writes make.
 *
 * Returns: the kind
 *
 * Since: 0.1
 */
QIOWebsockMessageKind qio_channel_websock_get_message_kind (QIOChannelWebsock *websock);

/**
 * qio_channel_websock_set_message_kind:
 * @websock: a channel
 * @kind: the kind
 *
 * Sets the kind of the messages that plain writes make. Default: binary. Writes of text fail with
 * %G_IO_ERROR_INVALID_ARGUMENT if they are not UTF-8.
 *
 * Since: 0.1
 */
void qio_channel_websock_set_message_kind (QIOChannelWebsock *websock,
                                           QIOWebsockMessageKind kind);

G_END_DECLS

#endif
