/* The part of the journey in C with WebSockets: servers and clients over pairs of sockets. */
#include "journey.h"

#define URI "ws://example.org/chat?topic=1"

/* Both ends over a pair. */
static void
make_ends (QIOWebsockOptions *mine, QIOWebsockOptions *theirs, QIOChannelWebsock **client, QIOChannelWebsock **server)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) here = NULL;
  g_autoptr (QIOChannelSocket) there = NULL;

  make_pair (&here, &there);
  *client = qio_channel_websock_new_client (QIO_CHANNEL (here), URI, mine, &error);
  check_ok (error);
  *server = qio_channel_websock_new_server (QIO_CHANNEL (there), theirs, &error);
  check_ok (error);
}

/* A string that is transferred. */
static gboolean
is (char *actual, const char *expected)
{
  gboolean equal = g_strcmp0 (actual, expected) == 0;

  g_free (actual);
  return equal;
}

/* A message that is transferred. */
static gboolean
is_message (GBytes *message, const char *expected)
{
  gboolean equal = message != NULL && holds (message, expected);

  g_clear_pointer (&message, g_bytes_unref);
  return equal;
}

static QIOWebsockOptions *
make_options (void)
{
  GError *error = NULL;
  g_autoptr (QIOWebsockOptionsBuilder) builder = qio_websock_options_builder_new ();
  QIOWebsockOptions *options;

  qio_websock_options_builder_add_protocol (builder, "chat.v2");
  qio_websock_options_builder_add_protocol (builder, "chat.v1");
  qio_websock_options_builder_add_header (builder, "X-Token", "a b");
  qio_websock_options_builder_set_deflate (builder, 9, 4);
  qio_websock_options_builder_set_deflate_no_context_takeover (builder, FALSE, TRUE);
  qio_websock_options_builder_set_deflate_max_window_bits (builder, 15, 10);
  options = qio_websock_options_builder_build (builder, &error);
  check_ok (error);
  return options;
}

