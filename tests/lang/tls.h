/* What the parts of the journey in C that go through TLS share. */
#pragma once

#include "journey.h"

#include <glib/gstdio.h>

static char *directory;
static char *certificate, *key;

/* A certificate that has signed itself, of localhost. */
static inline void
make_certificate (void)
{
  GError *error = NULL;
  g_autofree char *command = NULL;
  int wait_status;

  directory = g_dir_make_tmp ("qio-tls-XXXXXX", &error);
  check_ok (error);
  certificate = g_build_filename (directory, "cert.pem", NULL);
  key = g_build_filename (directory, "key.pem", NULL);
  command = g_strdup_printf ("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
                             " -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost"
                             " -keyout %s -out %s",
                             key, certificate);
  check (g_spawn_command_line_sync (command, NULL, NULL, &wait_status, &error));
  check (g_spawn_check_wait_status (wait_status, &error));
  check_ok (error);
}

static inline void
remove_certificate (void)
{
  g_remove (certificate);
  g_remove (key);
  g_rmdir (directory);
  g_clear_pointer (&certificate, g_free);
  g_clear_pointer (&key, g_free);
  g_clear_pointer (&directory, g_free);
}

static inline QIOTlsCreds *
client_creds (void)
{
  GError *error = NULL;
  static const char *const protocols[] = { "other", "echo", NULL };
  g_autoptr (QIOTlsCredsBuilder) builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_CLIENT);
  g_autoptr (QIOTlsCredsBuilder) copy = NULL;
  QIOTlsCreds *creds;

  qio_tls_creds_builder_add_trust_file (builder, certificate);
  qio_tls_creds_builder_set_alpn_protocols (builder, protocols);
  copy = qio_tls_creds_builder_copy (builder);
  creds = qio_tls_creds_builder_build (copy, &error);
  check_ok (error);
  check (qio_tls_creds_get_endpoint (creds) == QIO_TLS_ENDPOINT_CLIENT);
  check (qio_tls_creds_verifies_peer (creds));
  return creds;
}

static inline QIOTlsCreds *
server_creds (void)
{
  GError *error = NULL;
  static const char *const protocols[] = { "echo", NULL };
  g_autoptr (QIOTlsCredsBuilder) builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_SERVER);
  QIOTlsCreds *creds;

  qio_tls_creds_builder_set_certificate_files (builder, certificate, key);
  qio_tls_creds_builder_set_alpn_protocols (builder, protocols);
  creds = qio_tls_creds_builder_build (builder, &error);
  check_ok (error);
  check (!qio_tls_creds_verifies_peer (creds));
  return creds;
}

/* Both ends, over channels whose references are taken. */
static inline void
make_ends_over (gpointer here, gpointer there, QIOTlsCreds *mine, QIOTlsCreds *theirs,
                const char *name, QIOChannelTLS **client, QIOChannelTLS **server)
{
  GError *error = NULL;

  *client = qio_channel_tls_new_client (here, mine, name, &error);
  check_ok (error);
  *server = qio_channel_tls_new_server (there, theirs, &error);
  check_ok (error);
  g_object_unref (here);
  g_object_unref (there);
}

/* Both ends over a pair of sockets. */
static inline void
make_ends (QIOTlsCreds *mine, QIOTlsCreds *theirs, const char *name, QIOChannelTLS **client,
           QIOChannelTLS **server)
{
  QIOChannelSocket *here, *there;

  make_pair (&here, &there);
  make_ends_over (here, there, mine, theirs, name, client, server);
}

/* Both perform the handshake on the main loop. */
static inline void
perform_the_handshake (QIOChannelTLS *client, QIOChannelTLS *server)
{
  GError *error = NULL;
  g_autoptr (GAsyncResult) answered = NULL;
  g_autoptr (GAsyncResult) client_done = NULL;

  qio_channel_tls_handshake_async (server, G_PRIORITY_DEFAULT, NULL, take_result, &answered);
  qio_channel_tls_handshake_async (client, G_PRIORITY_DEFAULT, NULL, take_result, &client_done);
  check (qio_channel_tls_handshake_finish (client, await (&client_done), &error));
  check (qio_channel_tls_handshake_finish (server, await (&answered), &error));
  check_ok (error);
}
