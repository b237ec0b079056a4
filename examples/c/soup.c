/* An HTTP server of libsoup over channels: plain, or with TLS of channels.
 *
 *   cc -o soup soup.c $(pkg-config --cflags --libs qio-1.0 libsoup-3.0)
 *   ./soup [CERTIFICATE KEY]
 *
 * With QIO_MONITOR=listen in its environment, qio top shows its channels. */
#include <libsoup/soup.h>
#include <qio/qio.h>

typedef struct
{
  SoupServer *server;
  QIOTlsCreds *creds; /* NULL: without TLS */
} Service;

static void
answer (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query,
        gpointer user_data)
{
  /* A server that listens on no socket of its own closes the connection after each response. */
  soup_message_headers_append (soup_server_message_get_response_headers (message), "Connection",
                               "close");
  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message, "text/plain", SOUP_MEMORY_STATIC, "hello\n", 6);
}

static void
on_client (QIONetListener *listener, QIOChannelSocket *client, gpointer user_data)
{
  Service *service = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (QIOChannel) channel = QIO_CHANNEL (g_object_ref (client));
  g_autoptr (QIOIOStream) stream = NULL;
  g_autoptr (GSocketAddress) local = qio_channel_socket_get_local_address (client, NULL);
  g_autoptr (GSocketAddress) remote = qio_channel_socket_get_remote_address (client, NULL);

  if (service->creds != NULL)
    {
      /* The first read performs the handshake. */
      QIOChannelTLS *tls = qio_channel_tls_new_server (channel, service->creds, &error);

      if (tls == NULL)
        {
          g_warning ("%s", error->message);
          return;
        }
      g_set_object (&channel, QIO_CHANNEL (tls));
      g_object_unref (tls);
    }
  /* Any channel is a stream for libsoup. */
  stream = qio_io_stream_new (channel);
  if (!soup_server_accept_iostream (service->server, G_IO_STREAM (stream), local, remote, &error))
    g_warning ("%s", error->message);
}

int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (SoupServer) server = soup_server_new (NULL, NULL);
  g_autoptr (QIONetListener) listener = qio_net_listener_new ();
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autolist (GSocketAddress) addresses = NULL;
  g_autoptr (QIOTlsCreds) creds = NULL;
  g_autoptr (GError) error = NULL;
  Service service = { server, NULL };

  if (argc == 3)
    {
      g_autoptr (QIOTlsCredsBuilder) builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_SERVER);

      qio_tls_creds_builder_set_certificate_files (builder, argv[1], argv[2]);
      creds = service.creds = qio_tls_creds_builder_build (builder, &error);
    }
  soup_server_add_handler (server, NULL, answer, NULL, NULL);
  if (error != NULL
      || qio_net_listener_open_sync (listener, G_SOCKET_CONNECTABLE (address), 16, &error) < 0)
    {
      g_printerr ("soup: %s\n", error->message);
      return 1;
    }
  addresses = qio_net_listener_get_local_addresses (listener);
  g_print ("soup: listening on port %u\n",
           g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (addresses->data)));
  qio_net_listener_set_client_func (listener, on_client, &service, NULL);
  g_main_loop_run (loop);
  return 0;
}
