/* A chat over TLS that reconnects: [QIO_MONITOR=listen] chat server|client tcp:HOST:PORT CERTIFICATES */
#include <qio/qio.h>
static QIOTlsCreds *creds;
static QIONetAddress *address;
static GList *clients;

static void serve (gpointer tls) { /* a coroutine, which is suspended where it would block */
  qio_channel_write_all (tls, "chat: connected\n", 16, NULL); /* after an error there is no line either */
  clients = g_list_prepend (clients, tls);
  for (GBytes *line; (line = qio_channel_read_until (tls, (guint8 *) "\n", 1, 1000, NULL)); g_bytes_unref (line)) {
    GList *all = g_list_copy_deep (clients, (GCopyFunc) (GCallback) g_object_ref, NULL);
    for (GList *other = all; other != NULL; other = other->next)
      if (other->data != tls)
        qio_channel_write_bytes_all (other->data, line, NULL); /* of an error, its own coroutine ends */
    g_list_free_full (all, g_object_unref);
  }
  clients = g_list_remove (clients, tls);
}
static void on_client (QIONetListener *listener, QIOChannelSocket *socket, gpointer user_data) {
  qio_coroutine_start (serve, qio_channel_tls_new_server (QIO_CHANNEL (socket), creds, NULL), g_object_unref);
}
static void send_input (gpointer tls) {
  static QIOChannel *input; /* which keeps what could not be sent, for the next connection */
  input = input != NULL ? input : QIO_CHANNEL (qio_channel_file_new_dupfd (0, NULL));
  if (qio_channel_splice_to (input, tls, -1, NULL, NULL) >= 0)
    exit (qio_channel_close (tls, NULL)); /* the end of the input */
}
static void stay_connected (gpointer output) {
  g_autoptr (GSocketConnectable) target = qio_net_address_get_connectable (address, NULL);
  g_autoptr (QIOBackoff) backoff = qio_backoff_new ();
  g_autofree char *host = qio_net_address_get_host (address);
  for (;; g_usleep (1000 * qio_backoff_get_delay (backoff, 1))) {
    g_autoptr (QIOChannelSocket) socket = qio_channel_socket_new ();
    g_autoptr (QIOChannelTLS) tls = NULL;
    g_autoptr (GError) error = NULL;
    if (qio_channel_socket_connect_with_backoff_sync (socket, target, backoff, NULL, &error) < 0
        || !(tls = qio_channel_tls_new_client (QIO_CHANNEL (socket), creds, host, &error)))
      g_error ("%s", error->message);
    qio_coroutine_start (send_input, g_object_ref (tls), g_object_unref);
    qio_channel_splice_to (QIO_CHANNEL (tls), output, -1, NULL, &error);
    g_printerr ("chat: %s\n", error != NULL ? error->message : "The server has closed the connection");
    qio_channel_close (QIO_CHANNEL (tls), NULL);
  }
}

int main (int argc, char *argv[]) {
  gboolean is_server = argc > 1 && g_str_equal (argv[1], "server");
  QIOTlsCredsBuilder *builder = qio_tls_creds_builder_new (is_server ? QIO_TLS_ENDPOINT_SERVER : QIO_TLS_ENDPOINT_CLIENT);
  QIONetListener *listener = qio_net_listener_new ();
  GError *error = NULL;
  qio_tls_creds_builder_set_directory (builder, argc > 3 ? argv[3] : "");
  if (!(address = qio_net_address_new_from_string (argc > 2 ? argv[2] : "", &error))
      || !(creds = qio_tls_creds_builder_build (builder, &error))
      || (is_server && qio_net_listener_open_address (listener, address, 16, &error) < 0))
    g_error ("usage: chat server|client tcp:HOST:PORT CERTIFICATES: %s", error->message);
  qio_net_listener_set_client_func (listener, on_client, NULL, NULL);
  if (!is_server)
    qio_coroutine_start (stay_connected, qio_channel_file_new_dupfd (1, NULL), g_object_unref);
  g_main_loop_run (g_main_loop_new (NULL, FALSE));
}