/* Every option once. */
static void
options (void)
{
  GError *error = NULL;
  const char *origins[] = { "https://example.org", NULL };
  g_autoptr (QIOWebsockOptionsBuilder) builder = qio_websock_options_builder_new ();
  QIOWebsockOptionsBuilder *copy;
  QIOWebsockOptions *built, *again;
  g_autoptr (QIOChannelWebsock) client = NULL;
  g_autoptr (QIOChannelWebsock) server = NULL;

  qio_websock_options_builder_set_path (builder, "/chat");
  qio_websock_options_builder_set_origins (builder, origins);
  qio_websock_options_builder_set_any_origin (builder);
  qio_websock_options_builder_set_same_host (builder);
  qio_websock_options_builder_set_binary_only (builder);
  qio_websock_options_builder_set_max_message_size (builder, 1000);
  qio_websock_options_builder_set_ping_interval (builder, 0);
  qio_websock_options_builder_set_pong_timeout (builder, 0);
  qio_websock_options_builder_set_close_timeout (builder, 1000);
  copy = qio_websock_options_builder_copy (builder);
  built = qio_websock_options_builder_build (copy, &error);
  check_ok (error);
  again = qio_websock_options_ref (built);

  make_ends (NULL, again, &client, &server);
  check (qio_channel_websock_get_max_message_size (server) == 1000);
  check (qio_channel_websock_get_max_message_size (client) == 16 * 1024 * 1024);
  qio_channel_websock_set_max_message_size (client, 5);
  check (qio_channel_websock_get_max_message_size (client) == 5);
  check (qio_channel_websock_get_ping_interval (server) == 0 && qio_channel_websock_get_pong_timeout (server) == 0);
  qio_channel_websock_set_ping_interval (server, 30000);
  qio_channel_websock_set_pong_timeout (server, 10000);
  check (qio_channel_websock_get_ping_interval (server) == 30000);
  check (qio_channel_websock_get_pong_timeout (server) == 10000);
  qio_websock_options_unref (again);
  again = qio_channel_websock_get_options (server);
  check (again == built);
  qio_websock_options_unref (again);
  qio_websock_options_unref (built);

  qio_websock_options_builder_add_protocol (copy, "no token");
  qio_websock_options_builder_set_path (copy, "nowhere");
  check (qio_websock_options_builder_build (copy, &error) == NULL);
  check (strstr (error->message, "no token") != NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  qio_websock_options_builder_free (copy);
}

/* Performs both handshakes at once. */
static void
open_both (QIOChannelWebsock *client, QIOChannelWebsock *server)
{
  GError *error = NULL;
  GAsyncResult *here = NULL, *there = NULL;

  qio_channel_websock_handshake_async (client, G_PRIORITY_DEFAULT, NULL, take_result, &here);
  qio_channel_websock_handshake_async (server, G_PRIORITY_DEFAULT, NULL, take_result, &there);
  check (qio_channel_websock_handshake_finish (client, await (&here), &error));
  check (qio_channel_websock_handshake_finish (server, await (&there), &error));
  check_ok (error);
  g_object_unref (here);
  g_object_unref (there);
}

/* What both ends have once they are open. */
static void
check_opened (QIOChannelWebsock *client, QIOChannelWebsock *server)
{
  g_autoptr (QIOChannel) lower = qio_channel_websock_get_master (client);
  g_autofree char *extensions = qio_channel_websock_get_response_header (client, "sec-websocket-extensions");
  g_auto (GStrv) headers = qio_channel_websock_list_request_headers (server);

  check (QIO_IS_CHANNEL_SOCKET (lower));
  check (qio_channel_websock_is_client (client) && !qio_channel_websock_is_client (server));
  check (qio_channel_websock_is_handshake_done (client) && qio_channel_websock_is_handshake_done (server));
  check (is (qio_channel_websock_get_uri (client), URI) && is (qio_channel_websock_get_uri (server), NULL));
  check (is (qio_channel_websock_get_protocol (client), "chat.v2"));
  check (is (qio_channel_websock_get_protocol (server), "chat.v2"));
  check (is (qio_channel_websock_get_target (client), "/chat?topic=1"));
  check (is (qio_channel_websock_get_response_header (client, "x-token"), "a b"));
  check (strstr (extensions, "permessage-deflate") && strstr (extensions, "server_no_context_takeover"));
  check (strstr (extensions, "server_max_window_bits=10") != NULL);
  check (is (qio_channel_websock_get_extensions (client), extensions));
  check (is (qio_channel_websock_get_extensions (server), extensions));
  check (is (qio_channel_websock_get_origin (server), NULL));
  check (g_strv_contains ((const char *const *) headers, "X-Token: a b"));
  check (qio_channel_websock_get_close_code (client) == 0);
  check (is (qio_channel_websock_get_close_reason (client), NULL));
}

/* Sends one message, and receives it at the other end. */
static void
transfer (QIOChannelWebsock *from, QIOChannelWebsock *to, QIOWebsockMessageKind kind, const char *text)
{
  GError *error = NULL;
  QIOWebsockMessageKind received;
  GAsyncResult *sending = NULL, *receiving = NULL;
  g_autoptr (GBytes) message = g_bytes_new (text, strlen (text));

  qio_channel_websock_receive_async (to, G_PRIORITY_DEFAULT, NULL, take_result, &receiving);
  qio_channel_websock_send_async (from, kind, message, G_PRIORITY_DEFAULT, NULL, take_result, &sending);
  check (qio_channel_websock_send_finish (from, await (&sending), &error));
  check_ok (error);
  check (is_message (qio_channel_websock_receive_finish (to, await (&receiving), &received, &error), text));
  check_ok (error);
  check (received == kind);
  g_object_unref (sending);
  g_object_unref (receiving);
}

static void
keep_pong (QIOChannelWebsock *websock, GBytes *payload, gpointer user_data)
{
  *(GBytes **) user_data = g_bytes_ref (payload);
}

/* Plain reads and writes, and a ping. */
static void
bytes_and_pings (QIOChannelWebsock *client, QIOChannelWebsock *server)
{
  GError *error = NULL;
  QIOWebsockMessageKind kind;
  g_autoptr (GBytes) payload = g_bytes_new_static ("are you there?", 14);
  g_autoptr (GBytes) pong = NULL;
  char buf[9];

  check (qio_channel_write_all (QIO_CHANNEL (client), "plain", 5, &error) == 0);
  check (is_message (qio_channel_websock_receive (server, &kind, &error), "plain"));
  check (kind == QIO_WEBSOCK_MESSAGE_KIND_BINARY);
  qio_channel_websock_set_message_kind (client, QIO_WEBSOCK_MESSAGE_KIND_TEXT);
  check (qio_channel_websock_get_message_kind (client) == QIO_WEBSOCK_MESSAGE_KIND_TEXT);
  check (qio_channel_write_all (QIO_CHANNEL (client), "text", 4, &error) == 0);
  check (is_message (qio_channel_websock_receive (server, &kind, &error), "text"));
  check (kind == QIO_WEBSOCK_MESSAGE_KIND_TEXT);
  check (qio_channel_write (QIO_CHANNEL (client), "\xff", 1, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  check (!qio_channel_websock_send_text (client, "\xff", &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);

  g_signal_connect (server, "pong", G_CALLBACK (keep_pong), &pong);
  check (qio_channel_websock_ping (server, payload, &error));
  check (qio_channel_websock_send_text (server, "behind it", &error));
  check (qio_channel_read_all (QIO_CHANNEL (client), buf, 9, &error) == 0 && memcmp (buf, "behind it", 9) == 0);
  check (qio_channel_websock_send_text (client, "answer", &error));
  check (is_message (qio_channel_websock_receive (server, NULL, &error), "answer"));
  check_ok (error);
  check (pong != NULL && g_bytes_equal (pong, payload));
  check (qio_channel_websock_get_buffered_amount (server) == 0);
}

/* The closing handshake, whose code and reason the other end has: an error, unless it is an end. */
static void
close_both (QIOChannelWebsock *client, QIOChannelWebsock *server, guint code, gboolean is_end)
{
  GError *error = NULL;
  GAsyncResult *closing = NULL, *receiving = NULL;

  qio_channel_websock_receive_async (server, G_PRIORITY_DEFAULT, NULL, take_result, &receiving);
  qio_channel_websock_bye_async (client, code, "enough", G_PRIORITY_DEFAULT, NULL, take_result, &closing);
  check (qio_channel_websock_receive_finish (server, await (&receiving), NULL, &error) == NULL);
  if (is_end)
    check_ok (error);
  else
    check_error (error, QIO_WEBSOCK_ERROR, (int) code);
  check (qio_channel_websock_bye_finish (client, await (&closing), &error));
  check_ok (error);
  check (qio_channel_websock_get_close_code (server) == code);
  check (is (qio_channel_websock_get_close_reason (server), "enough"));
  check (qio_channel_close (QIO_CHANNEL (client), &error) == 0);
  check (qio_channel_close (QIO_CHANNEL (server), &error) == 0);
  check_ok (error);
  g_object_unref (closing);
  g_object_unref (receiving);
}

static void
connections (void)
{
  g_autoptr (QIOWebsockOptions) both = make_options ();
  g_autoptr (QIOChannelWebsock) client = NULL;
  g_autoptr (QIOChannelWebsock) server = NULL;
  g_autoptr (QIOChannelWebsock) strange_client = NULL;
  g_autoptr (QIOChannelWebsock) strange_server = NULL;

  make_ends (both, both, &client, &server);
  open_both (client, server);
  check_opened (client, server);
  transfer (client, server, QIO_WEBSOCK_MESSAGE_KIND_TEXT, "hello");
  transfer (server, client, QIO_WEBSOCK_MESSAGE_KIND_BINARY, "");
  bytes_and_pings (client, server);
  close_both (client, server, 1000, TRUE);

  make_ends (NULL, NULL, &strange_client, &strange_server);
  open_both (strange_client, strange_server);
  close_both (strange_client, strange_server, 4000, FALSE);
}

/* A server that decides about requests itself: accepts one, and answers another with a page. */
static void
decisions (void)
{
  GError *error = NULL;
  const char *headers[] = { "Content-Type: text/plain", "X-Empty:", NULL };
  g_autoptr (GBytes) page = g_bytes_new_static ("a page\n", 7);

  for (int accepts = 0; accepts < 2; accepts++)
    {
      g_autoptr (QIOWebsockOptions) mine = make_options ();
      g_autoptr (QIOChannelWebsock) client = NULL;
      g_autoptr (QIOChannelWebsock) server = NULL;
      GAsyncResult *opening = NULL, *request = NULL, *answer = NULL;

      make_ends (mine, NULL, &client, &server);
      qio_channel_websock_handshake_async (client, G_PRIORITY_DEFAULT, NULL, take_result, &opening);
      qio_channel_websock_receive_request_async (server, G_PRIORITY_DEFAULT, NULL, take_result, &request);
      check (qio_channel_websock_receive_request_finish (server, await (&request), &error));
      check_ok (error);
      check (qio_channel_websock_is_upgrade (server));
      check (is (qio_channel_websock_get_method (server), "GET"));
      check (is (qio_channel_websock_get_target (server), "/chat?topic=1"));
      check (is (qio_channel_websock_get_path (server), "/chat"));
      check (is (qio_channel_websock_get_query (server), "topic=1"));
      check (is (qio_channel_websock_get_request_header (server, "host"), "example.org"));
      check (!qio_channel_websock_accept (server, "other", NULL, &error));
      check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
      if (accepts)
        {
          qio_channel_websock_accept_async (server, "chat.v1", headers, G_PRIORITY_DEFAULT, NULL, take_result, &answer);
          check (qio_channel_websock_accept_finish (server, await (&answer), &error));
          g_object_unref (answer);
          check (qio_channel_websock_handshake_finish (client, await (&opening), &error));
          check_ok (error);
          check (is (qio_channel_websock_get_protocol (client), "chat.v1"));
        }
      else
        {
          qio_channel_websock_refuse_async (server, 404, headers, page, G_PRIORITY_DEFAULT, NULL, take_result, &answer);
          check (qio_channel_websock_refuse_finish (server, await (&answer), &error));
          check_ok (error);
          check (!qio_channel_websock_handshake_finish (client, await (&opening), &error));
          check_error (error, QIO_WEBSOCK_ERROR, 404);
          g_object_unref (answer);
        }
      check (is (qio_channel_websock_get_response_header (client, "content-type"), "text/plain"));
      check (is (qio_channel_websock_get_response_header (client, "x-empty"), ""));
      g_object_unref (opening);
      g_object_unref (request);
    }
}

/* Blocking, with a thread at the other end. */

static gpointer
serve (gpointer data)
{
  GError *error = NULL;
  QIOChannelWebsock *server = data;
  g_autoptr (GBytes) message = NULL;
  QIOWebsockMessageKind kind;

  check (qio_channel_websock_receive_request (server, &error));
  check (qio_channel_websock_accept (server, NULL, NULL, &error));
  message = qio_channel_websock_receive (server, &kind, &error);
  check_ok (error);
  check (qio_channel_websock_send (server, kind, message, &error));
  check (qio_channel_websock_receive (server, &kind, &error) == NULL);
  check_ok (error);
  check (kind == QIO_WEBSOCK_MESSAGE_KIND_BINARY);
  return NULL;
}

static gpointer
refuse (gpointer data)
{
  GError *error = NULL;
  QIOChannelWebsock *server = data;

  check (qio_channel_websock_receive_request (server, &error));
  check (qio_channel_websock_refuse (server, 503, NULL, NULL, &error));
  check_ok (error);
  return NULL;
}

static void
by_blocking (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelWebsock) client = NULL;
  g_autoptr (QIOChannelWebsock) server = NULL;
  GThread *peer;

  make_ends (NULL, NULL, &client, &server);
  peer = g_thread_new ("peer", serve, server);
  check (qio_channel_websock_handshake (client, &error));
  check (qio_channel_websock_send_text (client, "hello", &error));
  check (is_message (qio_channel_websock_receive (client, NULL, &error), "hello"));
  check (qio_channel_websock_bye (client, 1001, NULL, &error));
  check_ok (error);
  g_thread_join (peer);
  check (qio_channel_websock_get_close_code (server) == 1001);

  g_clear_object (&client);
  g_clear_object (&server);
  make_ends (NULL, NULL, &client, &server);
  peer = g_thread_new ("peer", refuse, server);
  check (!qio_channel_websock_handshake (client, &error));
  check_error (error, QIO_WEBSOCK_ERROR, 503);
  g_thread_join (peer);
}

/* Connecting by a URI. */

static gpointer
serve_one (gpointer data)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) socket = qio_channel_socket_accept (data, &error);
  g_autoptr (QIOChannelWebsock) server = NULL;
  g_autoptr (GBytes) message = NULL;
  g_autofree char *text = NULL;

  check_ok (error);
  server = qio_channel_websock_new_server (QIO_CHANNEL (socket), NULL, &error);
  message = qio_channel_websock_receive (server, NULL, &error);
  check_ok (error);
  text = g_strndup (g_bytes_get_data (message, NULL), g_bytes_get_size (message));
  check (is (qio_channel_websock_get_target (server), "/by?uri"));
  check (qio_channel_websock_send_text (server, text, &error));
  check (qio_channel_websock_receive (server, NULL, &error) == NULL);
  check_ok (error);
  return NULL;
}

static void
by_uri (void)
{
  GError *error = NULL;
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GSocketAddress) local = NULL;
  g_autoptr (QIOChannelSocket) listener = qio_channel_socket_new ();
  g_autofree char *uri = NULL;

  check (qio_channel_socket_listen_sync (listener, address, 2, &error) == 0);
  local = qio_channel_socket_get_local_address (listener, &error);
  check_ok (error);
  uri = g_strdup_printf ("ws://127.0.0.1:%u/by?uri", g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (local)));
  for (int asynchronous = 0; asynchronous < 2; asynchronous++)
    {
      GThread *peer = g_thread_new ("peer", serve_one, listener);
      g_autoptr (QIOChannelWebsock) client = NULL;
      GAsyncResult *result = NULL;

      if (asynchronous)
        {
          qio_channel_websock_connect_to_uri_async (uri, NULL, NULL, G_PRIORITY_DEFAULT, NULL, take_result, &result);
          client = qio_channel_websock_connect_to_uri_finish (await (&result), &error);
          g_object_unref (result);
        }
      else
        client = qio_channel_websock_connect_to_uri (uri, NULL, NULL, &error);
      check_ok (error);
      check (is (qio_channel_websock_get_uri (client), uri));
      check (qio_channel_websock_send_text (client, "hello", &error));
      check (is_message (qio_channel_websock_receive (client, NULL, &error), "hello"));
      check (qio_channel_websock_bye (client, 1000, NULL, &error));
      check_ok (error);
      g_thread_join (peer);
    }
  check (qio_channel_websock_connect_to_uri ("http://x/", NULL, NULL, &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
}

/* An end without a close frame, and a peer that is no WebSocket. */
static void
broken (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelWebsock) client = NULL;
  g_autoptr (QIOChannelWebsock) server = NULL;
  g_autoptr (QIOChannelWebsock) other = NULL;
  g_autoptr (QIOChannel) lower = NULL;
  g_autoptr (QIOChannelSocket) here = NULL;
  g_autoptr (QIOChannelSocket) there = NULL;

  make_ends (NULL, NULL, &client, &server);
  open_both (client, server);
  lower = qio_channel_websock_get_master (client);
  check (qio_channel_close (lower, &error) == 0);
  check (qio_channel_websock_receive (server, NULL, &error) == NULL);
  check_error (error, QIO_WEBSOCK_ERROR, 1006);
  check (qio_channel_websock_get_require_close (server));
  qio_channel_websock_set_require_close (server, FALSE);
  check (qio_channel_websock_receive (server, NULL, &error) == NULL);
  check_ok (error);

  make_pair (&here, &there);
  other = qio_channel_websock_new_client (QIO_CHANNEL (here), "ws://x", NULL, &error);
  check (qio_channel_write_all (QIO_CHANNEL (there), "SSH-2.0\r\n\r\n", 11, &error) == 0);
  check (!qio_channel_websock_handshake (other, &error));
  check_error (error, QIO_WEBSOCK_ERROR, QIO_WEBSOCK_ERROR_BAD_ANSWER);
}

int
main (void)
{
  options ();
  connections ();
  decisions ();
  by_blocking ();
  by_uri ();
  broken ();
  printf ("websock: ok\n");
  return 0;
}
