/* TLS over any channel. */

#ifndef QIO_CHANNEL_TLS_H
#define QIO_CHANNEL_TLS_H

#include <qio/qio-channel.h>
#include <qio/qio-tls-creds.h>

G_BEGIN_DECLS

#define QIO_TYPE_CHANNEL_TLS (qio_channel_tls_get_type ())

/**
 * QIOChannelTLS:
 *
 * TLS over another channel, by OpenSSL.
 *
 * [ctor@Qio.ChannelTLS.new_client] and [ctor@Qio.ChannelTLS.new_server] make one of a connected
 * channel and [class@Qio.TlsCreds]. The channel takes ownership of the lower one
 * ([property@Qio.ChannelTLS:master]), which is set to non-blocking mode, must not be read or
 * written directly any more, and is closed with this one.
 *
 * A typical sequence of a client:
 *
 * ```c
 * g_autoptr (GError) error = NULL;
 * g_autoptr (QIOChannelTLS) tls = NULL;
 *
 * tls = qio_channel_tls_new_client (lower, creds, "www.example.com", &error);
 * if (tls == NULL || !qio_channel_tls_handshake (tls, &error)
 *     || qio_channel_write_all (QIO_CHANNEL (tls), "hello", 5, &error) < 0
 *     || qio_channel_close (QIO_CHANNEL (tls), &error) < 0)
 *   g_printerr ("%s\n", error->message);
 * ```
 *
 * ## Handshake and end
 *
 * The first read or write performs the TLS handshake; [method@Qio.ChannelTLS.handshake] does that
 * alone. A handshake that has failed is final: every later call fails with the same error. Closing
 * the channel ends a handshake under way with an error. One that is cancelled is resumed by the
 * next call.
 *
 * A stream ends with the close_notify alert of the peer. Without it the data may have been
 * truncated by an attacker, and reads fail with %G_TLS_ERROR_EOF, unless they have
 * %QIO_CHANNEL_READ_FLAG_RELAXED_EOF or [method@Qio.ChannelTLS.set_require_close_notify] was
 * called. Closing the lower channel directly is such a truncation. [method@Qio.Channel.close] sends
 * close_notify, within 5 seconds in blocking mode or it fails, and as far as that does not block in
 * non-blocking mode; then it closes the lower channel. In blocking mode, and by
 * [method@Qio.Channel.close_async] in either mode, it also reads and discards what a peer over TCP
 * still sends, such as session tickets, until the kernel of the peer has acknowledged all data, for
 * at most these 5 seconds: a connection that is closed with unread input is reset, and loses data
 * under way. [method@Qio.Channel.shutdown] for writing sends close_notify, and reading continues;
 * [method@Qio.ChannelTLS.bye] waits until close_notify has been sent.
 *
 * To change to TLS in the middle of a connection (STARTTLS), read up to the agreed end and no
 * further: data that has been read before is lost for TLS. The functions of this class return
 * whether they succeeded, and not a number as those of [class@Qio.Channel].
 *
 * A channel that is finalized sends close_notify if that does not block, which writes to the lower
 * channel. Where that is of a class in a language with a garbage collector that calls no methods
 * meanwhile, such as GJS, close it before.
 *
 * ## Threads
 *
 * One thread may read while another one writes. In non-blocking mode a write may encrypt more than
 * the lower channel takes at once: the rest is pending output, which the next read, write or flush
 * sends, or the main context in which it was written; [method@Qio.Channel.flush] waits for it.
 * Pending output that cannot be sent when the channel is closed is an error of closing.
 *
 * ## Signals
 *
 * [signal@Qio.ChannelTLS::accept-certificate] and [signal@Qio.ChannelTLS::authorize-peer] decide
 * about the peer, in the thread that performs the handshake.
 *
 * Since: 0.1
 */
G_DECLARE_DERIVABLE_TYPE (QIOChannelTLS, qio_channel_tls, QIO, CHANNEL_TLS, QIOChannel)

/**
 * QIOChannelTLSClass:
 * @parent_class: the parent class
 *
 * The class of a [class@Qio.ChannelTLS].
 *
 * Since: 0.1
 */
struct _QIOChannelTLSClass
{
  QIOChannelClass parent_class;

  /*< private >*/
  gpointer padding[8];
};

/**
 * QIOChannelTLS:master:
 *
 * The lower channel.
 *
 * Since: 0.1
 */

/**
 * QIOChannelTLS:creds:
 *
 * The credentials: own certificate and private key, and trust anchors.
 *
 * Since: 0.1
 */

/**
 * QIOChannelTLS:hostname:
 *
 * The name of the server: of a client, the one that it connects to; of a server, the one that the
 * client has requested (SNI).
 *
 * Since: 0.1
 */

