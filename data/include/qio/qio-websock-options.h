/* What an end of a WebSocket offers, requires and allows. */

#ifndef QIO_WEBSOCK_OPTIONS_H
#define QIO_WEBSOCK_OPTIONS_H

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * QIOWebsockOptions:
 *
 * What an end of a WebSocket offers, requires and allows: for [ctor@Qio.ChannelWebsock.new_server]
 * and [ctor@Qio.ChannelWebsock.new_client]. They are built by a [struct@Qio.WebsockOptionsBuilder],
 * and reference-counted.
 *
 * ## Threads
 *
 * Options are immutable: any number of channels, in any threads, may share them.
 *
 * Since: 0.1
 */
typedef struct _QIOWebsockOptions QIOWebsockOptions;

#define QIO_TYPE_WEBSOCK_OPTIONS (qio_websock_options_get_type ())
GType qio_websock_options_get_type (void);

/**
 * qio_websock_options_ref:
 * @options: options
 *
 * Increments the reference count. May be called from any thread.
 *
 * Returns: (transfer full): the same options
 *
 * Since: 0.1
 */
QIOWebsockOptions *qio_websock_options_ref (QIOWebsockOptions *options);

/**
 * qio_websock_options_unref:
 * @options: (transfer full): options
 *
 * Decrements the reference count. May be called from any thread.
 *
 * Since: 0.1
 */
void qio_websock_options_unref (QIOWebsockOptions *options);

/**
 * QIOWebsockOptionsBuilder:
 *
 * Builds [struct@Qio.WebsockOptions]. Nothing has to be set: by default a server accepts any path,
 * clients that offer no subprotocol or any, and browsers whose page is of the same host.
 *
 * The functions of the builder never fail: [method@Qio.WebsockOptionsBuilder.build] reports the
 * first invalid argument. A builder must not be used by two threads at once.
 *
 * A typical sequence:
 *
 * ```c
 * g_autoptr (GError) error = NULL;
 * g_autoptr (QIOWebsockOptionsBuilder) builder = qio_websock_options_builder_new ();
 * g_autoptr (QIOWebsockOptions) options = NULL;
 *
 * qio_websock_options_builder_add_protocol (builder, "chat.v2");
 * qio_websock_options_builder_set_path (builder, "/chat");
 * options = qio_websock_options_builder_build (builder, &error);
 * if (options == NULL)
 *   g_printerr ("%s\n", error->message);
 * ```
 *
 * Since: 0.1
 */
typedef struct _QIOWebsockOptionsBuilder QIOWebsockOptionsBuilder;

#define QIO_TYPE_WEBSOCK_OPTIONS_BUILDER (qio_websock_options_builder_get_type ())
GType qio_websock_options_builder_get_type (void);

/**
 * qio_websock_options_builder_new: (constructor)
 *
 * Creates a builder with the defaults.
 *
 * Returns: (transfer full): a builder
 *
 * Since: 0.1
 */
QIOWebsockOptionsBuilder *qio_websock_options_builder_new (void);

/**
 * qio_websock_options_builder_copy:
 * @builder: a builder
 *
 * Copies a builder.
 *
 * Returns: (transfer full): the copy
 *
 * Since: 0.1
 */
QIOWebsockOptionsBuilder *
qio_websock_options_builder_copy (const QIOWebsockOptionsBuilder *builder);

/**
 * qio_websock_options_builder_free: (skip)
 * @builder: (transfer full): a builder
 *
 * Frees a builder.
 *
 * Since: 0.1
 */
void qio_websock_options_builder_free (QIOWebsockOptionsBuilder *builder);

/**
 * qio_websock_options_builder_build:
 * @builder: a builder
 * @error: where to report an error
 *
 * Builds the options. The builder is not changed.
 *
 * Fails with %G_IO_ERROR_INVALID_ARGUMENT for the first invalid argument of a function of the
 * builder.
 *
 * Returns: (transfer full): the options
 *
 * Since: 0.1
 */
