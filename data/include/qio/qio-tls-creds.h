/* What one end of a TLS connection has to show, and whom it trusts. */

#ifndef QIO_TLS_CREDS_H
#define QIO_TLS_CREDS_H

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * QIOTlsEndpoint:
 * @QIO_TLS_ENDPOINT_CLIENT: the end that begins the handshake
 * @QIO_TLS_ENDPOINT_SERVER: the end that answers
 *
 * Which end of a connection something is for.
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
 * @QIO_TLS_PSK_HASH_SHA256: SHA-256, which is meant where nothing is said
 * @QIO_TLS_PSK_HASH_SHA384: SHA-384
 *
 * Which hash a key is for, where a client uses it with TLS 1.3.
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
 * What one end of a TLS connection has to show, and whom it trusts. Made by a #QIOTlsCredsBuilder, and not changed
 * any more; any number of channels, in any threads, may have the same.
 *
 * An object that is made by its type alone is a client that trusts nobody.
 */
G_DECLARE_DERIVABLE_TYPE (QIOTlsCreds, qio_tls_creds, QIO, TLS_CREDS, GObject)

/**
 * QIOTlsCredsClass:
 * @parent_class: the parent class
 *
 * The class of #QIOTlsCreds.
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
 * Which end they are for.
 */

/**
 * QIOTlsCreds:verifies-peer:
 *
 * Whether a certificate that the peer shows is verified. See qio_tls_creds_verifies_peer().
 */

/**
 * qio_tls_creds_get_endpoint:
 * @creds: credentials
 *
 * Tells which end they are for.
 *
 * Returns: the end
 */
QIOTlsEndpoint qio_tls_creds_get_endpoint (QIOTlsCreds *creds);

/**
 * qio_tls_creds_verifies_peer:
 * @creds: credentials
 *
 * Tells whether a certificate that the peer shows is verified: by a client also that it is for the name of the
 * server. Not where a client has only a key in common with the server, which proves who it is in another way; nor
 * where a server asks for no certificates, nor where anonymous peers are believed.
 *
 * Returns: whether it is
 */
gboolean qio_tls_creds_verifies_peer (QIOTlsCreds *creds);

#define QIO_TYPE_TLS_CREDS_BUILDER (qio_tls_creds_builder_get_type ())

/**
 * QIOTlsCredsBuilder:
 *
 * Credentials that are going to be made. A peer proves who it is by a certificate, by a key that both ends have, or,
 * if it must be, not at all; a client that is told nothing trusts whom the system trusts.
 *
 * Nothing is read before qio_tls_creds_builder_build(). A builder must not be used by two threads at once.
 */
typedef struct _QIOTlsCredsBuilder QIOTlsCredsBuilder;

GType qio_tls_creds_builder_get_type (void);

/**
 * QIOTlsPasswordFunc:
 * @what: what is locked: the path of its file, or what it is called in memory
 * @user_data: (closure): what was given with the function
 *
 * Says what the password of a private key is. Called by qio_tls_creds_builder_build(), in the same thread.
 *
 * Returns: (transfer full) (nullable): the password, in UTF-8, or %NULL if nobody knows
 */
typedef char *(*QIOTlsPasswordFunc) (const char *what,
                                     gpointer user_data);

/**
 * QIOTlsKeyLogFunc:
 * @line: a line, without its end
 * @user_data: (closure): what was given with the function
 *
 * Gets the keys of a connection, in the form of NSS, which Wireshark reads. Called in the thread of the handshake,
 * perhaps by several at once, and must return soon.
 */
typedef void (*QIOTlsKeyLogFunc) (const char *line,
                                  gpointer user_data);

/**
 * qio_tls_creds_builder_new: (constructor)
 * @endpoint: which end they are for
 *
 * Begins to make credentials.
 *
 * Returns: (transfer full): a builder
 */
QIOTlsCredsBuilder *qio_tls_creds_builder_new (QIOTlsEndpoint endpoint);

/**
 * qio_tls_creds_builder_copy:
 * @builder: a builder
 *
 * Copies a builder.
 *
 * Returns: (transfer full): the copy
 */
QIOTlsCredsBuilder *qio_tls_creds_builder_copy (const QIOTlsCredsBuilder *builder);

/**
 * qio_tls_creds_builder_free: (skip)
 * @builder: (transfer full): a builder
 *
 * Frees a builder.
 */
void qio_tls_creds_builder_free (QIOTlsCredsBuilder *builder);

