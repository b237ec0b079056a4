/* Sockets of every kind from C: messages, options, peer credentials, and zero-copy writes
 * from memory of the caller, as in QEMU. */
#include "check.h"

#include <string.h>
#include <unistd.h>

static GError *error;

static GSocketAddress *
loopback (void)
{
  GInetAddress *host = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  GSocketAddress *address = g_inet_socket_address_new (host, 0);

  g_object_unref (host);
  return address;
}

static void
check_bytes (GBytes *bytes, const char *expected)
{
  gsize size;
  const char *data;

  check_ok (error);
  data = g_bytes_get_data (bytes, &size);
  check (size == strlen (expected) && (size == 0 || memcmp (data, expected, size) == 0));
  g_bytes_unref (bytes);
}

static void
quit (GObject *source, GAsyncResult *result, gpointer user_data)
{
  check (qio_channel_socket_dgram_finish (QIO_CHANNEL_SOCKET (source), result, &error) == 0);
  check_ok (error);
  g_main_loop_quit (user_data);
}

static void
datagrams (void)
{
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);
  QIOChannelSocket *server = qio_channel_socket_new ();
  QIOChannelSocket *client = qio_channel_socket_new ();
  GSocketAddress *any = loopback (), *address, *from = NULL;
  GBytes *answer = g_bytes_new_static ("answer", 6);
  char small[2];

  check (qio_channel_socket_dgram_sync (server, any, NULL, &error) == 0);
  address = qio_channel_socket_get_local_address (server, &error);
  check_ok (error);
  qio_channel_socket_dgram_async (client, any, G_SOCKET_CONNECTABLE (address), 0, NULL, quit, loop);
  g_main_loop_run (loop);
  check (qio_channel_socket_get_socket_type (client) == G_SOCKET_TYPE_DATAGRAM);

  check (qio_channel_write (QIO_CHANNEL (client), "question", 8, &error) == 8);
  check (qio_channel_socket_get_next_message_size (server, &error) == 8);
  check_bytes (qio_channel_socket_receive_from (server, 64, &from, &error), "question");
  check (qio_channel_socket_send_to (server, answer, from, &error) == 6);
  check_bytes (qio_channel_read_bytes (QIO_CHANNEL (client), 64, &error), "answer");
  check (qio_channel_write (QIO_CHANNEL (client), "too long", 8, &error) == 8);
  check (qio_channel_read (QIO_CHANNEL (server), small, sizeof small, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE);
  check (qio_channel_socket_dgram_sync (client, NULL, NULL, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);

  g_object_unref (server);
  g_object_unref (client);
  g_object_unref (any);
  g_object_unref (address);
  g_object_unref (from);
  g_bytes_unref (answer);
  g_main_loop_unref (loop);
}

static void
packets (void)
{
  QIOChannelSocket *one, *other, *unopened;

  check (qio_channel_socket_new_pair_of_type (G_SOCKET_TYPE_SEQPACKET, &one, &other, &error));
  check (qio_channel_write (QIO_CHANNEL (one), "ab", 2, &error) == 2);
  check (qio_channel_write (QIO_CHANNEL (one), "cde", 3, &error) == 3);
  check_bytes (qio_channel_read_bytes (QIO_CHANNEL (other), 64, &error), "ab");
  check_bytes (qio_channel_read_bytes (QIO_CHANNEL (other), 64, &error), "cde");
  unopened = qio_channel_socket_new_of_type (G_SOCKET_TYPE_SEQPACKET);
  check (qio_channel_socket_get_socket_type (unopened) == G_SOCKET_TYPE_SEQPACKET);
  g_object_unref (unopened);
  g_object_unref (one);
  g_object_unref (other);
}

static void
peers (void)
{
  QIOChannelSocket *one, *other;
  GCredentials *credentials;
  guint uid = 1 << 30, gid = 1 << 30, peer = 0;
  int pid = 0, pidfd;

  check (qio_channel_socket_new_pair (&one, &other, &error));
  check (qio_channel_socket_get_peer_credentials (one, &pid, &uid, &gid, &error));
  check (pid == getpid () && uid == getuid () && gid == getgid ());
  check (qio_channel_socket_get_peer_credentials (one, NULL, NULL, NULL, &error));
  credentials = qio_channel_get_credentials (QIO_CHANNEL (one), &error);
  check (g_credentials_get_unix_pid (credentials, &error) == getpid ());
  g_object_unref (credentials);
  check (qio_channel_get_peerpid (QIO_CHANNEL (one), &peer, &error) == 0 && peer == (guint) getpid ());
  pidfd = qio_channel_socket_get_peer_pidfd (one, &error);
  if (pidfd >= 0)
    close (pidfd);
  else /* before Linux 6.5 */
    check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
  g_object_unref (one);
  g_object_unref (other);
}

/* Both ends of a connection over TCP. */
static void
connection (QIOChannelSocket **client, QIOChannelSocket **server)
{
  QIOChannelSocket *listener = qio_channel_socket_new ();
  GSocketAddress *any = loopback (), *address;

  check (qio_channel_socket_listen_sync (listener, any, 1, &error) == 0);
  address = qio_channel_socket_get_local_address (listener, &error);
  *client = qio_channel_socket_new ();
  check (qio_channel_socket_connect_sync (*client, G_SOCKET_CONNECTABLE (address), &error) == 0);
  *server = qio_channel_socket_accept (listener, &error);
  check_ok (error);
  g_object_unref (listener);
  g_object_unref (any);
  g_object_unref (address);
}

static void
options (QIOChannelSocket *socket)
{
  check (qio_channel_socket_get_keep_alive (socket, &error) == 0);
  check (qio_channel_socket_set_keep_alive (socket, TRUE, &error));
  check (qio_channel_socket_get_keep_alive (socket, &error) == 1);
  check (qio_channel_socket_set_keep_alive_idle (socket, 9, &error));
  check (qio_channel_socket_get_keep_alive_idle (socket, &error) == 9);
  check (qio_channel_socket_set_keep_alive_interval (socket, 8, &error));
  check (qio_channel_socket_get_keep_alive_interval (socket, &error) == 8);
  check (qio_channel_socket_set_keep_alive_count (socket, 7, &error));
  check (qio_channel_socket_get_keep_alive_count (socket, &error) == 7);
  check (qio_channel_socket_set_user_timeout (socket, 1234, &error));
  check (qio_channel_socket_get_user_timeout (socket, &error) == 1234);
  check (qio_channel_socket_set_send_buffer_size (socket, 100000, &error));
  check (qio_channel_socket_get_send_buffer_size (socket, &error) >= 100000);
  check (qio_channel_socket_set_receive_buffer_size (socket, 100000, &error));
  check (qio_channel_socket_get_receive_buffer_size (socket, &error) >= 100000);
  check (!qio_channel_socket_set_keep_alive_count (socket, 1000, &error));
  check (strstr (error->message, "TCP_KEEPCNT") != NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
}

static void
flushed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  check (qio_channel_flush_finish (QIO_CHANNEL (source), result, &error) == 1);
  check_ok (error);
  g_main_loop_quit (user_data);
}

static void
zero_copy (QIOChannelSocket *client, QIOChannelSocket *server)
{
  const gsize size = 50000;
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);
  QIOChannel *ioc = QIO_CHANNEL (client);
  char *memory = g_malloc (size), *received = g_malloc (size);
  struct iovec iov[] = { { memory, 1 }, { memory + 1, size - 1 } };
  GBytes *bytes;

  check (qio_channel_has_feature (ioc, QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY));
  check (qio_channel_flush (ioc, &error) == 0);
  memset (memory, 'z', size);
  check (qio_channel_writev_full (ioc, iov, 2, NULL, 0, QIO_CHANNEL_WRITE_FLAG_ZERO_COPY, &error) == (gssize) size);
  check (qio_channel_read_all (QIO_CHANNEL (server), received, size, &error) == 0);
  /* The peer is on this machine: all was copied. The memory may be reused. */
  check (qio_channel_flush (ioc, &error) == 1);
  check (memcmp (memory, received, size) == 0);
  check (qio_channel_flush (ioc, &error) == 0);

  /* Bytes are kept by the channel itself. */
  bytes = g_bytes_new_take (memory, size);
  check (qio_channel_write_bytes_with_fds_all (ioc, bytes, NULL, QIO_CHANNEL_WRITE_FLAG_ZERO_COPY, &error));
  g_bytes_unref (bytes);
  check (qio_channel_read_all (QIO_CHANNEL (server), received, size, &error) == 0);
  qio_channel_flush_async (ioc, 0, NULL, flushed, loop);
  g_main_loop_run (loop);
  check_ok (error);
  g_free (received);
  g_main_loop_unref (loop);
}

int
main (void)
{
  QIOChannelSocket *client, *server;

  datagrams ();
  packets ();
  peers ();
  connection (&client, &server);
  zero_copy (client, server);
  options (client);
  g_object_unref (client);
  g_object_unref (server);
  puts ("sockets: ok");
  return 0;
}
