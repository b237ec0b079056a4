/* The network part of the journey in C. For sockets of every kind see sockets.c. */
#include "journey.h"

#include <sys/stat.h>
#include <unistd.h>

/* Any port of the loopback interface. */
static GSocketAddress *
loopback (void)
{
  g_autoptr (GInetAddress) host = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);

  return g_inet_socket_address_new (host, 0);
}

/* What was only looked at is still there. TCP carries no descriptors: there is no list of them. */
static void
peeking (QIOChannel *client, QIOChannel *server)
{
  GError *error = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GBytes) again = NULL;
  g_autoptr (GBytes) taken = NULL;
  GUnixFDList *fds = NULL;

  check (!qio_channel_has_feature (server, QIO_CHANNEL_FEATURE_FD_PASS));
  check (qio_channel_write_all (client, "ping", 4, &error) == 0);
  bytes = qio_channel_read_bytes_with_fds (server, 10, &fds, QIO_CHANNEL_READ_FLAG_MSG_PEEK, &error);
  check_ok (error);
  check (holds (bytes, "ping") && fds == NULL);
  qio_channel_read_bytes_with_fds_async (server, 10, QIO_CHANNEL_READ_FLAG_MSG_PEEK, G_PRIORITY_DEFAULT, NULL,
                                         take_result, &result);
  again = qio_channel_read_bytes_with_fds_finish (server, await (&result), &fds, &error);
  check_ok (error);
  check (holds (again, "ping") && fds == NULL);
  taken = qio_channel_read_bytes_with_fds_all (server, 4, &fds, &error);
  check_ok (error);
  check (holds (taken, "ping") && fds == NULL);
}

/* Addresses as people write them. */
static void
addresses (void)
{
  GError *error = NULL;
  g_autoptr (QIONetAddress) any = qio_net_address_new_from_string ("tcp:127.0.0.1:0", &error);
  g_autoptr (QIONetAddress) named = qio_net_address_new_from_string ("tcp:localhost:80", &error);
  g_autoptr (QIONetAddress) socket = qio_net_address_new_from_string ("unix:@name", &error);
  g_autoptr (QIONetAddress) bound = NULL;
  g_autoptr (QIONetAddress) copy = NULL;
  g_autoptr (QIONetAddress) again = NULL;
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GSocketConnectable) connectable = NULL;
  g_autoptr (QIOChannelSocket) listener = NULL;
  g_autoptr (QIOChannelSocket) server = NULL;
  g_autoptr (QIOChannel) client = NULL;
  g_autofree char *text = NULL;
  g_autofree char *host = NULL;

  check_ok (error);
  listener = qio_net_address_listen_sync (any, 5, &error);
  check_ok (error);
  address = qio_channel_socket_get_local_address (listener, &error);
  check_ok (error);
  bound = qio_net_address_new_from_socket_address (address, &error);
  check_ok (error);
  check (g_str_equal (qio_net_address_get_scheme (bound), "tcp"));
  client = qio_net_address_connect_sync (bound, &error);
  check_ok (error);
  server = qio_channel_socket_accept (listener, &error);
  check_ok (error);
  peeking (client, QIO_CHANNEL (server));

  text = qio_net_address_to_string (bound);
  check (g_str_has_prefix (text, "tcp:127.0.0.1:"));
  again = qio_net_address_new_from_string (text, &error);
  check (qio_net_address_equal (bound, again) && !qio_net_address_equal (bound, any));
  copy = g_boxed_copy (QIO_TYPE_NET_ADDRESS, bound);
  check (qio_net_address_equal (bound, copy));
  qio_net_address_free (qio_net_address_copy (copy));

  host = qio_net_address_get_host (bound);
  check (g_str_equal (host, "127.0.0.1") && qio_net_address_get_host (socket) == NULL);

  connectable = qio_net_address_get_connectable (named, &error);
  check (G_IS_NETWORK_ADDRESS (connectable));
  check (qio_net_address_new_from_string ("tcp:localhost:http", &error) == NULL);
  check (strstr (error->message, "expected a port from 0 to 65535 at character 15") != NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
}