/**
 * qio_tls_creds_builder_build:
 * @builder: a builder
 * @error: where to report an error
 *
 * Reads what there is to read, looks whether it is good, and makes credentials of it. Blocks while files are read.
 * The builder stays as it is.
 *
 * Unless qio_tls_creds_builder_set_checks() says otherwise, certificates must be valid now, and of the right kind.
 * The authorities to trust are authorities, at least one of each file; what an end shows may be used for that
 * end, and is no authority, unless it has signed itself; and in a directory, the authorities there have signed it. A
 * private key must always match.
 *
 * Errors are what the system says of a file; %G_TLS_ERROR_BAD_CERTIFICATE or %G_TLS_ERROR_BAD_CERTIFICATE_PASSWORD,
 * with the name of the file and what is wrong with it; and %G_IO_ERROR_INVALID_ARGUMENT for what is missing, does
 * not go together, or was refused by a function of the builder, which has logged a critical warning then.
 *
 * Returns: (transfer full): the credentials
 */
QIOTlsCreds *qio_tls_creds_builder_build (const QIOTlsCredsBuilder *builder,
                                          GError **error);

/**
 * qio_tls_creds_builder_set_directory:
 * @builder: a builder
 * @path: (type filename): a directory
 *
 * Takes everything from a directory as QEMU lays it out: the authorities to trust from `ca-cert.pem`; what they have
 * revoked from `ca-crl.pem`, if it is there; what a server shows from `server-cert.pem` and `server-key.pem`, or a
 * client from `client-cert.pem` and `client-key.pem`, if they are there. The certificate must be one of these
 * authorities.
 */
void qio_tls_creds_builder_set_directory (QIOTlsCredsBuilder *builder,
                                          const char *path);

/**
 * qio_tls_creds_builder_add_trust_file:
 * @builder: a builder
 * @path: (type filename): a PEM file
 *
 * Trusts the authorities of a file as well. It is enough for a peer to show a chain that leads to one of them, also
 * where that one is not at the root.
 */
void qio_tls_creds_builder_add_trust_file (QIOTlsCredsBuilder *builder,
                                           const char *path);

/**
 * qio_tls_creds_builder_add_trust_pem:
 * @builder: a builder
 * @pem: certificates in PEM form
 *
 * Trusts the authorities of a text as well.
 */
void qio_tls_creds_builder_add_trust_pem (QIOTlsCredsBuilder *builder,
                                          GBytes *pem);

/**
 * qio_tls_creds_builder_add_trust:
 * @builder: a builder
 * @authority: a certificate
 *
 * Trusts an authority as well.
 */
void qio_tls_creds_builder_add_trust (QIOTlsCredsBuilder *builder,
                                      GTlsCertificate *authority);

/**
 * qio_tls_creds_builder_add_system_trust:
 * @builder: a builder
 *
 * Trusts the authorities that the system trusts as well. A client that is told of no others trusts these, if it has
 * no key of its own (qio_tls_creds_builder_add_psk()).
 */
void qio_tls_creds_builder_add_system_trust (QIOTlsCredsBuilder *builder);

/**
 * qio_tls_creds_builder_add_crl_file:
 * @builder: a builder
 * @path: (type filename): a PEM file
 *
 * Adds a certificate revocation list (CRL), which a trusted authority must have signed. Certificates that are in it are
 * refused, and so are those of its issuer that it cannot be used for. Where there is any CRL, each certificate of a chain but
 * the trust anchor needs one of its issuer: qio_tls_creds_builder_set_allow_missing_crl() changes that.
 */
void qio_tls_creds_builder_add_crl_file (QIOTlsCredsBuilder *builder,
                                         const char *path);

/**
 * qio_tls_creds_builder_add_crl_pem:
 * @builder: a builder
 * @pem: lists in PEM form
 *
 * Adds a certificate revocation list (CRL). See qio_tls_creds_builder_add_crl_file().
 */
void qio_tls_creds_builder_add_crl_pem (QIOTlsCredsBuilder *builder,
                                        GBytes *pem);

/**
 * qio_tls_creds_builder_set_allow_missing_crl:
 * @builder: a builder
 * @allow: whether they are accepted
 *
 * Whether certificates of an issuer that has no CRL here are accepted although others have one, as if none was revoked.
 * Not the default.
 */
void qio_tls_creds_builder_set_allow_missing_crl (QIOTlsCredsBuilder *builder,
                                                  gboolean allow);

