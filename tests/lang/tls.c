/* The TLS part of the journey in C: credentials, and layered channels. */

#include "tls.h"

/* Credentials from memory, and credentials whose files are missing. */
static void
from_memory_or_missing (void)
{
  GError *error = NULL;
  g_autofree char *text = NULL;
  gsize length;
  g_autoptr (GBytes) pem = NULL;
  g_autoptr (GBytes) nothing = g_bytes_new_static ("nothing", 7);
  g_autoptr (QIOTlsCreds) creds = NULL;
  QIOTlsCredsBuilder *builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_CLIENT);

  check (g_file_get_contents (certificate, &text, &length, &error));
  pem = g_bytes_new (text, length);
  qio_tls_creds_builder_add_trust_pem (builder, pem);
  creds = qio_tls_creds_builder_build (builder, &error);
  check_ok (error);
  qio_tls_creds_builder_add_trust_pem (builder, nothing);
  check (qio_tls_creds_builder_build (builder, &error) == NULL);
  check (error != NULL);
  g_clear_error (&error);
  qio_tls_creds_builder_free (builder);

  builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_SERVER);
  qio_tls_creds_builder_set_directory (builder, "/nowhere");
  check (qio_tls_creds_builder_build (builder, &error) == NULL);
  check (strstr (error->message, "/nowhere") != NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  qio_tls_creds_builder_free (builder);
}

static guint lines, passwords, freed;

static void
count_line (const char *line, gpointer user_data)
{
  check (user_data == &lines && line != NULL);
  lines++;
}

static char *
return_password (const char *file, gpointer user_data)
{
  check (file != NULL && user_data == &passwords);
  passwords++;
  return g_strdup ("secret");
}

static void
count_free (gpointer user_data G_GNUC_UNUSED)
{
  freed++;
}

/* The properties of credentials with a pre-shared key, and the verification of the peer. */
static QIOTlsCreds *
psk_creds (QIOTlsEndpoint endpoint)
{
  GError *error = NULL;
  g_autoptr (GBytes) secret = g_bytes_new_static ("sixteen bytes...", 16);
  g_autoptr (QIOTlsCredsBuilder) builder = qio_tls_creds_builder_new (endpoint);
  QIOTlsCreds *creds;

  qio_tls_creds_builder_add_psk (builder, "alice", secret);
  qio_tls_creds_builder_set_psk_user (builder, "alice");
  qio_tls_creds_builder_set_psk_hash (builder, QIO_TLS_PSK_HASH_SHA256);
  qio_tls_creds_builder_set_min_version (builder, G_TLS_PROTOCOL_VERSION_TLS_1_2);
  qio_tls_creds_builder_set_max_version (builder, G_TLS_PROTOCOL_VERSION_TLS_1_3);
  qio_tls_creds_builder_set_ciphersuites (builder, "TLS_AES_128_GCM_SHA256");
  qio_tls_creds_builder_set_resumption (builder, FALSE);
  qio_tls_creds_builder_set_max_handshake_size (builder, 16384);
  qio_tls_creds_builder_set_key_log_func (builder, count_line, &lines, count_free);
  creds = qio_tls_creds_builder_build (builder, &error);
  check_ok (error);
  return creds;
}

/* Whether credentials can be made of this; it is freed. */
static gboolean
can_be_made (QIOTlsCredsBuilder *builder)
{
  GError *error = NULL;
  g_autoptr (QIOTlsCreds) creds = qio_tls_creds_builder_build (builder, &error);

  check ((creds == NULL) == (error != NULL));
  g_clear_error (&error);
  qio_tls_creds_builder_free (builder);
  return creds != NULL;
}