/* Records the connect-progress signals. */
static void
note_stage (QIOChannelSocket *socket, QIOChannelConnectStage stage, GSocketConnectable *connectable,
            GSocketAddress *address, gpointer user_data)
{
  check (G_IS_NETWORK_ADDRESS (connectable));
  check ((address != NULL) == (stage != QIO_CHANNEL_CONNECT_STAGE_RESOLVING
                               && stage != QIO_CHANNEL_CONNECT_STAGE_RESOLVED));
  *(guint *) user_data |= 1u << stage;
}

static void
connecting (void)
{
  GError *error = NULL;
  g_autoptr (GSocketAddress) any = loopback ();
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GSocketConnectable) name = NULL;
  g_autoptr (GAsyncResult) listening = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) again = NULL;
  g_autoptr (GAsyncResult) refused = NULL;
  g_autoptr (GAsyncResult) cancelled = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (QIOChannelSocket) listener = qio_channel_socket_new ();
  g_autoptr (QIOChannelSocket) socket = qio_channel_socket_new ();
  g_autoptr (QIOChannelSocket) other = qio_channel_socket_new ();
  guint16 port;
  guint stages = 0;

  qio_channel_socket_listen_async (listener, G_SOCKET_CONNECTABLE (any), 5, G_PRIORITY_DEFAULT, NULL, take_result,
                                   &listening);
  check (qio_channel_socket_listen_finish (listener, await (&listening), &error));
  address = qio_channel_socket_get_local_address (listener, &error);
  check_ok (error);
  port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
  name = g_network_address_new ("127.0.0.1", port);

  g_signal_connect (socket, "connect-progress", G_CALLBACK (note_stage), &stages);
  qio_channel_socket_connect_async (socket, name, NULL, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  check (qio_channel_socket_connect_finish (socket, await (&result), &error));
  check_ok (error);
  check (stages == (1u << QIO_CHANNEL_CONNECT_STAGE_RESOLVING | 1u << QIO_CHANNEL_CONNECT_STAGE_RESOLVED
                    | 1u << QIO_CHANNEL_CONNECT_STAGE_CONNECTING | 1u << QIO_CHANNEL_CONNECT_STAGE_CONNECTED
                    | 1u << QIO_CHANNEL_CONNECT_STAGE_COMPLETE));
  check (qio_channel_get_blocking (QIO_CHANNEL (socket)));

  qio_channel_socket_connect_async (socket, name, NULL, G_PRIORITY_DEFAULT, NULL, take_result, &again);
  check (!qio_channel_socket_connect_finish (socket, await (&again), &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);

  qio_channel_socket_connect_async (other, name, NULL, G_PRIORITY_DEFAULT, cancellable, take_result, &cancelled);
  g_cancellable_cancel (cancellable);
  check (!qio_channel_socket_connect_finish (other, await (&cancelled), &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  check (qio_channel_close (QIO_CHANNEL (listener), &error) == 0);
  g_socket_client_set_timeout (client, 60);
  qio_channel_socket_connect_async (other, name, client, G_PRIORITY_DEFAULT, NULL, take_result, &refused);
  check (!qio_channel_socket_connect_finish (other, await (&refused), &error));
  check (strstr (error->message, "Unable to connect to 127.0.0.1:") == error->message);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
}

/* The clients that a callback is called with. */
typedef struct
{
  guint calls;
  guint freed;
  QIOChannelSocket *last;
} Clients;

static void
keep_client (QIONetListener *listener, QIOChannelSocket *client, gpointer user_data)
{
  Clients *clients = user_data;

  clients->calls++;
  g_set_object (&clients->last, client);
}

static void
note_clients_freed (gpointer user_data)
{
  ((Clients *) user_data)->freed++;
}

static void
run_until_accepted (Clients *clients, guint calls, GMainContext *context)
{
  while (clients->calls < calls)
    g_main_context_iteration (context, TRUE);
}

/* Clients come to a callback, to an asynchronous call, and to one that blocks. */
static void
listening (void)
{
  GError *error = NULL;
  g_autoptr (QIONetListener) listener = qio_net_listener_new ();
  g_autoptr (QIONetListener) sharing = qio_net_listener_new ();
  g_autoptr (GMainContext) private = g_main_context_new ();
  g_autoptr (GAsyncResult) accepted = NULL;
  g_autoptr (GAsyncResult) ended = NULL;
  g_autoptr (QIOChannelSocket) third = NULL;
  g_autoptr (QIOChannelSocket) fourth = NULL;
  g_autofree char *name = NULL;
  QIOChannel *outside[5];
  Clients clients = { 0 };
  guint port;

  qio_net_listener_set_name (listener, "service");
  name = qio_net_listener_get_name (listener);
  check (strcmp (name, "service") == 0);
  qio_net_listener_set_reuse_port (listener, TRUE);
  qio_net_listener_set_reuse_port (sharing, TRUE);
  check (qio_net_listener_get_reuse_port (listener));
  port = qio_net_listener_open_port (listener, 0, 5, &error);
  check_ok (error);
  check (port != 0 && qio_net_listener_is_connected (listener));
  check (qio_net_listener_open_port (sharing, port, 5, &error) == port);
  qio_net_listener_disconnect (sharing);
  check (!qio_net_listener_is_connected (sharing));

  /* One at a time. */
  qio_net_listener_set_max_clients (listener, 1);
  check (qio_net_listener_get_max_clients (listener) == 1);
  qio_net_listener_set_client_func (listener, keep_client, &clients, note_clients_freed);
  outside[0] = client_of_port (port);
  outside[1] = client_of_port (port);
  run_until_accepted (&clients, 1, NULL);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  check (clients.calls == 1 && qio_net_listener_get_clients (listener) == 1);
  check (qio_channel_close (QIO_CHANNEL (clients.last), &error) == 0);
  run_until_accepted (&clients, 2, NULL);

  /* On another context; the default one has nothing to do with it. */
  qio_net_listener_set_max_clients (listener, 0);
  qio_net_listener_set_client_func_full (listener, keep_client, &clients, note_clients_freed, private);
  check (clients.freed == 1);
  outside[2] = client_of_port (port);
  run_until_accepted (&clients, 3, private);
  qio_net_listener_set_client_func (listener, NULL, NULL, NULL);
  check (clients.freed == 2);

  qio_net_listener_accept_async (listener, G_PRIORITY_DEFAULT, NULL, take_result, &accepted);
  outside[3] = client_of_port (port);
  third = qio_net_listener_accept_finish (listener, await (&accepted), &error);
  check_ok (error);
  outside[4] = client_of_port (port);
  fourth = qio_net_listener_wait_client (listener, &error);
  check_ok (error);

  /* A pending accept is completed with the end. */
  qio_net_listener_accept_async (listener, G_PRIORITY_DEFAULT, NULL, take_result, &ended);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  qio_net_listener_disconnect (listener);
  check (qio_net_listener_accept_finish (listener, await (&ended), &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_object (&clients.last);
  for (guint i = 0; i < G_N_ELEMENTS (outside); i++)
    g_object_unref (outside[i]);
}

/* Several addresses at once: a path with its permissions, in place of a stale socket, an address as people
 * write it, and a socket of the caller. */
static void
several (void)
{
  GError *error = NULL;
  g_autofree char *directory = g_dir_make_tmp ("qio-network-XXXXXX", &error);
  g_autofree char *path = g_build_filename (directory, "socket", NULL);
  g_autoptr (GSocketAddress) unix_address = g_unix_socket_address_new (path);
  g_autoptr (GSocketAddress) any = loopback ();
  g_autoptr (QIONetAddress) text = qio_net_address_new_from_string ("tcp:127.0.0.1:0", &error);
  g_autoptr (QIONetListener) listener = qio_net_listener_new ();
  g_autoptr (QIOChannelSocket) own = qio_channel_socket_new ();
  g_autoptr (GSocket) stale = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, &error);
  g_autoptr (GAsyncResult) result = NULL;
  GList *addresses;
  struct stat status;

  check (g_socket_bind (stale, unix_address, FALSE, &error));
  qio_net_listener_set_replace_stale (listener, TRUE);
  check (qio_net_listener_get_replace_stale (listener));
  check (qio_net_listener_get_path_mode (listener) == G_MAXUINT);
  qio_net_listener_set_path_mode (listener, 0660);
  check (qio_net_listener_get_path_mode (listener) == 0660);
  qio_net_listener_set_path_owner (listener, getuid (), G_MAXUINT);
  check (qio_net_listener_open_sync (listener, G_SOCKET_CONNECTABLE (unix_address), 5, &error) == 0);
  check_ok (error);
  check (stat (path, &status) == 0 && (status.st_mode & 07777) == 0660);

  qio_net_listener_open_async (listener, G_SOCKET_CONNECTABLE (any), 5, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  check (qio_net_listener_open_finish (listener, await (&result), &error));
  check (qio_net_listener_open_address (listener, text, 5, &error) == 0);
  check (qio_channel_socket_listen_sync (own, any, 5, &error) == 0);
  check (qio_net_listener_add (listener, own, &error) == 0);
  check_ok (error);
  check (qio_net_listener_add (listener, own, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  addresses = qio_net_listener_get_local_addresses (listener);
  check (g_list_length (addresses) == 4 && G_IS_UNIX_SOCKET_ADDRESS (addresses->data));
  g_list_free_full (addresses, g_object_unref);
  qio_net_listener_disconnect (listener);
  check (qio_channel_is_closed (QIO_CHANNEL (own)));
  check (rmdir (directory) == 0);
}

/* What a service manager has opened: for another process, which is not for this one to take. */
static void
activation (void)
{
  GError *error = NULL;
  g_autoptr (QIONetListener) listener = qio_net_listener_new ();

  g_setenv ("LISTEN_PID", "1", TRUE);
  g_setenv ("LISTEN_FDS", "1", TRUE);
  check (qio_activation_sockets (&error) == NULL);
  check_ok (error);
  check (qio_net_listener_open_activated (listener, NULL, &error) == 0);
  check_ok (error);
  qio_activation_unset_environment ();
  check (g_getenv ("LISTEN_PID") == NULL && g_getenv ("LISTEN_FDS") == NULL);
}

/* From channel to channel: once, and both ways. */
static void
moving (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) client = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autoptr (QIOChannelSocket) server = NULL;
  g_autoptr (QIOChannel) memory = QIO_CHANNEL (qio_channel_buffer_new (0));
  g_autoptr (QIOByteCounter) sent = qio_byte_counter_new ();
  g_autoptr (QIOByteCounter) received = qio_byte_counter_new ();
  QIOByteCounter *again;
  GAsyncResult *result = NULL;
  char buf[8];

  make_pair (&client, &one);
  make_pair (&other, &server);
  check (qio_channel_write_all (memory, "question, and more", 18, &error) == 0);
  check (qio_channel_io_seek (memory, 0, SEEK_SET, &error) == 0);
  check (qio_channel_splice_to (memory, QIO_CHANNEL (client), 8, sent, &error) == 8);
  again = qio_byte_counter_ref (sent);
  check (qio_byte_counter_get_count (again) == 8);
  qio_byte_counter_unref (again);
  check (qio_channel_shutdown (QIO_CHANNEL (client), QIO_CHANNEL_SHUTDOWN_WRITE, &error) == 0);
  check (qio_channel_write_all (QIO_CHANNEL (server), "answer", 6, &error) == 0);
  check (qio_channel_shutdown (QIO_CHANNEL (server), QIO_CHANNEL_SHUTDOWN_WRITE, &error) == 0);

  qio_channel_relay_async (QIO_CHANNEL (one), QIO_CHANNEL (other), sent, received, G_PRIORITY_DEFAULT, NULL,
                           take_result, &result);
  check (qio_channel_relay_finish (QIO_CHANNEL (one), await (&result), &error));
  check_ok (error);
  g_clear_object (&result);
  check (qio_byte_counter_get_count (sent) == 16 && qio_byte_counter_get_count (received) == 6);
  check (qio_channel_read_all (QIO_CHANNEL (server), buf, 8, &error) == 0);
  check (memcmp (buf, "question", 8) == 0);
  check (qio_channel_read_all (QIO_CHANNEL (client), buf, 6, &error) == 0);
  check (memcmp (buf, "answer", 6) == 0);

  /* Both have ended: so does a relay that blocks, at once. */
  check (qio_channel_relay (QIO_CHANNEL (one), QIO_CHANNEL (other), NULL, NULL, &error));
  check_ok (error);

  qio_channel_splice_to_async (memory, QIO_CHANNEL (server), -1, NULL, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  check (qio_channel_splice_to_finish (memory, await (&result), &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
  g_clear_object (&result);
  /* Nothing is lost. */
  check (qio_channel_io_seek (memory, 0, SEEK_CUR, &error) == 8);
  check (qio_channel_splice_to (memory, memory, 0, NULL, &error) == 0);
  check_ok (error);
}

int
main (void)
{
  activation ();
  addresses ();
  connecting ();
  listening ();
  several ();
  moving ();
  printf ("network: ok\n");
  return 0;
}