/**
 * qio_tls_creds_builder_set_certificate_files:
 * @builder: a builder
 * @certificate: (type filename): a PEM file
 * @key: (type filename): a PEM file, which may be the same
 *
 * Shows a certificate: first the end's own, then those that lead to an authority.
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
 * Shows a certificate. See qio_tls_creds_builder_set_certificate_files().
 */
void qio_tls_creds_builder_set_certificate_pem (QIOTlsCredsBuilder *builder,
                                                GBytes *certificate,
                                                GBytes *key);

/**
 * qio_tls_creds_builder_set_certificate:
 * @builder: a builder
 * @certificate: a certificate with its private key
 *
 * Shows a certificate, with its issuers as far as it knows them. The private key must be one that can be taken out,
 * which one on a token cannot.
 */
void qio_tls_creds_builder_set_certificate (QIOTlsCredsBuilder *builder,
                                            GTlsCertificate *certificate);

/**
 * qio_tls_creds_builder_set_password:
 * @builder: a builder
 * @password: a password
 *
 * Says what the password of the private key is, if it is locked by one.
 */
void qio_tls_creds_builder_set_password (QIOTlsCredsBuilder *builder,
                                         const char *password);

/**
 * qio_tls_creds_builder_set_password_func:
 * @builder: a builder
 * @func: (scope notified) (closure user_data) (destroy notify): who knows the password
 * @user_data: for @func
 * @notify: (nullable): frees @user_data, once no builder has it any more, in any thread
 *
 * Says who knows the password of the private key. It is asked if the key is locked; nobody is asked at a terminal.
 */
void qio_tls_creds_builder_set_password_func (QIOTlsCredsBuilder *builder,
                                              QIOTlsPasswordFunc func,
                                              gpointer user_data,
                                              GDestroyNotify notify);

/**
 * qio_tls_creds_builder_set_client_certificates:
 * @builder: a builder
 * @mode: whether clients are asked
 *
 * Says whether a server asks clients for certificates: not at all, as if this is not called; those that have one; or
 * all. What a client shows must be good in any case. One that has a key in common with the server shows none.
 */
void qio_tls_creds_builder_set_client_certificates (QIOTlsCredsBuilder *builder,
                                                    GTlsAuthenticationMode mode);

/**
 * qio_tls_creds_builder_set_checks:
 * @builder: a builder
 * @checks: whether to look
 *
 * Says whether certificates are looked at while credentials are made, as if this is not called. Without, what is
 * wrong with them comes out when a peer refuses them.
 */
void qio_tls_creds_builder_set_checks (QIOTlsCredsBuilder *builder,
                                       gboolean checks);

/**
 * qio_tls_creds_builder_add_psk:
 * @builder: a builder
 * @name: a name, of 1 to 128 bytes
 * @key: a key, of 1 to 256 bytes
 *
 * Adds a pre-shared key (PSK): a client uses it, under this name; a server knows it, beside others. A key of less than
 * 16 bytes is worth a warning: whatever has recorded a handshake can try all of them.
 *
 * The key is copied, and the copy is overwritten when the credentials, and the builder, are gone.
 */
void qio_tls_creds_builder_add_psk (QIOTlsCredsBuilder *builder,
                                    const char *name,
                                    GBytes *key);

/**
 * qio_tls_creds_builder_add_psk_file:
 * @builder: a builder
 * @path: (type filename): a file
 *
 * Has the keys of a file, which may be more than one, in the form of GnuTLS: `NAME:KEY` in each line, with the key
 * in hexadecimal digits, as `psktool` makes it.
 */
void qio_tls_creds_builder_add_psk_file (QIOTlsCredsBuilder *builder,
                                         const char *path);

/**
 * qio_tls_creds_builder_set_psk_user:
 * @builder: a builder
 * @name: a name
 *
 * Says under which name a client has its key, where there are several.
 */
void qio_tls_creds_builder_set_psk_user (QIOTlsCredsBuilder *builder,
                                         const char *name);

/**
 * qio_tls_creds_builder_set_psk_hash:
 * @builder: a builder
 * @hash: a hash
 *
 * Says which hash the key of a client is for, with TLS 1.3; SHA-256 if this is not called. A server finds it out.
 */
void qio_tls_creds_builder_set_psk_hash (QIOTlsCredsBuilder *builder,
                                         QIOTlsPskHash hash);