QIOWebsockOptions *qio_websock_options_builder_build (const QIOWebsockOptionsBuilder *builder,
                                                      GError **error);

/**
 * qio_websock_options_builder_add_protocol:
 * @builder: a builder
 * @name: the name of a subprotocol
 *
 * Adds a subprotocol, in the order of preference. A client offers them; a server selects the first
 * one that the client offers, and refuses clients that offer others alone (status 400). Default:
 * none, which a server accepts from any client.
 *
 * Since: 0.1
 */
void qio_websock_options_builder_add_protocol (QIOWebsockOptionsBuilder *builder,
                                               const char *name);

/**
 * qio_websock_options_builder_add_header:
 * @builder: a builder
 * @name: the name of a header
 * @value: its value
 *
 * Adds a header to the request of a client, or to the response with which a server accepts one.
 * Headers of the protocol itself, such as `Upgrade`, cannot be set.
 *
 * Since: 0.1
 */
void qio_websock_options_builder_add_header (QIOWebsockOptionsBuilder *builder,
                                             const char *name,
                                             const char *value);

/**
 * qio_websock_options_builder_set_path:
 * @builder: a builder
 * @path: a path, which begins with a slash
 *
 * Sets the path of a server: it refuses requests for other paths (status 404). Default: any path.
 *
 * Since: 0.1
 */
void qio_websock_options_builder_set_path (QIOWebsockOptionsBuilder *builder,
                                           const char *path);

/**
 * qio_websock_options_builder_set_same_host:
 * @builder: a builder
 *
 * Makes a server refuse browsers whose page is of another host than the one that they connect to
 * (status 403). This is the default: otherwise any page on the web could use the server with the
 * cookies and in the network of the user (cross-site WebSocket hijacking). Ports are not compared.
 * Clients that send no `Origin` are no browsers, and are accepted.
 *
 * This does not protect against DNS rebinding: a page of `evil.example`, a name that then resolves
 * to 127.0.0.1, connects to `evil.example`, which is its own host. List the origins of a server
 * that is reachable by the user's machine or network alone:
 * [method@Qio.WebsockOptionsBuilder.set_origins].
 *
 * Since: 0.1
 */
void qio_websock_options_builder_set_same_host (QIOWebsockOptionsBuilder *builder);

/**
 * qio_websock_options_builder_set_origins:
 * @builder: a builder
 * @origins: (array zero-terminated=1): origins, such as `https://example.org`
 *
 * Makes a server accept browsers with pages of these origins alone. See
 * [method@Qio.WebsockOptionsBuilder.set_same_host].
 *
 * Since: 0.1
 */
void qio_websock_options_builder_set_origins (QIOWebsockOptionsBuilder *builder,
                                              const char *const *origins);

/**
 * qio_websock_options_builder_set_any_origin:
 * @builder: a builder
 *
 * Makes a server accept browsers with pages of any origin. See
 * [method@Qio.WebsockOptionsBuilder.set_same_host].
 *
 * Since: 0.1
 */
void qio_websock_options_builder_set_any_origin (QIOWebsockOptionsBuilder *builder);

/**
 * qio_websock_options_builder_set_binary_only:
 * @builder: a builder
 *
 * Makes text messages of the peer end the connection (close code 1003), as those of QEMU do.
 *
 * Since: 0.1
 */
void qio_websock_options_builder_set_binary_only (QIOWebsockOptionsBuilder *builder);

/**
 * qio_websock_options_builder_set_max_message_size:
 * @builder: a builder
 * @bytes: the maximum size of a message
 *
 * Sets the maximum size of a message for [method@Qio.ChannelWebsock.receive]. A larger one ends the
 * connection (close code 1009). Reading as a stream has no limit. Default: 16 MiB.
 *
 * Since: 0.1
 */
void qio_websock_options_builder_set_max_message_size (QIOWebsockOptionsBuilder *builder,
                                                       gsize bytes);

