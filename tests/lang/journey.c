/* A journey through the library in C. Its stages are those of the other journeys of this folder, and so are those of
 * waiting.c, subclass.c and network.c, which continue it; forms.c has what no stage needs. */
#include "journey.h"

#include <fcntl.h>
#include <unistd.h>

#include <gio/gunixfdlist.h>

static char *directory;

static void
files (void)
{
  g_autofree char *path = g_build_filename (directory, "file", NULL);
  g_autofree char *missing = g_build_filename (directory, "missing", NULL);
  g_autofree char *reported = NULL;
  GError *error = NULL;
  char buf[16];
  QIOChannelFile *file = qio_channel_file_new_path (path, O_RDWR | O_CREAT, 0600, &error);
  QIOChannel *ioc = QIO_CHANNEL (file);

  check_ok (error);
  reported = qio_channel_file_get_path (file);
  check (strcmp (reported, path) == 0);
  check (qio_channel_has_feature (ioc, QIO_CHANNEL_FEATURE_SEEKABLE));
  check (!qio_channel_has_feature (ioc, QIO_CHANNEL_FEATURE_FD_PASS));
  check (qio_channel_write_all (ioc, "hello", 5, &error) == 0);
  check (qio_channel_io_seek (ioc, 1, SEEK_SET, &error) == 1);
  check (qio_channel_read (ioc, buf, sizeof buf, &error) == 4);
  check (memcmp (buf, "ello", 4) == 0);

  /* The end of the file. */
  check (qio_channel_read (ioc, buf, sizeof buf, &error) == 0);
  check (qio_channel_read_all_eof (ioc, buf, 1, &error) == 0);
  check_ok (error);
  check (qio_channel_io_seek (ioc, -2, SEEK_END, &error) == 3);
  check (qio_channel_read_all (ioc, buf, 3, &error) == -1);
  check_error (error, QIO_CHANNEL_ERROR, QIO_CHANNEL_ERROR_TRUNCATED);

  check (qio_channel_pread (ioc, buf, 3, 2, &error) == 3);
  check (memcmp (buf, "llo", 3) == 0);
  check (qio_channel_close (ioc, &error) == 0);
  check (qio_channel_file_get_fd (file) == -1);
  check (qio_channel_read (ioc, buf, 1, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_object_unref (file);

  check (qio_channel_file_new_path (missing, O_RDONLY, 0, &error) == NULL);
  check (strstr (error->message, missing) != NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static void
pair (void)
{
  GError *error = NULL;
  GIOCondition ready;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  char buf[16];

  make_pair (&one, &other);
  check (qio_channel_set_blocking (QIO_CHANNEL (one), FALSE, &error) == 0);

  /* Nothing there: not an error. */
  check (qio_channel_read (QIO_CHANNEL (one), buf, sizeof buf, &error) == QIO_CHANNEL_ERR_BLOCK);
  check_ok (error);
  /* Functions for bindings do not return -2. */
  check (qio_channel_read_bytes (QIO_CHANNEL (one), 1, &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  check (!qio_channel_wait_timeout (QIO_CHANNEL (one), G_IO_IN, 1000, &ready, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  check (qio_channel_wait_timeout (QIO_CHANNEL (one), G_IO_OUT, -1, &ready, &error));
  check (ready == G_IO_OUT);

  check (qio_channel_write (QIO_CHANNEL (other), "abc", 3, &error) == 3);
  check (qio_channel_read (QIO_CHANNEL (one), buf, sizeof buf, &error) == 3);
  check (memcmp (buf, "abc", 3) == 0);

  check (qio_channel_shutdown (QIO_CHANNEL (other), QIO_CHANNEL_SHUTDOWN_WRITE, &error) == 0);
  check (qio_channel_read (QIO_CHANNEL (one), buf, sizeof buf, &error) == 0);
  check_ok (error);
  check (qio_channel_close (QIO_CHANNEL (one), &error) == 0);
  check (qio_channel_close (QIO_CHANNEL (other), &error) == 0);
  check_ok (error);
}

/* Sends the write end of a pipe through a socket, and writes through what arrives. */
static void
descriptors (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();
  g_autoptr (GUnixFDList) arrived = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new_static ("f", 1);
  g_autoptr (GBytes) read_bytes = NULL;
  struct iovec iov = { "f", 1 };
  char byte;
  struct iovec space = { &byte, 1 };
  int pipe_fds[2], *fds = NULL;
  gsize nfds = 0;

  make_pair (&one, &other);
  check (pipe (pipe_fds) == 0);
  check (qio_channel_writev_full (QIO_CHANNEL (one), &iov, 1, &pipe_fds[1], 1, 0, &error) == 1);
  check (qio_channel_readv_full (QIO_CHANNEL (other), &space, 1, &fds, &nfds, 0, &error) == 1);
  check_ok (error);
  check (nfds == 1 && fds[0] >= 0);
  check (fcntl (fds[0], F_GETFD) == FD_CLOEXEC);
  check (write (fds[0], "x", 1) == 1);
  check (read (pipe_fds[0], &byte, 1) == 1 && byte == 'x');
  close (fds[0]);
  g_free (fds);

  /* The same by a list. */
  check (g_unix_fd_list_append (list, pipe_fds[1], &error) == 0);
  check (qio_channel_write_bytes_with_fds (QIO_CHANNEL (one), bytes, list, 0, &error) == 1);
  read_bytes = qio_channel_read_bytes_with_fds (QIO_CHANNEL (other), 10, &arrived, 0, &error);
  check_ok (error);
  check (holds (read_bytes, "f"));
  check (arrived != NULL && g_unix_fd_list_get_length (arrived) == 1);
  check (write (g_unix_fd_list_peek_fds (arrived, NULL)[0], "y", 1) == 1);
  check (read (pipe_fds[0], &byte, 1) == 1 && byte == 'y');

  close (pipe_fds[0]);
  close (pipe_fds[1]);
}

static void
loopback (void)
{
  GError *error = NULL;
  g_autoptr (GInetAddress) host = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new (host, 0);
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GSocketAddress) remote = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (QIOChannelSocket) listener = qio_channel_socket_new ();
  g_autoptr (QIOChannelSocket) client = qio_channel_socket_new ();
  g_autoptr (QIOChannelSocket) late = qio_channel_socket_new ();
  g_autoptr (QIOChannelSocket) server = NULL;
  g_autoptr (QIOChannelSocket) second = NULL;
  char buf[4];

  check (qio_channel_socket_listen_sync (listener, any, 5, &error) == 0);
  check (qio_channel_has_feature (QIO_CHANNEL (listener), QIO_CHANNEL_FEATURE_LISTEN));
  address = qio_channel_socket_get_local_address (listener, &error);
  check_ok (error);
  check (g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)) != 0);

  check (qio_channel_set_blocking (QIO_CHANNEL (listener), FALSE, &error) == 0);
  check (qio_channel_socket_accept (listener, &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);

  check (qio_channel_socket_connect_sync (client, G_SOCKET_CONNECTABLE (address), &error) == 0);
  qio_channel_wait (QIO_CHANNEL (listener), G_IO_IN);
  server = qio_channel_socket_accept (listener, &error);
  check_ok (error);
  remote = qio_channel_socket_get_remote_address (client, &error);
  check_ok (error);
  check (g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (remote))
         == g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)));
  qio_channel_set_delay (QIO_CHANNEL (client), FALSE);
  check (qio_channel_write_all (QIO_CHANNEL (client), "ping", 4, &error) == 0);
  check (qio_channel_read_all (QIO_CHANNEL (server), buf, 4, &error) == 0);
  check (memcmp (buf, "ping", 4) == 0);

  qio_channel_socket_accept_async (listener, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  check (qio_channel_socket_connect_sync (late, G_SOCKET_CONNECTABLE (address), &error) == 0);
  second = qio_channel_socket_accept_finish (listener, await (&result), &error);
  check_ok (error);
  check (QIO_IS_CHANNEL_SOCKET (second));

  check (qio_channel_close (QIO_CHANNEL (listener), &error) == 0);
  g_clear_object (&client);
  client = qio_channel_socket_new ();
  check (qio_channel_socket_connect_sync (client, G_SOCKET_CONNECTABLE (address), &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
}

static void
count_notify (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  ++*(guint *) user_data;
}

static void
properties (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autofree char *name = NULL;
  gboolean blocking, closed;
  QIOChannelFeature features;
  guint names = 0, modes = 0, closings = 0;
  g_autoptr (QIONetListener) listener = NULL;

  make_pair (&one, &other);
  g_signal_connect (one, "notify::name", G_CALLBACK (count_notify), &names);
  g_signal_connect (one, "notify::blocking", G_CALLBACK (count_notify), &modes);
  g_signal_connect (one, "notify::closed", G_CALLBACK (count_notify), &closings);

  g_object_set (one, "name", "first", "blocking", FALSE, NULL);
  name = qio_channel_get_name (QIO_CHANNEL (one));
  check (strcmp (name, "first") == 0);
  check (!qio_channel_get_blocking (QIO_CHANNEL (one)));
  qio_channel_set_name (QIO_CHANNEL (one), "first");
  check (names == 1 && modes == 1);
  g_test_expect_message ("Qio", G_LOG_LEVEL_WARNING, "*\"name\": it is not UTF-8");
  g_object_set (one, "name", "\xff", NULL);
  listener = qio_net_listener_new ();
  g_test_expect_message ("Qio", G_LOG_LEVEL_WARNING, "*\"name\": it is not UTF-8");
  g_object_set (listener, "name", "\xff", NULL);
  g_test_assert_expected_messages ();
  check (names == 1);

  check (qio_channel_close (QIO_CHANNEL (one), &error) == 0);
  check (qio_channel_close (QIO_CHANNEL (one), &error) == 0);
  g_object_get (one, "blocking", &blocking, "closed", &closed, "features", &features, NULL);
  check (!blocking && closed && closings == 1);
  check (features == qio_channel_get_features (QIO_CHANNEL (one)));
  check (features & QIO_CHANNEL_FEATURE_FD_PASS);
}

static void
command (void)
{
  GError *error = NULL;
  static const char *const argv[] = { "cat", NULL };
  g_autoptr (QIOChannelCommand) command = qio_channel_command_new_spawn (argv, O_RDWR, &error);
  char buf[5];
  int status;

  check_ok (error);
  check (qio_channel_write_all (QIO_CHANNEL (command), "child", 5, &error) == 0);
  check (qio_channel_read_all (QIO_CHANNEL (command), buf, 5, &error) == 0);
  check (memcmp (buf, "child", 5) == 0);
  check (!qio_channel_command_get_exit_status (command, &status, &error));
  check_ok (error);
  check (qio_channel_close (QIO_CHANNEL (command), &error) == 0);
  check (qio_channel_command_get_exit_status (command, &status, &error) && status == 0);
}

static void
memory (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelBuffer) buffer = qio_channel_buffer_new (16);
  g_autoptr (QIOChannelNull) null = qio_channel_null_new ();
  g_autoptr (GBytes) data = NULL;
  char buf[5];

  check (qio_channel_write_all (QIO_CHANNEL (buffer), "memory", 6, &error) == 0);
  data = qio_channel_buffer_get_data (buffer);
  check (holds (data, "memory"));
  check (qio_channel_write_all (QIO_CHANNEL (null), "void", 4, &error) == 0);
  check (qio_channel_read (QIO_CHANNEL (null), buf, 5, &error) == 0);
  check_ok (error);
}

int
main (int argc, char *argv[])
{
  GError *error = NULL;
  g_autofree char *path = NULL;

  directory = g_dir_make_tmp ("qio-journey-XXXXXX", &error);
  check_ok (error);

  files ();
  pair ();
  descriptors ();
  loopback ();
  properties ();
  command ();
  memory ();

  path = g_build_filename (directory, "file", NULL);
  check (unlink (path) == 0 && rmdir (directory) == 0);
  g_free (directory);
  printf ("journey: ok\n");
  return 0;
}
