/* A listener in C: each way to accept, its settings, and what it keeps alive. */
#include "check.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

static guint freed;

static void
count_free (gpointer user_data)
{
  freed++;
}

static void
keep_client (QIONetListener *listener, QIOChannelSocket *client, gpointer user_data)
{
  QIOChannelSocket **place = user_data;

  check (QIO_IS_NET_LISTENER (listener) && *place == NULL);
  *place = g_object_ref (client);
}

static void
take_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GAsyncResult *
await (GAsyncResult **result)
{
  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *result;
}

static QIOChannelSocket *
connect_to (QIONetListener *listener)
{
  GError *error = NULL;
  QIOChannelSocket *client = qio_channel_socket_new ();
  GList *addresses = qio_net_listener_get_local_addresses (listener);

  check (addresses != NULL);
  check (qio_channel_socket_connect_sync (client, addresses->data, &error) == 0);
  g_list_free_full (addresses, g_object_unref);
  return client;
}

/* Checks that these are the ends of one connection. */
static void
greet (QIOChannelSocket *client, QIOChannelSocket *server)
{
  GError *error = NULL;
  char buf[4];

  check (qio_channel_write_all (QIO_CHANNEL (client), "ping", 4, &error) == 0);
  check (qio_channel_read_all (QIO_CHANNEL (server), buf, 4, &error) == 0);
  check (memcmp (buf, "ping", 4) == 0);
}

static void
accepting (void)
{
  GError *error = NULL;
  g_autoptr (GSocketConnectable) name = g_network_address_new ("localhost", 0);
  g_autoptr (QIONetListener) listener = qio_net_listener_new ();
  g_autoptr (QIOChannelSocket) own = qio_channel_socket_new ();
  g_autoptr (GAsyncResult) opened = NULL;
  g_autoptr (GAsyncResult) listens = NULL;
  QIOChannelSocket *client, *server = NULL;
  g_autofree char *label = NULL;

  check (!qio_net_listener_is_connected (listener));
  qio_net_listener_set_name (listener, "service");
  label = qio_net_listener_get_name (listener);
  check (strcmp (label, "service") == 0);
  check (qio_net_listener_open_sync (listener, name, 5, &error) == 0);
  check (qio_net_listener_is_connected (listener));

  client = connect_to (listener);
  server = qio_net_listener_wait_client (listener, &error);
  check_ok (error);
  greet (client, server);
  check (qio_net_listener_get_clients (listener) == 1);
  g_object_unref (client);
  g_clear_object (&server);
  check (qio_net_listener_get_clients (listener) == 0);

  for (int i = 0; i < 2; i++)
    {
      if (i == 0)
        qio_net_listener_set_client_func (listener, keep_client, &server, count_free);
      else
        qio_net_listener_set_client_func_full (listener, keep_client, &server, count_free, NULL);
      check (freed == (guint) i);
      client = connect_to (listener);
      while (server == NULL)
        g_main_context_iteration (NULL, TRUE);
      greet (client, server);
      g_object_unref (client);
      g_clear_object (&server);
    }
  qio_net_listener_set_client_func (listener, NULL, NULL, NULL);
  check (freed == 2);

  {
    g_autoptr (GAsyncResult) accepted = NULL;

    qio_net_listener_accept_async (listener, G_PRIORITY_DEFAULT, NULL, take_result, &accepted);
    client = connect_to (listener);
    server = qio_net_listener_accept_finish (listener, await (&accepted), &error);
    check_ok (error);
    greet (client, server);
    g_object_unref (client);
    g_clear_object (&server);
  }
  {
    g_autoptr (GAsyncResult) accepted = NULL;

    qio_net_listener_accept_async (listener, G_PRIORITY_DEFAULT, NULL, take_result, &accepted);
    while (g_main_context_iteration (NULL, FALSE))
      ;
    qio_net_listener_disconnect (listener);
    check (qio_net_listener_accept_finish (listener, await (&accepted), &error) == NULL);
    check_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  }
  check (!qio_net_listener_is_connected (listener));
  check (qio_net_listener_get_local_addresses (listener) == NULL);

  qio_net_listener_open_async (listener, name, 5, G_PRIORITY_DEFAULT, NULL, take_result, &opened);
  check (qio_net_listener_open_finish (listener, await (&opened), &error));
  check (qio_net_listener_open_port (listener, 0, 5, &error) != 0);
  qio_channel_socket_listen_async (own, name, 5, G_PRIORITY_DEFAULT, NULL, take_result, &listens);
  check (qio_channel_socket_listen_finish (own, await (&listens), &error));
  check (qio_net_listener_add (listener, own, &error) == 0);
  check (qio_net_listener_add (listener, own, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  check (qio_net_listener_open_activated (listener, NULL, &error) == 0);
}

static void
settings (void)
{
  GError *error = NULL;
  g_autoptr (QIONetListener) listener = g_object_new (QIO_TYPE_NET_LISTENER, "max-clients", 7, NULL);
  g_autofree char *directory = g_dir_make_tmp ("qio-listener-XXXXXX", &error);
  g_autofree char *path = g_build_filename (directory, "socket", NULL);
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  struct stat there;

  check (qio_net_listener_get_max_clients (listener) == 7);
  check (qio_net_listener_get_max_handshakes (listener) == 1024);
  qio_net_listener_set_max_handshakes (listener, 9);
  check (qio_net_listener_get_max_handshakes (listener) == 9);
  qio_net_listener_set_max_clients (listener, 1);
  check (qio_net_listener_get_max_clients (listener) == 1);
  qio_net_listener_set_reuse_port (listener, TRUE);
  check (qio_net_listener_get_reuse_port (listener));
  qio_net_listener_set_replace_stale (listener, TRUE);
  check (qio_net_listener_get_replace_stale (listener));
  check (qio_net_listener_get_path_mode (listener) == G_MAXUINT);
  qio_net_listener_set_path_mode (listener, 0640);
  check (qio_net_listener_get_path_mode (listener) == 0640);
  qio_net_listener_set_path_owner (listener, G_MAXUINT, G_MAXUINT);
  check (qio_net_listener_open_sync (listener, G_SOCKET_CONNECTABLE (address), 5, &error) == 0);
  check (stat (path, &there) == 0 && (there.st_mode & 07777) == 0640);
  qio_net_listener_disconnect (listener);
  check (g_rmdir (directory) == 0);
}

int
main (void)
{
  accepting ();
  settings ();
  printf ("listener: ok\n");
  return 0;
}
