/* The credentials of one endpoint of TLS connections. */

#ifndef QIO_TLS_CREDS_H
#define QIO_TLS_CREDS_H

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * QIOTlsEndpoint:
 * @QIO_TLS_ENDPOINT_CLIENT: the end that begins the handshake
 * @QIO_TLS_ENDPOINT_SERVER: the end that answers
 *
 * The end of a connection.
 *
 * Since: 0.1
 */
typedef enum
{
  QIO_TLS_ENDPOINT_CLIENT = 0,
  QIO_TLS_ENDPOINT_SERVER = 1
} QIOTlsEndpoint;

#define QIO_TYPE_TLS_ENDPOINT (qio_tls_endpoint_get_type ())
GType qio_tls_endpoint_get_type (void);

/**
 * QIOTlsPskHash:
 * @QIO_TLS_PSK_HASH_SHA256: SHA-256, the default
 * @QIO_TLS_PSK_HASH_SHA384: SHA-384
 *
 * The hash of a pre-shared key of a client with TLS 1.3.
 *
 * Since: 0.1
 */
typedef enum
{
  QIO_TLS_PSK_HASH_SHA256 = 0,
  QIO_TLS_PSK_HASH_SHA384 = 1
} QIOTlsPskHash;

#define QIO_TYPE_TLS_PSK_HASH (qio_tls_psk_hash_get_type ())
GType qio_tls_psk_hash_get_type (void);

#define QIO_TYPE_TLS_CREDS (qio_tls_creds_get_type ())

/**
 * QIOTlsCreds:
 *
 * The credentials of one endpoint of TLS connections: own certificate and private key, and trust
 * anchors.
 *
 * They are built by a [struct@Qio.TlsCredsBuilder]. An object that is constructed by its type alone
 * is a client without trust anchors.
 *
 * A typical sequence of a client that trusts the certificate authorities of the system:
 *
 * ```c
 * g_autoptr (GError) error = NULL;
 * g_autoptr (QIOTlsCredsBuilder) builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_CLIENT);
 * g_autoptr (QIOTlsCreds) creds = NULL;
 *
 * qio_tls_creds_builder_add_system_trust (builder);
 * creds = qio_tls_creds_builder_build (builder, &error);
 * if (creds == NULL)
 *   g_printerr ("%s\n", error->message);
 * ```
 *
 * ## Threads
 *
 * Credentials are immutable: any number of channels, in any threads, may share them.
 *
 * Since: 0.1
 */
G_DECLARE_DERIVABLE_TYPE (QIOTlsCreds, qio_tls_creds, QIO, TLS_CREDS, GObject)

/**
 * QIOTlsCredsClass:
 * @parent_class: the parent class
 *
 * The class of [class@Qio.TlsCreds].
 *
 * Since: 0.1
 */
struct _QIOTlsCredsClass
{
  GObjectClass parent_class;

  /*< private >*/
  gpointer padding[8];
};

/**
 * QIOTlsCreds:endpoint:
 *
 * The end that they are for.
 *
 * Since: 0.1
 */

/**
 * QIOTlsCreds:verifies-peer:
 *
 * Whether a certificate that the peer presents is verified. See
 * [method@Qio.TlsCreds.verifies_peer].
 *
 * Since: 0.1
 */

/**
 * qio_tls_creds_get_endpoint:
 * @creds: credentials
 *
 * Gets the endpoint that the credentials are for.
 *
 * Returns: the end
 *
 * Since: 0.1
 */
QIOTlsEndpoint qio_tls_creds_get_endpoint (QIOTlsCreds *creds);

/**
 * qio_tls_creds_verifies_peer:
 * @creds: credentials
 *
 * Gets whether the certificate of the peer is verified: by a client also that it is for the name of
 * the server. It is not if a client has only a pre-shared key, which authenticates the server in
 * another way; nor where a server requests no certificates, nor with anonymous credentials.
 *
 * Returns: whether it is
 *
 * Since: 0.1
 */