/**
 * qio_tls_creds_builder_set_insecure_anonymous:
 * @builder: a builder
 *
 * Proves nothing, and believes everybody: what is sent cannot be overheard, but who it is sent to may be **anybody who
 * is in the way**. Only for networks that are safe without TLS, with peers that can do nothing else. TLS 1.2, and no
 * certificates or keys beside it.
 */
void qio_tls_creds_builder_set_insecure_anonymous (QIOTlsCredsBuilder *builder);

/**
 * qio_tls_creds_builder_set_min_version:
 * @builder: a builder
 * @version: %G_TLS_PROTOCOL_VERSION_TLS_1_2 or later
 *
 * Says which version is the oldest that is spoken: TLS 1.2, if this is not called.
 */
void qio_tls_creds_builder_set_min_version (QIOTlsCredsBuilder *builder,
                                            GTlsProtocolVersion version);

/**
 * qio_tls_creds_builder_set_max_version:
 * @builder: a builder
 * @version: %G_TLS_PROTOCOL_VERSION_TLS_1_2 or later
 *
 * Says which version is the newest that is spoken; what OpenSSL has if this is not called.
 */
void qio_tls_creds_builder_set_max_version (QIOTlsCredsBuilder *builder,
                                            GTlsProtocolVersion version);

/**
 * qio_tls_creds_builder_set_ciphers:
 * @builder: a builder
 * @list: a list in OpenSSL's words, as `ECDHE+AESGCM`
 *
 * Says which ciphers there are for TLS 1.2. Those that prove nothing, or hide nothing, are never among them.
 */
void qio_tls_creds_builder_set_ciphers (QIOTlsCredsBuilder *builder,
                                        const char *list);

/**
 * qio_tls_creds_builder_set_ciphersuites:
 * @builder: a builder
 * @list: names with colons between them, as `TLS_AES_128_GCM_SHA256`
 *
 * Says which suites there are for TLS 1.3.
 */
void qio_tls_creds_builder_set_ciphersuites (QIOTlsCredsBuilder *builder,
                                             const char *list);

/**
 * qio_tls_creds_builder_set_alpn_protocols:
 * @builder: a builder
 * @protocols: (array zero-terminated=1): names, the best one first
 *
 * Says which protocols to speak over TLS. A client offers them; a server takes the first that the client offers too,
 * and refuses one that offers others only. Without, whoever connects may offer what it likes.
 */
void qio_tls_creds_builder_set_alpn_protocols (QIOTlsCredsBuilder *builder,
                                               const char *const *protocols);

/**
 * qio_tls_creds_builder_set_resumption:
 * @builder: a builder
 * @resumption: whether to allow it
 *
 * Says whether a later connection may go on where an earlier one was, with fewer round trips, as if this is not
 * called.
 */
void qio_tls_creds_builder_set_resumption (QIOTlsCredsBuilder *builder,
                                           gboolean resumption);

/**
 * qio_tls_creds_builder_set_max_handshake_size:
 * @builder: a builder
 * @bytes: a number of bytes, at least 1024
 *
 * Limits what a peer may send before it is verified; if this is not called, to 32 KiB for a server, and 128 KiB for a
 * client. A handshake with more fails, so that memory for peers that prove nothing is limited. Clients with long chains
 * of certificates, or large post-quantum signatures, may need more than the default.
 */
void qio_tls_creds_builder_set_max_handshake_size (QIOTlsCredsBuilder *builder,
                                                   gsize bytes);

/**
 * qio_tls_creds_builder_set_key_log_func:
 * @builder: a builder
 * @func: (scope notified) (closure user_data) (destroy notify): who gets the keys
 * @user_data: for @func
 * @notify: (nullable): frees @user_data, once no builder and no credentials have it any more, in any thread
 *
 * Gives away the keys of all connections. **Whoever has them reads everything.**
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
 * Gives away the keys of all connections, to the end of a file, which only its owner can read if it is made. See
 * qio_tls_creds_builder_set_key_log_func().
 */
void qio_tls_creds_builder_set_key_log_file (QIOTlsCredsBuilder *builder,
                                             const char *path);

/**
 * qio_tls_creds_builder_set_key_log_from_environment:
 * @builder: a builder
 *
 * Gives away the keys of all connections, to the end of the file that the environment variable `SSLKEYLOGFILE` names,
 * if it is set. It is not looked at otherwise. See qio_tls_creds_builder_set_key_log_file().
 */
void qio_tls_creds_builder_set_key_log_from_environment (QIOTlsCredsBuilder *builder);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QIOTlsCredsBuilder, qio_tls_creds_builder_free)

G_END_DECLS

#endif