/* Every option once. */
static void
options (void)
{
  GError *error = NULL;
  g_autoptr (GTlsCertificate) object = g_tls_certificate_new_from_files (certificate, key, &error);
  g_autofree char *certificate_text = NULL;
  g_autofree char *key_text = NULL;
  g_autofree char *log = g_build_filename (directory, "keys.log", NULL);
  g_autoptr (GBytes) certificate_pem = NULL;
  g_autoptr (GBytes) key_pem = NULL;
  QIOTlsCredsBuilder *builder;
  gsize length;

  check_ok (error);
  check (g_file_get_contents (certificate, &certificate_text, &length, &error));
  certificate_pem = g_bytes_new (certificate_text, length);
  check (g_file_get_contents (key, &key_text, &length, &error));
  key_pem = g_bytes_new (key_text, length);

  builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_CLIENT);
  qio_tls_creds_builder_add_system_trust (builder);
  qio_tls_creds_builder_add_trust (builder, object);
  qio_tls_creds_builder_set_checks (builder, TRUE);
  qio_tls_creds_builder_set_key_log_from_environment (builder);
  check (can_be_made (builder));

  builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_SERVER);
  qio_tls_creds_builder_set_certificate_pem (builder, certificate_pem, key_pem);
  qio_tls_creds_builder_add_trust_pem (builder, certificate_pem);
  qio_tls_creds_builder_set_client_certificates (builder, G_TLS_AUTHENTICATION_REQUIRED);
  qio_tls_creds_builder_set_ciphers (builder, "ECDHE-ECDSA-AES128-GCM-SHA256");
  qio_tls_creds_builder_set_password (builder, "not needed");
  qio_tls_creds_builder_set_key_log_file (builder, log);
  check (can_be_made (builder));
  g_remove (log);

  builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_SERVER);
  qio_tls_creds_builder_set_certificate (builder, object);
  freed = 0;
  qio_tls_creds_builder_set_password_func (builder, return_password, &passwords, count_free);
  check (can_be_made (builder));
  check (passwords == 0 && freed == 1);

  builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_SERVER);
  qio_tls_creds_builder_set_insecure_anonymous (builder);
  check (can_be_made (builder));

  /* None of these files has the expected type. */
  builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_CLIENT);
  qio_tls_creds_builder_add_crl_file (builder, "/nowhere.pem");
  check (!can_be_made (builder));
  builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_CLIENT);
  qio_tls_creds_builder_add_crl_pem (builder, key_pem);
  qio_tls_creds_builder_set_allow_missing_crl (builder, TRUE);
  check (!can_be_made (builder));
  builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_SERVER);
  qio_tls_creds_builder_add_psk_file (builder, key);
  check (!can_be_made (builder));
}

