/* GIO's own TLS over streams of channels, with ChannelTLS as the peer: blocking calls, a thread for each end.
 * QIO_TEST_PKI is a directory in QEMU's layout. */
#include "journey.h"

#define SIZE 1000000

static char *
path (const char *name)
{
  return g_build_filename (g_getenv ("QIO_TEST_PKI"), name, NULL);
}

static GIOStream *
gio_client (QIOChannel *channel)
{
  GError *error = NULL;
  g_autofree char *ca = path ("ca-cert.pem");
  g_autoptr (QIOIOStream) base = qio_io_stream_new (channel);
  g_autoptr (GSocketConnectable) identity = g_network_address_new ("localhost", 443);
  g_autoptr (GTlsDatabase) database = g_tls_file_database_new (ca, &error);
  GIOStream *stream;

  check_ok (error);
  stream = g_tls_client_connection_new (G_IO_STREAM (base), identity, &error);
  check_ok (error);
  g_tls_connection_set_database (G_TLS_CONNECTION (stream), database);
  return stream;
}

static GIOStream *
gio_server (QIOChannel *channel)
{
  GError *error = NULL;
  g_autofree char *file = path ("server-cert.pem");
  g_autofree char *key = path ("server-key.pem");
  g_autoptr (QIOIOStream) base = qio_io_stream_new (channel);
  g_autoptr (GTlsCertificate) certificate = g_tls_certificate_new_from_files (file, key, &error);
  GIOStream *stream;

  check_ok (error);
  stream = g_tls_server_connection_new (G_IO_STREAM (base), certificate, &error);
  check_ok (error);
  return stream;
}

static GIOStream *
qio_end (QIOChannel *channel, QIOTlsEndpoint endpoint)
{
  GError *error = NULL;
  g_autofree char *ca = path ("ca-cert.pem");
  g_autofree char *file = path ("server-cert.pem");
  g_autofree char *key = path ("server-key.pem");
  g_autoptr (QIOTlsCredsBuilder) builder = qio_tls_creds_builder_new (endpoint);
  g_autoptr (QIOTlsCreds) creds = NULL;
  g_autoptr (QIOChannelTLS) tls = NULL;

  if (endpoint == QIO_TLS_ENDPOINT_CLIENT)
    qio_tls_creds_builder_add_trust_file (builder, ca);
  else
    qio_tls_creds_builder_set_certificate_files (builder, file, key);
  creds = qio_tls_creds_builder_build (builder, &error);
  check_ok (error);
  if (endpoint == QIO_TLS_ENDPOINT_CLIENT)
    tls = qio_channel_tls_new_client (channel, creds, "localhost", &error);
  else
    tls = qio_channel_tls_new_server (channel, creds, &error);
  check_ok (error);
  return G_IO_STREAM (qio_io_stream_new (QIO_CHANNEL (tls)));
}

/* Sends back all that the client sends. */
static gpointer
echo (gpointer server)
{
  GError *error = NULL;
  g_autofree char *buf = g_malloc (SIZE);
  gsize count;

  check (g_input_stream_read_all (g_io_stream_get_input_stream (server), buf, SIZE, &count, NULL, &error));
  check_ok (error);
  check (count == SIZE);
  check (g_output_stream_write_all (g_io_stream_get_output_stream (server), buf, SIZE, NULL, NULL, &error));
  check (g_io_stream_close (server, NULL, &error));
  check_ok (error);
  return NULL;
}

static void
exchange (gboolean is_gio_client, gboolean is_gio_server)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) here = NULL;
  g_autoptr (QIOChannelSocket) there = NULL;
  g_autoptr (GIOStream) client = NULL;
  g_autoptr (GIOStream) server = NULL;
  g_autofree char *data = g_malloc (SIZE);
  g_autofree char *buf = g_malloc (SIZE + 1);
  GThread *thread;
  gsize count;

  for (guint i = 0; i < SIZE; i++)
    data[i] = i / 7 % 251;
  make_pair (&here, &there);
  client = is_gio_client ? gio_client (QIO_CHANNEL (here)) : qio_end (QIO_CHANNEL (here), QIO_TLS_ENDPOINT_CLIENT);
  server = is_gio_server ? gio_server (QIO_CHANNEL (there)) : qio_end (QIO_CHANNEL (there), QIO_TLS_ENDPOINT_SERVER);
  thread = g_thread_new ("server", echo, server);
  check (g_output_stream_write_all (g_io_stream_get_output_stream (client), data, SIZE, NULL, NULL, &error));
  check_ok (error);
  /* An end without close_notify would be an error. */
  check (g_input_stream_read_all (g_io_stream_get_input_stream (client), buf, SIZE + 1, &count, NULL, &error));
  check_ok (error);
  check (count == SIZE && memcmp (buf, data, SIZE) == 0);
  g_thread_join (thread);
  /* The server has closed: GIO may be unable to send its close_notify, and closes nevertheless. */
  g_io_stream_close (client, NULL, NULL);
  check (qio_channel_is_closed (QIO_CHANNEL (here)) && qio_channel_is_closed (QIO_CHANNEL (there)));
}

int
main (void)
{
  exchange (TRUE, TRUE);
  exchange (TRUE, FALSE);
  exchange (FALSE, TRUE);
  puts ("gio_tls: ok");
  return 0;
}