/**
 * QIOChannelTLS:handshake-done:
 *
 * Whether the connection is established.
 *
 * Since: 0.1
 */

/**
 * QIOChannelTLS:peer-certificate:
 *
 * The certificate of the peer, with its issuers.
 *
 * Since: 0.1
 */

/**
 * QIOChannelTLS:peer-certificate-errors:
 *
 * The verification errors of the certificate of the peer.
 *
 * Since: 0.1
 */

/**
 * QIOChannelTLS:protocol-version:
 *
 * The version of TLS, once that is known.
 *
 * Since: 0.1
 */

/**
 * QIOChannelTLS:cipher:
 *
 * The name of the cipher suite, once that is known.
 *
 * Since: 0.1
 */

/**
 * QIOChannelTLS:alpn-protocol:
 *
 * The application protocol that was negotiated (ALPN).
 *
 * Since: 0.1
 */

/**
 * QIOChannelTLS:resumed:
 *
 * Whether an earlier session was resumed; with TLS 1.3 also where a pre-shared key was used.
 *
 * Since: 0.1
 */

/**
 * QIOChannelTLS:require-close-notify:
 *
 * Whether a stream that ends without the close_notify alert of the peer is an error.
 *
 * Since: 0.1
 */

/**
 * QIOChannelTLS::authorize-peer:
 * @tls: the channel
 * @certificate: the certificate that the peer has presented, with its issuers
 *
 * The certificate of the peer has been verified; the handlers decide whether the peer is
 * authorized. All have to return %TRUE: if one returns %FALSE, throws, or is blocked, the peer is
 * rejected, the handshake fails with %G_TLS_ERROR_BAD_CERTIFICATE, and the peer gets the alert
 * bad_certificate.
 *
 * Emitted in the middle of the handshake, in its thread; nothing is read or written before, and
 * waiting for that in a handler is an error, %G_IO_ERROR_PENDING. In a coroutine a handler may wait
 * for other things. Not emitted where no certificate is presented, nor for credentials that do not
 * verify. Without a GIO TLS backend every peer is rejected.
 *
 * A session is only resumed if the handlers accept the certificate of its full handshake, for which
 * the signal is emitted before; if they do not, the peer has to present its certificate again. The
 * peer has not proved then that the session is its own, and may connect without it in the end: the
 * peer is the one of [property@Qio.ChannelTLS:peer-certificate] after the handshake.
 *
 * Handlers may close the channel, which ends the handshake with an error. They may release it as
 * well, but for a read or a write that performs the handshake: the caller of that has a reference.
 *
 * Returns: whether the peer is authorized
 *
 * Since: 0.1
 */

/**
 * QIOChannelTLS::accept-certificate:
 * @tls: the channel
 * @certificate: the certificate that the peer has presented, with its issuers
 * @errors: its verification errors
 *
 * The certificate of the peer does not verify; a handler decides whether to connect nevertheless,
 * as with [signal@Gio.TlsConnection::accept-certificate]: for "connect anyway?", and for
 * certificates that are known in advance (pinning). If one handler returns %TRUE, the certificate
 * is accepted for this connection alone; [signal@Qio.ChannelTLS::authorize-peer] is emitted next,
 * and no session of it is kept. Otherwise the handshake fails, and the peer gets an alert.
 * Returning %TRUE without comparing
 * @certificate accepts every peer.
 *
 * Returns: whether the certificate is accepted
 *
 * Since: 0.1
 */