gboolean qio_tls_creds_verifies_peer (QIOTlsCreds *creds);

#define QIO_TYPE_TLS_CREDS_BUILDER (qio_tls_creds_builder_get_type ())

/**
 * QIOTlsCredsBuilder:
 *
 * Builds [class@Qio.TlsCreds]. A peer authenticates by a certificate, by a pre-shared key or, if
 * the caller accepts that, not at all; a client without other trust anchors uses the system trust
 * store.
 *
 * Nothing is read before [method@Qio.TlsCredsBuilder.build]. A builder must not be used by two
 * threads at once.
 *
 * Since: 0.1
 */
typedef struct _QIOTlsCredsBuilder QIOTlsCredsBuilder;

GType qio_tls_creds_builder_get_type (void);

/**
 * QIOTlsPasswordFunc:
 * @what: the encrypted key: the path of its file, or a label for one in memory
 * @user_data: (closure): the data that was set with the function
 *
 * Returns the password of a private key. Called by [method@Qio.TlsCredsBuilder.build], in the same
 * thread.
 *
 * Returns: (transfer full) (nullable): the password, in UTF-8, or %NULL if it is unknown
 *
 * Since: 0.1
 */
typedef char *(*QIOTlsPasswordFunc) (const char *what,
                                     gpointer user_data);

/**
 * QIOTlsKeyLogFunc:
 * @line: a line, without its end
 * @user_data: (closure): the data that was set with the function
 *
 * Logs the secrets of a connection, in the NSS key log format, which Wireshark reads. Called in the
 * thread of the handshake, possibly in several threads at once, and must return soon.
 *
 * Since: 0.1
 */
typedef void (*QIOTlsKeyLogFunc) (const char *line,
                                  gpointer user_data);

/**
 * qio_tls_creds_builder_new: (constructor)
 * @endpoint: which end they are for
 *
 * Creates a builder of credentials.
 *
 * Returns: (transfer full): a builder
 *
 * Since: 0.1
 */
QIOTlsCredsBuilder *qio_tls_creds_builder_new (QIOTlsEndpoint endpoint);

/**
 * qio_tls_creds_builder_copy:
 * @builder: a builder
 *
 * Copies a builder.
 *
 * Returns: (transfer full): the copy
 *
 * Since: 0.1
 */
QIOTlsCredsBuilder *qio_tls_creds_builder_copy (const QIOTlsCredsBuilder *builder);

/**
 * qio_tls_creds_builder_free: (skip)
 * @builder: (transfer full): a builder
 *
 * Frees a builder.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_free (QIOTlsCredsBuilder *builder);

/**
 * qio_tls_creds_builder_build:
 * @builder: a builder
 * @error: where to report an error
 *
 * Reads files, validates certificates and keys, and builds the credentials. Blocks while files are
 * read. The builder is not changed.
 *
 * Unless disabled by [method@Qio.TlsCredsBuilder.set_checks], certificates are verified: they must
 * be valid now; at least one trusted certificate of each file must be a CA certificate; the own
 * certificate must allow the use by its end, must not be a CA certificate unless it is self-signed,
 * and in a directory must be issued by the CA there. A private key must always match.
 *
 * Errors are the system error of a file; %G_TLS_ERROR_BAD_CERTIFICATE or
 * %G_TLS_ERROR_BAD_CERTIFICATE_PASSWORD, with the name of the file and the reason; and
 * %G_IO_ERROR_INVALID_ARGUMENT for missing or conflicting settings, and for those that were refused
 * by a function of the builder, which has logged a critical warning then.
 *
 * Returns: (transfer full): the credentials
 *
 * Since: 0.1
 */
QIOTlsCreds *qio_tls_creds_builder_build (const QIOTlsCredsBuilder *builder,
                                          GError **error);