static void
verified (QIOTlsCreds *mine, QIOTlsCreds *theirs)
{
  GError *error = NULL;
  g_autoptr (QIOChannelTLS) client = NULL;
  g_autoptr (QIOChannelTLS) server = NULL;
  g_autoptr (QIOChannel) master = NULL;
  g_autoptr (QIOTlsCreds) creds = NULL;
  g_autoptr (GTlsCertificate) peer = NULL;
  g_autoptr (GAsyncResult) left = NULL;
  g_autofree char *name = NULL;
  g_autofree char *cipher = NULL;
  g_autofree char *peer_name = NULL;
  g_autofree char *protocol = NULL;
  char buf[8];

  make_ends (mine, theirs, "localhost", &client, &server);
  check (!qio_channel_tls_is_handshake_done (client));
  perform_the_handshake (client, server);
  /* There is nothing left to do. */
  check (qio_channel_tls_handshake (client, &error) && qio_channel_tls_is_handshake_done (client));

  master = qio_channel_tls_get_master (client);
  creds = qio_channel_tls_get_creds (client);
  peer = qio_channel_tls_get_peer_certificate (client);
  name = qio_channel_tls_get_hostname (client);
  cipher = qio_channel_tls_get_cipher (client);
  peer_name = qio_channel_tls_get_peer_name (client);
  check (peer_name != NULL && strstr (peer_name, "CN=") != NULL);
  check (qio_channel_tls_get_peer_name (server) == NULL);
  check (qio_channel_tls_get_key_size (client) == 32 && qio_channel_tls_get_key_size (server) == 32);
  protocol = qio_channel_tls_get_alpn_protocol (client);
  check (QIO_IS_CHANNEL_SOCKET (master) && creds == mine && peer != NULL);
  check (g_str_equal (name, "localhost") && g_str_has_prefix (cipher, "TLS_") && g_str_equal (protocol, "echo"));
  check (qio_channel_tls_get_protocol_version (client) == G_TLS_PROTOCOL_VERSION_TLS_1_3);
  check (!qio_channel_tls_is_resumed (client));

  check (qio_channel_write_all (QIO_CHANNEL (client), "question", 8, &error) == 0);
  check (qio_channel_read_all (QIO_CHANNEL (server), buf, 8, &error) == 0);
  check (memcmp (buf, "question", 8) == 0);
  check (qio_channel_tls_update_keys (client, FALSE, &error));
  check (qio_channel_write_all (QIO_CHANNEL (client), "more", 4, &error) == 0);
  check (qio_channel_read_all (QIO_CHANNEL (server), buf, 4, &error) == 0);
  check (memcmp (buf, "more", 4) == 0);

  /* The end of the stream is distinguished from a truncated connection. */
  check (qio_channel_tls_bye (client, &error));
  check (qio_channel_read (QIO_CHANNEL (server), buf, 8, &error) == 0);
  qio_channel_tls_bye_async (server, G_PRIORITY_DEFAULT, NULL, take_result, &left);
  check (qio_channel_tls_bye_finish (server, await (&left), &error));
  check (qio_channel_close (QIO_CHANNEL (client), &error) == 0);
  check (qio_channel_close (QIO_CHANNEL (server), &error) == 0);
  check_ok (error);
}

/* Another name is another server. */
static void
refused (QIOTlsCreds *mine, QIOTlsCreds *theirs)
{
  GError *error = NULL;
  g_autoptr (QIOChannelTLS) client = NULL;
  g_autoptr (QIOChannelTLS) server = NULL;
  g_autoptr (GAsyncResult) answered = NULL;
  g_autoptr (GAsyncResult) client_done = NULL;

  make_ends (mine, theirs, "example.org", &client, &server);
  qio_channel_tls_handshake_async (server, G_PRIORITY_DEFAULT, NULL, take_result, &answered);
  qio_channel_tls_handshake_async (client, G_PRIORITY_DEFAULT, NULL, take_result, &client_done);
  check (!qio_channel_tls_handshake_finish (client, await (&client_done), &error));
  check (strstr (error->message, "Unable to perform the TLS handshake with example.org") != NULL);
  check_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE);
  check (!qio_channel_tls_handshake_finish (server, await (&answered), &error));
  g_clear_error (&error);
}

static gboolean
is_expected (QIOChannelTLS *tls, GTlsCertificate *certificate, GTlsCertificateFlags errors, gpointer user_data)
{
  g_autoptr (GTlsCertificate) presented = qio_channel_tls_get_peer_certificate (tls);

  check (g_tls_certificate_is_same (presented, certificate));
  check (errors == G_TLS_CERTIFICATE_BAD_IDENTITY && qio_channel_tls_get_peer_certificate_errors (tls) == errors);
  return *(gboolean *) user_data;
}

