/* libsoup over channels, with TLS of channels: a server of HTTP, and WebSockets at both ends. */
#include "journey.h"

#include <libsoup/soup.h>

/* A WebSocket message. */
#define SIZE 3000000

static QIOTlsCreds *
creds (QIOTlsEndpoint endpoint)
{
  GError *error = NULL;
  g_autoptr (QIOTlsCredsBuilder) builder = qio_tls_creds_builder_new (endpoint);
  g_autoptr (GBytes) key = g_bytes_new_static ("sixteen bytes...", 16);
  QIOTlsCreds *built;

  qio_tls_creds_builder_add_psk (builder, "alice", key);
  built = qio_tls_creds_builder_build (builder, &error);
  check_ok (error);
  return built;
}

/* Streams over both ends of TLS; the channels are in blocking mode. */
static void
make_streams (GIOStream **client, GIOStream **server)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) here = NULL;
  g_autoptr (QIOChannelSocket) there = NULL;
  g_autoptr (QIOChannelTLS) one = NULL;
  g_autoptr (QIOChannelTLS) other = NULL;
  g_autoptr (QIOTlsCreds) mine = creds (QIO_TLS_ENDPOINT_CLIENT);
  g_autoptr (QIOTlsCreds) theirs = creds (QIO_TLS_ENDPOINT_SERVER);

  make_pair (&here, &there);
  one = qio_channel_tls_new_client (QIO_CHANNEL (here), mine, NULL, &error);
  check_ok (error);
  other = qio_channel_tls_new_server (QIO_CHANNEL (there), theirs, &error);
  check_ok (error);
  *client = G_IO_STREAM (qio_io_stream_new (QIO_CHANNEL (one)));
  *server = G_IO_STREAM (qio_io_stream_new (QIO_CHANNEL (other)));
}

static void
answer (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query,
        gpointer user_data)
{
  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message, "text/plain", SOUP_MEMORY_COPY, path, strlen (path));
}

static void
http (void)
{
  GError *error = NULL;
  g_autoptr (GIOStream) client = NULL;
  g_autoptr (GIOStream) stream = NULL;
  g_autoptr (SoupServer) server = soup_server_new (NULL, NULL);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string ("127.0.0.1", 80);
  GAsyncResult *result = NULL;
  g_autoptr (GBytes) response = NULL;
  const char *request = "GET /path HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
  QIOChannel *ioc;
  const char *text;
  gsize size;

  make_streams (&client, &stream);
  soup_server_add_handler (server, NULL, answer, NULL, NULL);
  check (soup_server_accept_iostream (server, stream, address, address, &error));
  check_ok (error);
  check (qio_channel_set_blocking (qio_io_stream_get_channel (QIO_IO_STREAM (client)), FALSE, &error) == 0);
  ioc = qio_io_stream_get_channel (QIO_IO_STREAM (client));
  g_output_stream_write_all_async (g_io_stream_get_output_stream (client), request, strlen (request),
                                   G_PRIORITY_DEFAULT, NULL, take_result, &result);
  await (&result);
  check (g_output_stream_write_all_finish (g_io_stream_get_output_stream (client), result, NULL, &error));
  g_clear_object (&result);
  /* An end without close_notify would be an error. */
  qio_channel_read_to_end_async (ioc, 10000, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  await (&result);
  response = qio_channel_read_to_end_finish (ioc, result, &error);
  check_ok (error);
  g_clear_object (&result);
  text = g_bytes_get_data (response, &size);
  check (size > 20 && strncmp (text, "HTTP/1.1 200 OK\r\n", 17) == 0);
  check (memcmp (text + size - 9, "\r\n\r\n/path", 9) == 0);
}

static void
on_message (SoupWebsocketConnection *connection, SoupWebsocketDataType type, GBytes *message,
            gpointer user_data)
{
  GBytes **received = user_data;

  if (received != NULL)
    *received = g_bytes_ref (message);
  else
    soup_websocket_connection_send_message (connection, type, message);
}

static void
on_closed (SoupWebsocketConnection *connection, gpointer user_data)
{
  ++*(int *) user_data;
}

static SoupWebsocketConnection *
websocket (GIOStream *stream, SoupWebsocketConnectionType type)
{
  g_autoptr (GUri) uri = g_uri_parse ("wss://test/", G_URI_FLAGS_NONE, NULL);
  SoupWebsocketConnection *connection = soup_websocket_connection_new (stream, uri, type, NULL, NULL, NULL);

  soup_websocket_connection_set_max_incoming_payload_size (connection, SIZE);
  return connection;
}

static void
websockets (void)
{
  g_autoptr (GIOStream) here = NULL;
  g_autoptr (GIOStream) there = NULL;
  g_autoptr (SoupWebsocketConnection) client = NULL;
  g_autoptr (SoupWebsocketConnection) server = NULL;
  g_autofree guint8 *data = g_malloc (SIZE);
  GBytes *received = NULL;
  int closed = 0;

  for (guint i = 0; i < SIZE; i++)
    data[i] = i / 7 % 251;
  make_streams (&here, &there);
  client = websocket (here, SOUP_WEBSOCKET_CONNECTION_CLIENT);
  server = websocket (there, SOUP_WEBSOCKET_CONNECTION_SERVER);
  g_signal_connect (server, "message", G_CALLBACK (on_message), NULL);
  g_signal_connect (client, "message", G_CALLBACK (on_message), &received);
  g_signal_connect (client, "closed", G_CALLBACK (on_closed), &closed);
  g_signal_connect (server, "closed", G_CALLBACK (on_closed), &closed);
  for (int i = 0; i < 2; i++)
    {
      soup_websocket_connection_send_binary (client, data, SIZE);
      while (received == NULL)
        g_main_context_iteration (NULL, TRUE);
      check (g_bytes_get_size (received) == SIZE);
      check (memcmp (g_bytes_get_data (received, NULL), data, SIZE) == 0);
      g_clear_pointer (&received, g_bytes_unref);
    }
  soup_websocket_connection_close (client, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
  while (closed < 2)
    g_main_context_iteration (NULL, TRUE);
  check (soup_websocket_connection_get_close_code (server) == SOUP_WEBSOCKET_CLOSE_NORMAL);
  check (qio_channel_is_closed (qio_io_stream_get_channel (QIO_IO_STREAM (here))));
  check (qio_channel_is_closed (qio_io_stream_get_channel (QIO_IO_STREAM (there))));
}

int
main (void)
{
  http ();
  websockets ();
  puts ("soup: ok");
  return 0;
}