/**
 * qio_channel_tls_new_client: (constructor)
 * @master: the lower channel
 * @creds: credentials of a client
 * @hostname: (nullable): the host name or IP address of the server
 * @error: where to report an error
 *
 * Creates the client side of a connection. Sends nothing yet. The name goes to the server in plain
 * text, an IP address does not; a non-ASCII name is converted to A-labels (IDNA, `xn--…`). Where
 * the credentials verify the peer, its certificate has to be for @hostname, which must not be %NULL
 * then.
 *
 * Errors are %G_IO_ERROR_INVALID_ARGUMENT for credentials of a server, for no name where one is
 * needed, and for one that is none; and those of making @master non-blocking.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelTLS *qio_channel_tls_new_client (QIOChannel *master,
                                           QIOTlsCreds *creds,
                                           const char *hostname,
                                           GError **error);

/**
 * qio_channel_tls_new_server: (constructor)
 * @master: the lower channel
 * @creds: credentials of a server
 * @error: where to report an error
 *
 * Creates the server side of a connection. Sends nothing yet.
 *
 * Errors are %G_IO_ERROR_INVALID_ARGUMENT for credentials of a client, and those of making @master
 * non-blocking.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelTLS *qio_channel_tls_new_server (QIOChannel *master,
                                           QIOTlsCreds *creds,
                                           GError **error);

/**
 * qio_channel_tls_handshake:
 * @tls: a channel
 * @error: where to report an error
 *
 * Performs the TLS handshake, and waits until it is done, in either mode; in a coroutine, suspends
 * it. Returns at once if it is done already.
 *
 * Errors are %G_TLS_ERROR_BAD_CERTIFICATE, also for a peer that was rejected,
 * %G_TLS_ERROR_CERTIFICATE_REQUIRED, %G_TLS_ERROR_NOT_TLS, %G_TLS_ERROR_EOF, %G_TLS_ERROR_HANDSHAKE
 * for everything else that TLS reports, and those of the lower channel.
 *
 * With TLS 1.3 the handshake of a client is done before the server has verified the client's
 * certificate: a rejection is reported by the first read. [method@Qio.Channel.close] in another
 * thread ends it.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_tls_handshake (QIOChannelTLS *tls,
                                    GError **error);

/**
 * qio_channel_tls_handshake_async:
 * @tls: a channel
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Performs the TLS handshake, as [method@Qio.ChannelTLS.handshake], on the thread's default main
 * context, without blocking. If it is cancelled, the next call resumes it.
 *
 * Since: 0.1
 */
void qio_channel_tls_handshake_async (QIOChannelTLS *tls,
                                      int io_priority,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);

/**
 * qio_channel_tls_handshake_finish:
 * @tls: the channel
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelTLS.handshake_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_tls_handshake_finish (QIOChannelTLS *tls,
                                           GAsyncResult *result,
                                           GError **error);

/**
 * qio_channel_tls_bye:
 * @tls: a channel
 * @error: where to report an error
 *
 * Sends the close_notify alert, after all that was written; in blocking mode, and in a coroutine,
 * waits until it has been sent. Nothing can be written afterwards; reading continues until the
 * close_notify of the peer. If a part of a handshake message of the peer has come, such as a
 * session ticket, close_notify is sent after the rest of it. Errors are those of writing;
 * %G_IO_ERROR_WOULD_BLOCK in non-blocking mode means that output is still pending, which the main
 * context sends as well, or that this rest has yet to come: call it again, or use
 * [method@Qio.ChannelTLS.bye_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_tls_bye (QIOChannelTLS *tls,
                              GError **error);

/**
 * qio_channel_tls_bye_async:
 * @tls: a channel
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): what can cancel it
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Sends the close_notify alert, as [method@Qio.ChannelTLS.bye], on the thread's default main
 * context, without blocking.
 *
 * Since: 0.1
 */
void qio_channel_tls_bye_async (QIOChannelTLS *tls,
                                int io_priority,
                                GCancellable *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer user_data);

/**
 * qio_channel_tls_bye_finish:
 * @tls: the channel
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelTLS.bye_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_tls_bye_finish (QIOChannelTLS *tls,
                                     GAsyncResult *result,
                                     GError **error);

/**
 * qio_channel_tls_update_keys:
 * @tls: a channel
 * @request_peer: whether to request a KeyUpdate of the peer as well
 * @error: where to report an error
 *
 * Changes the keys for what is sent from now on (TLS 1.3 KeyUpdate), which limits what a key that
 * leaks can decrypt. Does not block.
 *
 * Errors are %G_IO_ERROR_WOULD_BLOCK before the handshake is done and while too much output is
 * pending, %G_IO_ERROR_NOT_SUPPORTED with TLS 1.2, and those of writing.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_tls_update_keys (QIOChannelTLS *tls,
                                      gboolean request_peer,
                                      GError **error);

/**
 * qio_channel_tls_get_master:
 * @tls: a channel
 *
 * Gets the lower channel.
 *
 * Returns: (transfer full) (nullable): the channel,
 *   or %NULL if the channel was created without one
 *
 * Since: 0.1
 */
QIOChannel *qio_channel_tls_get_master (QIOChannelTLS *tls);

/**
 * qio_channel_tls_get_creds:
 * @tls: a channel
 *
 * Gets the credentials.
 *
 * Returns: (transfer full) (nullable): the credentials,
 *   or %NULL if the channel was created without one
 *
 * Since: 0.1
 */
QIOTlsCreds *qio_channel_tls_get_creds (QIOChannelTLS *tls);

/**
 * qio_channel_tls_get_hostname:
 * @tls: a channel
 *
 * Gets the name of the server: of a client, the one that it connects to; of a server, the one that
 * the client has requested (SNI), once it is known. A client that connects to an IP address
 * requests none.
 *
 * Returns: (transfer full) (nullable): the name or the address
 *
 * Since: 0.1
 */