/**
 * qio_tls_creds_builder_set_directory:
 * @builder: a builder
 * @path: (type filename): a directory
 *
 * Loads the files of a directory in the layout of QEMU: trusted CA certificates from `ca-cert.pem`;
 * CRLs from `ca-crl.pem`, if it exists; certificate and private key of a server from
 * `server-cert.pem` and `server-key.pem`, or of a client from `client-cert.pem` and
 * `client-key.pem`, if they exist. The certificate must be issued by one of these CAs.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_directory (QIOTlsCredsBuilder *builder,
                                          const char *path);

/**
 * qio_tls_creds_builder_add_trust_file:
 * @builder: a builder
 * @path: (type filename): a PEM file
 *
 * Adds the CA certificates of a file to the trust anchors. A chain that ends at one of them is
 * accepted, also if that one is not a root.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_add_trust_file (QIOTlsCredsBuilder *builder,
                                           const char *path);

/**
 * qio_tls_creds_builder_add_trust_pem:
 * @builder: a builder
 * @pem: certificates in PEM form
 *
 * Adds CA certificates in PEM form to the trust anchors.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_add_trust_pem (QIOTlsCredsBuilder *builder,
                                          GBytes *pem);

/**
 * qio_tls_creds_builder_add_trust:
 * @builder: a builder
 * @authority: a certificate
 *
 * Adds a CA certificate to the trust anchors.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_add_trust (QIOTlsCredsBuilder *builder,
                                      GTlsCertificate *authority);

/**
 * qio_tls_creds_builder_add_system_trust:
 * @builder: a builder
 *
 * Adds the system trust store to the trust anchors. Default for a client without other trust
 * anchors and without a pre-shared key ([method@Qio.TlsCredsBuilder.add_psk]).
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_add_system_trust (QIOTlsCredsBuilder *builder);

/**
 * qio_tls_creds_builder_add_crl_file:
 * @builder: a builder
 * @path: (type filename): a PEM file
 *
 * Adds a certificate revocation list (CRL), which must be signed by a trusted CA. Certificates in
 * it are rejected, and so are certificates of its issuer that it does not cover. Where there is any
 * CRL, each certificate of a chain but the trust anchor needs one of its issuer:
 * [method@Qio.TlsCredsBuilder.set_allow_missing_crl] changes that.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_add_crl_file (QIOTlsCredsBuilder *builder,
                                         const char *path);

/**
 * qio_tls_creds_builder_add_crl_pem:
 * @builder: a builder
 * @pem: lists in PEM form
 *
 * Adds certificate revocation lists (CRLs) in PEM form. See
 * [method@Qio.TlsCredsBuilder.add_crl_file].
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_add_crl_pem (QIOTlsCredsBuilder *builder,
                                        GBytes *pem);

/**
 * qio_tls_creds_builder_set_allow_missing_crl:
 * @builder: a builder
 * @allow: whether they are accepted
 *
 * Sets whether certificates of an issuer without a CRL are accepted although other issuers have
 * one. Default: %FALSE.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_allow_missing_crl (QIOTlsCredsBuilder *builder,
                                                  gboolean allow);

/**
 * qio_tls_creds_builder_set_certificate_files:
 * @builder: a builder
 * @certificate: (type filename): a PEM file
 * @key: (type filename): a PEM file, which may be the same
 *
 * Sets the certificate to present, followed by its intermediate certificates, and its private key.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_certificate_files (QIOTlsCredsBuilder *builder,
                                                  const char *certificate,
                                                  const char *key);

/**
 * qio_tls_creds_builder_set_certificate_pem:
 * @builder: a builder
 * @certificate: certificates in PEM form
 * @key: a private key in PEM form
 *
 * Sets the certificate to present and its private key, in PEM form. See
 * [method@Qio.TlsCredsBuilder.set_certificate_files].
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_certificate_pem (QIOTlsCredsBuilder *builder,
                                                GBytes *certificate,
                                                GBytes *key);

/**
 * qio_tls_creds_builder_set_certificate:
 * @builder: a builder
 * @certificate: a certificate with its private key
 *
 * Sets the certificate to present, with its issuers as far as the object has them. The private key
 * must be exportable, which that of a PKCS #11 token is not.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_certificate (QIOTlsCredsBuilder *builder,
                                            GTlsCertificate *certificate);

/**
 * qio_tls_creds_builder_set_password:
 * @builder: a builder
 * @password: a password
 *
 * Sets the password of the private key, if that is encrypted.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_password (QIOTlsCredsBuilder *builder,
                                         const char *password);

/**
 * qio_tls_creds_builder_set_password_func:
 * @builder: a builder
 * @func: (scope notified) (closure user_data) (destroy notify): returns the password
 * @user_data: for @func
 * @notify: (nullable): frees @user_data, once no builder has it any more, in any thread
 *
 * Sets the function that returns the password of the private key, called if that is encrypted.
 * Nothing is prompted for at a terminal.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_password_func (QIOTlsCredsBuilder *builder,
                                              QIOTlsPasswordFunc func,
                                              gpointer user_data,
                                              GDestroyNotify notify);

/**
 * qio_tls_creds_builder_set_client_certificates:
 * @builder: a builder
 * @mode: whether clients are requested to present one
 *
 * Sets whether a server requests certificates of its clients: none (the default), optional, or
 * required. A certificate that is presented must be valid in any case. A client with a pre-shared
 * key presents none.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_client_certificates (QIOTlsCredsBuilder *builder,
                                                    GTlsAuthenticationMode mode);

/**
 * qio_tls_creds_builder_set_checks:
 * @builder: a builder
 * @checks: whether to validate
 *
 * Sets whether certificates are validated when the credentials are built. Default: %TRUE. If
 * %FALSE, an error is reported only when a peer rejects them.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_checks (QIOTlsCredsBuilder *builder,
                                       gboolean checks);

/**
 * qio_tls_creds_builder_add_psk:
 * @builder: a builder
 * @name: a name, of 1 to 128 bytes
 * @key: a key, of 1 to 256 bytes
 *
 * Adds a pre-shared key (PSK) with its identity: the one that a client uses, or one of those that a
 * server accepts. A key of less than 16 bytes is logged as a warning: with a recorded handshake all
 * keys can be tried.
 *
 * The key is copied, and the copy is overwritten when the credentials, and the builder, are freed.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_add_psk (QIOTlsCredsBuilder *builder,
                                    const char *name,
                                    GBytes *key);

/**
 * qio_tls_creds_builder_add_psk_file:
 * @builder: a builder
 * @path: (type filename): a file
 *
 * Adds the pre-shared keys of a file, in the form of GnuTLS: `NAME:KEY` in each line, with the key
 * in hexadecimal digits, as written by `psktool`.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_add_psk_file (QIOTlsCredsBuilder *builder,
                                         const char *path);

/**
 * qio_tls_creds_builder_set_psk_user:
 * @builder: a builder
 * @name: a name
 *
 * Sets the identity of the pre-shared key that a client uses, where there are several.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_psk_user (QIOTlsCredsBuilder *builder,
                                         const char *name);

/**
 * qio_tls_creds_builder_set_psk_hash:
 * @builder: a builder
 * @hash: a hash
 *
 * Sets the hash of the pre-shared key of a client, for TLS 1.3. Default: SHA-256. A server
 * determines the hash from the ClientHello.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_psk_hash (QIOTlsCredsBuilder *builder,
                                         QIOTlsPskHash hash);

/**
 * qio_tls_creds_builder_set_insecure_anonymous:
 * @builder: a builder
 *
 * Disables authentication in both directions: the data is encrypted, but the peer may be **any
 * attacker between the two ends**. Only for networks that are safe without TLS, with peers that
 * support nothing else. TLS 1.2 only, and not together with certificates or keys.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_insecure_anonymous (QIOTlsCredsBuilder *builder);

/**
 * qio_tls_creds_builder_set_min_version:
 * @builder: a builder
 * @version: %G_TLS_PROTOCOL_VERSION_TLS_1_2 or later
 *
 * Sets the lowest version of TLS. Default: TLS 1.2.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_min_version (QIOTlsCredsBuilder *builder,
                                            GTlsProtocolVersion version);

/**
 * qio_tls_creds_builder_set_max_version:
 * @builder: a builder
 * @version: %G_TLS_PROTOCOL_VERSION_TLS_1_2 or later
 *
 * Sets the highest version of TLS. Default: that of OpenSSL.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_max_version (QIOTlsCredsBuilder *builder,
                                            GTlsProtocolVersion version);

/**
 * qio_tls_creds_builder_set_ciphers:
 * @builder: a builder
 * @list: a list in OpenSSL's syntax, as `ECDHE+AESGCM`
 *
 * Sets the cipher list for TLS 1.2. aNULL and eNULL suites are always excluded.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_ciphers (QIOTlsCredsBuilder *builder,
                                        const char *list);

/**
 * qio_tls_creds_builder_set_ciphersuites:
 * @builder: a builder
 * @list: names with colons between them, as `TLS_AES_128_GCM_SHA256`
 *
 * Sets the cipher suites for TLS 1.3.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_ciphersuites (QIOTlsCredsBuilder *builder,
                                             const char *list);

/**
 * qio_tls_creds_builder_set_alpn_protocols:
 * @builder: a builder
 * @protocols: (array zero-terminated=1): names, the best one first
 *
 * Sets the application protocols (ALPN). A client offers them; a server selects the first one that
 * the client offers too, and rejects a client that offers only others. Default: none, and a server
 * accepts any offer.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_alpn_protocols (QIOTlsCredsBuilder *builder,
                                               const char *const *protocols);

/**
 * qio_tls_creds_builder_set_resumption:
 * @builder: a builder
 * @resumption: whether to allow it
 *
 * Sets whether a later connection may resume an earlier session, with fewer round trips. Default:
 * %TRUE.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_resumption (QIOTlsCredsBuilder *builder,
                                           gboolean resumption);

/**
 * qio_tls_creds_builder_set_max_handshake_size:
 * @builder: a builder
 * @bytes: a number of bytes, at least 1024
 *
 * Limits the bytes of a handshake that a peer may send before it is verified. Default: 32 KiB for a
 * server, and 128 KiB for a client. A larger handshake fails, so that the memory for unverified
 * peers is limited. Clients with long chains of certificates, or large post-quantum signatures, may
 * need more than the default.
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_max_handshake_size (QIOTlsCredsBuilder *builder,
                                                   gsize bytes);

/**
 * qio_tls_creds_builder_set_key_log_func:
 * @builder: a builder
 * @func: (scope notified) (closure user_data) (destroy notify): receives the lines
 * @user_data: for @func
 * @notify: (nullable): frees @user_data, once no builder and no credentials have it any more, in
 * any thread
 *
 * Logs the secrets of all connections. **They decrypt everything that was sent.**
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_key_log_func (QIOTlsCredsBuilder *builder,
                                             QIOTlsKeyLogFunc func,
                                             gpointer user_data,
                                             GDestroyNotify notify);

/**
 * qio_tls_creds_builder_set_key_log_file:
 * @builder: a builder
 * @path: (type filename): a file
 *
 * Appends the secrets of all connections to a file, which is created for its owner only. See
 * [method@Qio.TlsCredsBuilder.set_key_log_func].
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_key_log_file (QIOTlsCredsBuilder *builder,
                                             const char *path);

/**
 * qio_tls_creds_builder_set_key_log_from_environment:
 * @builder: a builder
 *
 * Appends the secrets of all connections to the file that the environment variable `SSLKEYLOGFILE`
 * names, if it is set. Default: the variable is ignored. See
 * [method@Qio.TlsCredsBuilder.set_key_log_file].
 *
 * Since: 0.1
 */
void qio_tls_creds_builder_set_key_log_from_environment (QIOTlsCredsBuilder *builder);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QIOTlsCredsBuilder, qio_tls_creds_builder_free)

G_END_DECLS

#endif