/* A certificate that does not verify is data, and up to a handler. */
static void
accepted (QIOTlsCreds *mine, QIOTlsCreds *theirs)
{
  for (gboolean answer = FALSE; answer <= TRUE; answer++)
    {
      g_autoptr (QIOChannelTLS) client = NULL;
      g_autoptr (QIOChannelTLS) server = NULL;
      g_autoptr (GAsyncResult) answered = NULL;
      g_autoptr (GAsyncResult) client_done = NULL;

      make_ends (mine, theirs, "example.org", &client, &server);
      g_signal_connect (client, "accept-certificate", G_CALLBACK (is_expected), &answer);
      qio_channel_tls_handshake_async (server, G_PRIORITY_DEFAULT, NULL, take_result, &answered);
      qio_channel_tls_handshake_async (client, G_PRIORITY_DEFAULT, NULL, take_result, &client_done);
      check (qio_channel_tls_handshake_finish (client, await (&client_done), NULL) == answer);
      check (qio_channel_tls_handshake_finish (server, await (&answered), NULL) == answer);
    }
}

/* A pre-shared key authenticates both ends. */
static void
in_common (void)
{
  g_autoptr (QIOTlsCreds) mine = psk_creds (QIO_TLS_ENDPOINT_CLIENT);
  g_autoptr (QIOTlsCreds) theirs = psk_creds (QIO_TLS_ENDPOINT_SERVER);
  g_autoptr (QIOChannelTLS) client = NULL;
  g_autoptr (QIOChannelTLS) server = NULL;

  make_ends (mine, theirs, NULL, &client, &server);
  perform_the_handshake (client, server);
  check (qio_channel_tls_get_peer_certificate (client) == NULL && lines > 0);
}

typedef struct
{
  QIOChannelTLS *server;
  GCancellable *cancellable;
  gboolean cancels;
} Elsewhere;

/* Performs the handshake on a context of this thread's own, which is not the default one. */
static gpointer
handshake_elsewhere (gpointer user_data)
{
  Elsewhere *elsewhere = user_data;
  GError *error = NULL;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GAsyncResult) answered = NULL;

  g_main_context_push_thread_default (context);
  qio_channel_tls_handshake_async (elsewhere->server, G_PRIORITY_DEFAULT, elsewhere->cancellable, take_result, &answered);
  check (answered == NULL);
  while (answered == NULL)
    {
      g_main_context_iteration (context, !elsewhere->cancels);
      if (elsewhere->cancels)
        g_cancellable_cancel (elsewhere->cancellable);
    }
  if (elsewhere->cancels)
    {
      check (!qio_channel_tls_handshake_finish (elsewhere->server, answered, &error));
      check_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    }
  else
    {
      check (qio_channel_tls_handshake_finish (elsewhere->server, answered, &error));
      check_ok (error);
    }
  g_main_context_pop_thread_default (context);
  return NULL;
}

/* A cancelled operation is continued by the next call. */
static void
elsewhere (QIOTlsCreds *mine, QIOTlsCreds *theirs)
{
  GError *error = NULL;
  g_autoptr (QIOChannelTLS) client = NULL;
  g_autoptr (QIOChannelTLS) server = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autofree char *requested = NULL;
  Elsewhere elsewhere;

  make_ends (mine, theirs, "localhost", &client, &server);
  elsewhere = (Elsewhere){ server, cancellable, TRUE };
  g_thread_join (g_thread_new ("elsewhere", handshake_elsewhere, &elsewhere));
  elsewhere = (Elsewhere){ server, NULL, FALSE };
  {
    GThread *thread = g_thread_new ("elsewhere", handshake_elsewhere, &elsewhere);

    check (qio_channel_tls_handshake (client, &error));
    check_ok (error);
    g_thread_join (thread);
  }
  requested = qio_channel_tls_get_hostname (server);
  check (g_strcmp0 (requested, "localhost") == 0);
}

int
main (void)
{
  g_autoptr (QIOTlsCreds) mine = NULL;
  g_autoptr (QIOTlsCreds) theirs = NULL;

  make_certificate ();
  mine = client_creds ();
  theirs = server_creds ();
  from_memory_or_missing ();
  verified (mine, theirs);
  refused (mine, theirs);
  accepted (mine, theirs);
  elsewhere (mine, theirs);
  in_common ();
  options ();
  remove_certificate ();
  printf ("tls: ok\n");
  return 0;
}