char *qio_channel_tls_get_hostname (QIOChannelTLS *tls);

/**
 * qio_channel_tls_is_handshake_done:
 * @tls: a channel
 *
 * Gets whether the connection is established.
 *
 * Returns: whether it is
 *
 * Since: 0.1
 */
gboolean qio_channel_tls_is_handshake_done (QIOChannelTLS *tls);

/**
 * qio_channel_tls_get_peer_certificate:
 * @tls: a channel
 *
 * Gets the certificate of the peer, with its issuers as far as they are known, also of a handshake
 * that has failed because of it. Needs a TLS backend of GIO (glib-networking).
 *
 * Returns: (transfer full) (nullable): the certificate
 *
 * Since: 0.1
 */
GTlsCertificate *qio_channel_tls_get_peer_certificate (QIOChannelTLS *tls);

/**
 * qio_channel_tls_get_peer_certificate_errors:
 * @tls: a channel
 *
 * Returns the verification errors of the certificate of the peer, as far as they were found: all
 * errors where a handler of [signal@Qio.ChannelTLS::accept-certificate] is connected, else the
 * first one. Nothing for a certificate that verifies, and before one was presented. Stays after a
 * handshake that failed because of it.
 *
 * Returns: the errors
 *
 * Since: 0.1
 */
GTlsCertificateFlags qio_channel_tls_get_peer_certificate_errors (QIOChannelTLS *tls);

/**
 * qio_channel_tls_get_protocol_version:
 * @tls: a channel
 *
 * Gets the version of TLS, once the connection is established.
 *
 * Returns: the version
 *
 * Since: 0.1
 */
GTlsProtocolVersion qio_channel_tls_get_protocol_version (QIOChannelTLS *tls);

/**
 * qio_channel_tls_get_cipher:
 * @tls: a channel
 *
 * Gets the standard name of the cipher suite, once the connection is established.
 *
 * Returns: (transfer full) (nullable): the name
 *
 * Since: 0.1
 */
char *qio_channel_tls_get_cipher (QIOChannelTLS *tls);

/**
 * qio_channel_tls_get_key_size:
 * @tls: a channel
 *
 * Returns how large the key of the cipher is, once the connection is established: 32 for AES-256.
 *
 * Returns: the size in bytes, or 0 before that
 *
 * Since: 0.1
 */
guint qio_channel_tls_get_key_size (QIOChannelTLS *tls);

/**
 * qio_channel_tls_get_peer_name:
 * @tls: a channel
 *
 * Returns the distinguished name of the peer, as RFC 4514 has it, the most specific part first:
 * `CN=client,O=Example,C=GB`. There is none until the connection is established, if the peer has
 * presented no certificate, or if the credentials do not verify it.
 *
 * Returns: (transfer full) (nullable): the name
 *
 * Since: 0.1
 */
char *qio_channel_tls_get_peer_name (QIOChannelTLS *tls);

/**
 * qio_channel_tls_get_alpn_protocol:
 * @tls: a channel
 *
 * Gets the application protocol that was negotiated (ALPN).
 *
 * Returns: (transfer full) (nullable): the name
 *
 * Since: 0.1
 */
char *qio_channel_tls_get_alpn_protocol (QIOChannelTLS *tls);

/**
 * qio_channel_tls_is_resumed:
 * @tls: a channel
 *
 * Gets whether an earlier session was resumed: then no certificate was presented. With TLS 1.3 also
 * `TRUE` where a pre-shared key was used.
 *
 * Returns: whether it is so
 *
 * Since: 0.1
 */
gboolean qio_channel_tls_is_resumed (QIOChannelTLS *tls);

/**
 * qio_channel_tls_set_require_close_notify:
 * @tls: a TLS channel
 * @required: whether the peer has to send close_notify
 *
 * Sets whether a stream that ends without the close_notify alert of the peer is an error of
 * reading. Default: %TRUE. Some servers never send close_notify, and protocols that state all
 * lengths do not need it. As the property of [class@Gio.TlsConnection];
 * %QIO_CHANNEL_READ_FLAG_RELAXED_EOF does the same for one read.
 *
 * Since: 0.1
 */
void qio_channel_tls_set_require_close_notify (QIOChannelTLS *tls,
                                               gboolean required);

/**
 * qio_channel_tls_get_require_close_notify:
 * @tls: a TLS channel
 *
 * Gets whether the peer has to send close_notify.
 *
 * Returns: %TRUE if it has to
 *
 * Since: 0.1
 */
gboolean qio_channel_tls_get_require_close_notify (QIOChannelTLS *tls);

G_END_DECLS

#endif