/**
 * qio_websock_options_builder_set_deflate:
 * @builder: a builder
 * @level: the level of compression, from 1, the fastest, to 9
 * @threshold: the size in bytes below which messages are not compressed, 64 for example
 *
 * Offers or accepts compression of messages (permessage-deflate, RFC 7692). Default: none.
 *
 * Messages that would become longer are not compressed. With a @threshold of 0 all messages are
 * compressed, also those that become longer; with %G_MAXSIZE none is. Messages of more than 64 KiB
 * are compressed in pieces, as they are sent, and may become slightly longer.
 *
 * Compression costs about 300 KiB of memory for each connection that uses it, unless no context is
 * kept: see [method@Qio.WebsockOptionsBuilder.set_deflate_no_context_takeover]. Data of an attacker
 * that is compressed with a secret reveals the secret by its length (CRIME, BREACH): do not
 * compress such messages.
 *
 * Since: 0.1
 */
void qio_websock_options_builder_set_deflate (QIOWebsockOptionsBuilder *builder,
                                              guint level,
                                              gsize threshold);

/**
 * qio_websock_options_builder_set_deflate_no_context_takeover:
 * @builder: a builder
 * @client: whether the client keeps no context
 * @server: whether the server keeps no context
 *
 * Sets which ends keep no context of compression from one message to the next, which saves memory.
 * Enables compression, as [method@Qio.WebsockOptionsBuilder.set_deflate] with level 1 and a
 * threshold of 64 bytes, unless that was called. Default: both keep it.
 *
 * Since: 0.1
 */
void qio_websock_options_builder_set_deflate_no_context_takeover (QIOWebsockOptionsBuilder *builder,
                                                                  gboolean client,
                                                                  gboolean server);

/**
 * qio_websock_options_builder_set_deflate_max_window_bits:
 * @builder: a builder
 * @client: the largest window of the client, from 9 to 15 bits
 * @server: the largest window of the server, from 9 to 15 bits
 *
 * Sets the largest windows of compression. Enables it, as
 * [method@Qio.WebsockOptionsBuilder.set_deflate_no_context_takeover] does. Default: 15.
 *
 * Since: 0.1
 */
void qio_websock_options_builder_set_deflate_max_window_bits (QIOWebsockOptionsBuilder *builder,
                                                              guint client,
                                                              guint server);

/**
 * qio_websock_options_builder_set_ping_interval:
 * @builder: a builder
 * @interval_ms: an interval in milliseconds, or 0 for no pings
 *
 * Sets after which time without received data a ping is sent, on the main context in which the
 * handshake was made. Default: 0. Proxies often end connections that are idle for 60 s.
 *
 * Since: 0.1
 */
void qio_websock_options_builder_set_ping_interval (QIOWebsockOptionsBuilder *builder,
                                                    guint interval_ms);

/**
 * qio_websock_options_builder_set_pong_timeout:
 * @builder: a builder
 * @timeout_ms: a time in milliseconds, or 0 for no limit
 *
 * Sets after which time without received data, following a ping, the connection ends with
 * %QIO_WEBSOCK_ERROR_TIMED_OUT. Default: 0.
 *
 * Since: 0.1
 */
void qio_websock_options_builder_set_pong_timeout (QIOWebsockOptionsBuilder *builder,
                                                   guint timeout_ms);

/**
 * qio_websock_options_builder_set_close_timeout:
 * @builder: a builder
 * @timeout_ms: a time in milliseconds
 *
 * Sets how long a closing handshake waits for the peer. Default: 5 s.
 *
 * Since: 0.1
 */
void qio_websock_options_builder_set_close_timeout (QIOWebsockOptionsBuilder *builder,
                                                    guint timeout_ms);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QIOWebsockOptions, qio_websock_options_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QIOWebsockOptionsBuilder, qio_websock_options_builder_free)

G_END_DECLS

#endif
