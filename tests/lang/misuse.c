/* Calls every function with invalid arguments: without an instance, with one of another class, with
 * descriptors and memory that are not there, twice. Each is a critical warning or an error, with a
 * harmless result, and nothing crashes. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static guint criticals;

static void
count_critical (const char *domain, GLogLevelFlags level, const char *message, gpointer user_data)
{
  if ((level & G_LOG_LEVEL_MASK) != G_LOG_LEVEL_CRITICAL || strstr (message, "qio_") != message)
    {
      fprintf (stderr, "unexpected: %s: %s\n", domain, message);
      exit (1);
    }
  criticals++;
}

/* An expression that warns once, and is true. */
#define complains(expression)                                                  \
  do                                                                           \
    {                                                                          \
      criticals = 0;                                                           \
      check (expression);                                                      \
      if (criticals != 1)                                                      \
        {                                                                      \
          fprintf (stderr, "%s:%d: %u criticals: %s\n", __FILE__, __LINE__,    \
                   criticals, #expression);                                    \
          exit (1);                                                            \
        }                                                                      \
      check_ok (error);                                                        \
    }                                                                          \
  while (0)

/* The same for a function without a result. */
#define complains_void(call) complains (((call), TRUE))

static GError *error;

static gboolean
never (QIOChannel *ioc, GIOCondition condition, gpointer user_data)
{
  check (!"called");
  return G_SOURCE_REMOVE;
}

static void
never_ready (GObject *source, GAsyncResult *result, gpointer user_data)
{
  check (!"called");
}

static void
never_handle (gpointer opaque)
{
  check (!"called");
}

/* Data that a refused call was given is freed once, or stays with the caller. */
static void
count_free (gpointer user_data)
{
  ++*(guint *) user_data;
}

/* The functions of the base class, on what is no channel. */
static void
base (gpointer wrong)
{
  QIOChannel *ioc = wrong;
  char buf[4];
  struct iovec iov = { buf, sizeof buf };
  GUnixFDList *list = NULL;
  GUnixFDList *no_stream = g_unix_fd_list_new ();
  GBytes *bytes = g_bytes_new_static ("b", 1);
  GIOCondition ready;
  guint freed = 0;
  int *fds = NULL;
  gsize nfds = 0;

  complains (!qio_channel_has_feature (ioc, QIO_CHANNEL_FEATURE_FD_PASS));
  complains_void (qio_channel_set_feature (ioc, QIO_CHANNEL_FEATURE_FD_PASS));
  complains (qio_channel_get_features (ioc) == 0);
  complains_void (qio_channel_set_name (ioc, "name"));
  complains (qio_channel_get_name (ioc) == NULL);
  complains (qio_channel_set_blocking (ioc, TRUE, &error) == -1);
  complains (!qio_channel_get_blocking (ioc));
  complains (!qio_channel_is_closed (ioc));
  complains (qio_channel_close (ioc, &error) == -1);
  complains (qio_channel_shutdown (ioc, QIO_CHANNEL_SHUTDOWN_BOTH, &error) == -1);
  complains (qio_channel_flush (ioc, &error) == -1);
  complains_void (qio_channel_set_delay (ioc, TRUE));
  complains_void (qio_channel_set_cork (ioc, TRUE));
  complains (qio_channel_io_seek (ioc, 0, SEEK_SET, &error) == -1);
  complains (qio_channel_get_credentials (ioc, &error) == NULL);
  complains (qio_channel_get_peerpid (ioc, &(unsigned int){ 0 }, &error) == -1);

  complains (qio_channel_read (ioc, buf, 1, &error) == -1);
  complains (qio_channel_write (ioc, buf, 1, &error) == -1);
  complains (qio_channel_readv (ioc, &iov, 1, &error) == -1);
  complains (qio_channel_writev (ioc, &iov, 1, &error) == -1);
  complains (qio_channel_readv_full (ioc, &iov, 1, &fds, &nfds, 0, &error) == -1);
  complains (qio_channel_writev_full (ioc, &iov, 1, NULL, 0, 0, &error) == -1);
  complains (qio_channel_read_all (ioc, buf, 1, &error) == -1);
  complains (qio_channel_read_all_eof (ioc, buf, 1, &error) == -1);
  complains (qio_channel_write_all (ioc, buf, 1, &error) == -1);
  complains (qio_channel_readv_all (ioc, &iov, 1, &error) == -1);
  complains (qio_channel_readv_all_eof (ioc, &iov, 1, &error) == -1);
  complains (qio_channel_writev_all (ioc, &iov, 1, &error) == -1);
  complains (qio_channel_readv_full_all (ioc, &iov, 1, &fds, &nfds, &error) == -1);
  complains (qio_channel_readv_full_all_eof (ioc, &iov, 1, &fds, &nfds, &error) == -1);
  complains (qio_channel_readv_full_all_with_flags (ioc, &iov, 1, &fds, &nfds, 0, &error) == -1);
  complains (qio_channel_readv_full_all_eof_with_flags (ioc, &iov, 1, &fds, &nfds, 0, &error) == -1);
  complains (qio_channel_writev_full_all (ioc, &iov, 1, NULL, 0, &error) == -1);
  complains (qio_channel_writev_full_all_with_flags (ioc, &iov, 1, NULL, 0, 0, &error) == -1);
  check (fds == NULL && nfds == 0);

  complains (qio_channel_pread (ioc, buf, 1, 0, &error) == -1);
  complains (qio_channel_pwrite (ioc, buf, 1, 0, &error) == -1);
  complains (qio_channel_preadv (ioc, &iov, 1, 0, &error) == -1);
  complains (qio_channel_pwritev (ioc, &iov, 1, 0, &error) == -1);
  complains (qio_channel_pread_all (ioc, buf, 1, 0, &error) == -1);
  complains (qio_channel_pwrite_all (ioc, buf, 1, 0, &error) == -1);
  complains (qio_channel_preadv_all (ioc, &iov, 1, 0, &error) == -1);
  complains (qio_channel_pread_all_eof (ioc, buf, 1, 0, &error) == -1);
  complains (qio_channel_preadv_all_eof (ioc, &iov, 1, 0, &error) == -1);
  complains (qio_channel_pwritev_all (ioc, &iov, 1, 0, &error) == -1);
  complains (qio_channel_pread_bytes (ioc, 1, 0, &error) == NULL);
  complains (qio_channel_pwrite_bytes (ioc, bytes, 0, &error) == -1);

  complains (qio_channel_read_bytes (ioc, 1, &error) == NULL);
  complains_void (qio_channel_abort (ioc));
  complains (qio_channel_read_bytes_with_fds (ioc, 1, &list, 0, &error) == NULL);
  complains (qio_channel_read_bytes_all (ioc, 1, &error) == NULL);
  complains (qio_channel_read_bytes_all_eof (ioc, 1, &error) == NULL);
  complains (qio_channel_read_bytes_with_fds_all (ioc, 1, &list, &error) == NULL);
  complains (qio_channel_read_bytes_with_fds_all_eof (ioc, 1, &list, &error) == NULL);
  complains (qio_channel_write_bytes (ioc, bytes, &error) == -1);
  complains (qio_channel_write_bytes_with_fds (ioc, bytes, NULL, 0, &error) == -1);
  complains (!qio_channel_write_bytes_all (ioc, bytes, &error));
  complains (!qio_channel_write_bytes_with_fds_all (ioc, bytes, NULL, 0, &error));
  check (list == NULL);

  complains (qio_channel_read_line (ioc, 1, &error) == NULL);
  complains (qio_channel_read_until (ioc, (const guint8 *) ";", 1, 1, &error) == NULL);
  complains (qio_channel_read_frame (ioc, QIO_CHANNEL_FRAMING_U8, 1, &error) == NULL);
  complains (!qio_channel_write_frame (ioc, QIO_CHANNEL_FRAMING_U8, bytes, &error));
  complains (!qio_channel_push_back (ioc, bytes, &error));
  complains (qio_channel_read_to_end (ioc, 1, &error) == NULL);
  complains (qio_io_stream_new (ioc) == NULL);
  complains (qio_io_stream_get_channel (wrong) == NULL);
  complains (qio_channel_io_stream_new (wrong) == NULL);
  complains (qio_channel_io_stream_new_pair ((gpointer) no_stream, NULL, &error) == NULL);
  complains (qio_channel_io_stream_get_io_stream (wrong) == NULL);
  complains (qio_channel_io_stream_get_input_stream (wrong) == NULL);
  complains (qio_channel_io_stream_get_output_stream (wrong) == NULL);
  complains (qio_channel_for_stream (wrong, &error) == NULL);
  complains (qio_channel_socket_new_from_connection (wrong, &error) == NULL);
  complains (qio_channel_socket_to_connection (wrong, &error) == NULL);
  complains (qio_channel_filter_new (ioc) == NULL);
  complains (qio_channel_filter_get_base_channel (wrong) == NULL);

  complains (qio_channel_create_watch (ioc, G_IO_IN) == NULL);
  complains (qio_channel_create_watch_full (ioc, G_IO_IN, never, &freed, count_free) == NULL);
  complains (qio_channel_create_fd_watch (ioc, 0, G_IO_IN) == NULL);
  complains (qio_channel_create_fd_pair_watch (ioc, 0, 1, G_IO_IN) == NULL);
  complains (qio_channel_create_child_watch (ioc, G_IO_IN, NULL) == NULL);
  complains (qio_channel_add_watch (ioc, G_IO_IN, never, &freed, count_free) == 0);
  complains (qio_channel_add_watch_full (ioc, G_IO_IN, never, &freed, count_free, NULL) == 0);
  complains (qio_channel_add_watch_source (ioc, G_IO_IN, never, &freed, count_free, NULL) == NULL);
  check (freed <= 4);
  complains_void (qio_channel_attach_aio_context (ioc, NULL));
  complains_void (qio_channel_set_follow_coroutine_ctx (ioc, FALSE));
  complains_void (qio_channel_wake_read (ioc));
  complains_void (qio_channel_detach_aio_context (ioc));
  complains_void (qio_channel_set_aio_fd_handler (ioc, NULL, never_handle, never_handle, NULL));
  complains_void (qio_channel_yield (ioc, G_IO_IN));
  complains (!qio_channel_yield_full (ioc, G_IO_IN, &ready, &error));
  complains_void (qio_channel_wait (ioc, G_IO_IN));
  complains (!qio_channel_wait_timeout (ioc, G_IO_IN, 0, &ready, &error));
  complains (!qio_channel_wait_cancellable (ioc, G_IO_IN, NULL, &ready, &error));

  complains (qio_channel_splice_to (ioc, ioc, -1, NULL, &error) == -1);
  complains (!qio_channel_relay (ioc, ioc, NULL, NULL, &error));
  g_object_unref (no_stream);
  g_bytes_unref (bytes);
}

/* The asynchronous ones. */
static void
asynchronous (gpointer wrong)
{
  QIOChannel *ioc = wrong;
  GBytes *bytes = g_bytes_new_static ("b", 1);
  GUnixFDList *list = NULL;

  complains_void (qio_channel_read_bytes_async (ioc, 1, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_read_bytes_with_fds_async (ioc, 1, 0, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_read_bytes_all_async (ioc, 1, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_read_bytes_all_eof_async (ioc, 1, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_read_bytes_with_fds_all_async (ioc, 1, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_write_bytes_async (ioc, bytes, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_write_bytes_with_fds_async (ioc, bytes, NULL, 0, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_write_bytes_all_async (ioc, bytes, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_write_bytes_with_fds_all_async (ioc, bytes, NULL, 0, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_read_line_async (ioc, 1, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_read_until_async (ioc, (const guint8 *) ";", 1, 1, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_read_frame_async (ioc, QIO_CHANNEL_FRAMING_U8, 1, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_write_frame_async (ioc, QIO_CHANNEL_FRAMING_U8, bytes, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_read_to_end_async (ioc, 1, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_ready_async (ioc, G_IO_IN, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_close_async (ioc, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_flush_async (ioc, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_splice_to_async (ioc, ioc, -1, NULL, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_relay_async (ioc, ioc, NULL, NULL, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_socket_accept_async (wrong, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_socket_connect_async (wrong, wrong, NULL, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_socket_listen_async (wrong, NULL, 1, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_socket_dgram_async (wrong, NULL, NULL, 0, NULL, never_ready, NULL));

  complains (qio_channel_read_bytes_finish (ioc, NULL, &error) == NULL);
  complains (qio_channel_read_bytes_with_fds_finish (ioc, NULL, &list, &error) == NULL);
  complains (qio_channel_read_bytes_all_finish (ioc, NULL, &error) == NULL);
  complains (qio_channel_read_bytes_all_eof_finish (ioc, NULL, &error) == NULL);
  complains (qio_channel_read_bytes_with_fds_all_finish (ioc, NULL, &list, &error) == NULL);
  complains (qio_channel_write_bytes_finish (ioc, NULL, &error) == -1);
  complains (qio_channel_write_bytes_with_fds_finish (ioc, NULL, &error) == -1);
  complains (!qio_channel_write_bytes_all_finish (ioc, NULL, &error));
  complains (!qio_channel_write_bytes_with_fds_all_finish (ioc, NULL, &error));
  complains (qio_channel_read_line_finish (ioc, NULL, &error) == NULL);
  complains (qio_channel_read_until_finish (ioc, NULL, &error) == NULL);
  complains (qio_channel_read_frame_finish (ioc, NULL, &error) == NULL);
  complains (!qio_channel_write_frame_finish (ioc, NULL, &error));
  complains (qio_channel_read_to_end_finish (ioc, NULL, &error) == NULL);
  complains (qio_channel_ready_finish (ioc, NULL, &error) == 0);
  complains (qio_channel_close_finish (ioc, NULL, &error) == -1);
  complains (qio_channel_flush_finish (ioc, NULL, &error) == -1);
  complains (qio_channel_splice_to_finish (ioc, NULL, &error) == -1);
  complains (!qio_channel_relay_finish (ioc, NULL, &error));
  complains (qio_channel_socket_accept_finish (wrong, NULL, &error) == NULL);
  complains (!qio_channel_socket_connect_finish (wrong, NULL, &error));
  complains (!qio_channel_socket_listen_finish (wrong, NULL, &error));
  complains (qio_channel_socket_dgram_finish (wrong, NULL, &error) == -1);
  check (list == NULL);
  g_bytes_unref (bytes);
}

/* Those of the transports. */
static void
transports (gpointer wrong)
{
  int status = 0;
  GInetAddress *host = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  GSocketAddress *address = g_inet_socket_address_new (host, 0);
  GBytes *bytes = g_bytes_new_static ("b", 1);

  complains (qio_channel_file_get_fd (wrong) == -1);
  complains (qio_channel_file_get_path (wrong) == NULL);
  complains (!qio_channel_file_adopt_fd (wrong, 0, &error));
  complains (!qio_channel_socket_adopt_fd (wrong, 0, &error));
  complains (qio_channel_socket_get_fd (wrong) == -1);
  complains (qio_channel_socket_connect_sync (wrong, G_SOCKET_CONNECTABLE (address), &error) == -1);
  complains (qio_channel_socket_listen_sync (wrong, address, 1, &error) == -1);
  complains (qio_channel_socket_accept (wrong, &error) == NULL);
  complains (qio_channel_socket_get_local_address (wrong, &error) == NULL);
  complains (qio_channel_socket_get_remote_address (wrong, &error) == NULL);
  complains (qio_channel_socket_get_socket_type (wrong) == G_SOCKET_TYPE_INVALID);
  complains (qio_channel_socket_dgram_sync (wrong, address, NULL, &error) == -1);
  complains (qio_channel_socket_receive_from (wrong, 1, NULL, &error) == NULL);
  complains (qio_channel_socket_send_to (wrong, bytes, address, &error) == -1);
  complains (qio_channel_socket_get_next_message_size (wrong, &error) == -1);
  complains (!qio_channel_socket_get_peer_credentials (wrong, NULL, NULL, NULL, &error));
  complains (qio_channel_socket_get_peer_pidfd (wrong, &error) == -1);
  complains (qio_channel_socket_get_send_buffer_size (wrong, &error) == -1);
  complains (!qio_channel_socket_set_send_buffer_size (wrong, 1, &error));
  complains (qio_channel_socket_get_receive_buffer_size (wrong, &error) == -1);
  complains (!qio_channel_socket_set_receive_buffer_size (wrong, 1, &error));
  complains (qio_channel_socket_get_keep_alive (wrong, &error) == -1);
  complains (!qio_channel_socket_set_keep_alive (wrong, 1, &error));
  complains (qio_channel_socket_get_keep_alive_idle (wrong, &error) == -1);
  complains (!qio_channel_socket_set_keep_alive_idle (wrong, 1, &error));
  complains (qio_channel_socket_get_keep_alive_interval (wrong, &error) == -1);
  complains (!qio_channel_socket_set_keep_alive_interval (wrong, 1, &error));
  complains (qio_channel_socket_get_keep_alive_count (wrong, &error) == -1);
  complains (!qio_channel_socket_set_keep_alive_count (wrong, 1, &error));
  complains (qio_channel_socket_get_user_timeout (wrong, &error) == -1);
  complains (!qio_channel_socket_set_user_timeout (wrong, 1, &error));
  complains (qio_channel_command_get_pid (wrong) <= 0);
  complains (qio_channel_command_get_pidfd (wrong, &error) == -1);
  complains (!qio_channel_command_get_exit_status (wrong, &status, &error));
  complains (!qio_channel_command_wait_exit (wrong, &status, &error));
  complains (!qio_channel_command_send_signal (wrong, 0, &error));
  complains (!qio_channel_command_terminate (wrong, &error));
  complains (!qio_channel_command_kill (wrong, &error));
  complains (qio_channel_command_get_stderr (wrong) == NULL);
  complains_void (qio_channel_command_wait_exit_async (wrong, 0, NULL, never_ready, NULL));
  complains (!qio_channel_command_wait_exit_finish (wrong, NULL, &status, &error));
  complains (!qio_channel_command_communicate (wrong, NULL, -1, NULL, NULL, &status, &error));
  complains_void (qio_channel_command_communicate_async (wrong, NULL, -1, 0, NULL, never_ready, NULL));
  complains (!qio_channel_command_communicate_finish (wrong, NULL, NULL, NULL, &status, &error));
  complains (qio_channel_buffer_get_data (wrong) == NULL);
  complains (qio_channel_buffer_get_size (wrong) == 0);
  complains (qio_channel_buffer_get_position (wrong) == 0);
  g_bytes_unref (bytes);
  g_object_unref (address);
  g_object_unref (host);
}

static gboolean
note_condition (QIOChannel *ioc, GIOCondition condition, gpointer user_data)
{
  *(GIOCondition *) user_data = condition;
  return G_SOURCE_REMOVE;
}

/* Waiting for no condition is an error. */
static void
fires_nval (GSource *source)
{
  GIOCondition condition = 0;

  check (source != NULL);
  g_source_set_callback (source, G_SOURCE_FUNC (note_condition), &condition, NULL);
  g_source_attach (source, NULL);
  while (condition == 0)
    g_main_context_iteration (NULL, TRUE);
  check (condition & G_IO_NVAL);
  g_source_unref (source);
}

/* There is no result, and the error has the reason. */
static void
refuses_closed (int fd, gpointer made)
{
  g_autofree char *expected = g_strdup_printf ("Unable to take over descriptor %d: ", fd);

  check (made == NULL && error != NULL);
  check (g_str_has_prefix (error->message, expected));
  check_error (error, G_IO_ERROR, g_io_error_from_errno (EBADF));
}

/* Functions without an instance, and arguments that are not there. */
static void
arguments (void)
{
  QIOChannelSocket *one, *other, *no_socket = NULL;
  QIOChannelFile *no_file = NULL;
  QIOChannel *ioc;
  QIOChannelSocket *unopened = qio_channel_socket_new ();
  QIOChannelFile *unopened_file = g_object_new (QIO_TYPE_CHANNEL_FILE, NULL);
  GBytes *no_bytes = NULL;
  int bad_fd = -1, freed_fd, *fds = NULL;
  gsize nfds = 0;
  guint freed = 0;
  char buf[4] = "";
  struct iovec iov = { buf, sizeof buf }, empty = { NULL, 0 };
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new ("/nowhere");

  check (qio_channel_socket_new_pair (&one, &other, &error));
  ioc = QIO_CHANNEL (one);

  /* Memory. */
  complains (qio_channel_read (ioc, NULL, 4, &error) == -1);
  complains (qio_channel_write (ioc, NULL, 4, &error) == -1);
  complains (qio_channel_read_all (ioc, NULL, 4, &error) == -1);
  complains (qio_channel_read_all_eof (ioc, NULL, 4, &error) == -1);
  complains (qio_channel_write_all (ioc, NULL, 4, &error) == -1);
  complains (qio_channel_pread (ioc, NULL, 4, 0, &error) == -1);
  complains (qio_channel_pwrite (ioc, NULL, 4, 0, &error) == -1);
  complains (qio_channel_pread_all (ioc, NULL, 4, 0, &error) == -1);
  complains (qio_channel_pwrite_all (ioc, NULL, 4, 0, &error) == -1);
  complains (qio_channel_readv (ioc, NULL, 1, &error) == -1);
  complains (qio_channel_writev (ioc, NULL, 1, &error) == -1);
  complains (qio_channel_readv_full (ioc, NULL, 1, &fds, &nfds, 0, &error) == -1);
  complains (qio_channel_writev_full (ioc, NULL, 1, NULL, 0, 0, &error) == -1);
  complains (qio_channel_readv_all (ioc, NULL, 1, &error) == -1);
  complains (qio_channel_readv_all_eof (ioc, NULL, 1, &error) == -1);
  complains (qio_channel_writev_all (ioc, NULL, 1, &error) == -1);
  complains (qio_channel_readv_full_all (ioc, NULL, 1, &fds, &nfds, &error) == -1);
  complains (qio_channel_readv_full_all_eof (ioc, NULL, 1, &fds, &nfds, &error) == -1);
  complains (qio_channel_readv_full_all_with_flags (ioc, NULL, 1, &fds, &nfds, 0, &error) == -1);
  complains (qio_channel_readv_full_all_eof_with_flags (ioc, NULL, 1, &fds, &nfds, 0, &error) == -1);
  complains (qio_channel_writev_full_all (ioc, NULL, 1, NULL, 0, &error) == -1);
  complains (qio_channel_preadv (ioc, NULL, 1, 0, &error) == -1);
  complains (qio_channel_pwritev (ioc, NULL, 1, 0, &error) == -1);
  complains (qio_channel_preadv_all (ioc, NULL, 1, 0, &error) == -1);
  complains (qio_channel_pread_all_eof (ioc, NULL, 4, 0, &error) == -1);
  complains (qio_channel_preadv_all_eof (ioc, NULL, 1, 0, &error) == -1);
  complains (qio_channel_writev_full_all_with_flags (ioc, NULL, 1, NULL, 0, 0, &error) == -1);
  complains (qio_channel_get_peerpid (ioc, NULL, &error) == -1);
  complains (qio_channel_pwritev_all (ioc, NULL, 1, 0, &error) == -1);
  complains (qio_channel_write_bytes (ioc, no_bytes, &error) == -1);
  complains (qio_channel_write_bytes_with_fds (ioc, no_bytes, NULL, 0, &error) == -1);
  complains (!qio_channel_write_bytes_all (ioc, no_bytes, &error));
  complains (!qio_channel_write_bytes_with_fds_all (ioc, no_bytes, NULL, 0, &error));
  complains (qio_channel_pwrite_bytes (ioc, no_bytes, 0, &error) == -1);
  complains_void (qio_channel_write_bytes_async (ioc, no_bytes, 0, NULL, never_ready, NULL));

  /* Nothing of nothing is no misuse. */
  criticals = 0;
  check (qio_channel_write (ioc, NULL, 0, &error) == 0);
  check (qio_channel_read (ioc, NULL, 0, &error) == 0);
  check (qio_channel_writev (ioc, NULL, 0, &error) == 0);
  check (qio_channel_writev_all (ioc, &empty, 1, &error) == 0);
  check (qio_channel_readv_all (ioc, &empty, 1, &error) == 0);
  check_ok (error);
  check (criticals == 0);

  /* Descriptors. */
  complains (qio_channel_writev_full (ioc, &iov, 1, NULL, 1, 0, &error) == -1);
  complains (qio_channel_writev_full (ioc, &iov, 1, &bad_fd, 1, 0, &error) == -1);
  complains (qio_channel_writev_full_all (ioc, &iov, 1, &bad_fd, 1, &error) == -1);
  complains (qio_channel_file_new_fd (-1, &error) == NULL);
  complains (qio_channel_file_new_dupfd (-1, &error) == NULL);
  complains (qio_channel_socket_new_fd (-1, &error) == NULL);
  complains (qio_channel_new_fd (-1, &error) == NULL);
  fires_nval (qio_channel_create_fd_watch (ioc, -1, G_IO_IN));
  fires_nval (qio_channel_create_fd_pair_watch (ioc, -1, -1, G_IO_IN));

  /* A number that is not open is an error. */
  criticals = 0;
  freed_fd = dup (0);
  close (freed_fd);
  refuses_closed (freed_fd, qio_channel_file_new_fd (freed_fd, &error));
  refuses_closed (freed_fd, qio_channel_file_new_dupfd (freed_fd, &error));
  refuses_closed (freed_fd, qio_channel_socket_new_fd (freed_fd, &error));
  refuses_closed (freed_fd, qio_channel_new_fd (freed_fd, &error));
  refuses_closed (freed_fd, qio_channel_command_new_pid (-1, freed_fd, getpid (), &error));
  check (!qio_channel_socket_adopt_fd (unopened, freed_fd, &error));
  refuses_closed (freed_fd, NULL);
  check (!qio_channel_file_adopt_fd (unopened_file, freed_fd, &error));
  refuses_closed (freed_fd, NULL);
  check (qio_channel_file_new_fd (freed_fd, NULL) == NULL);
  check (criticals == 0);
  g_object_unref (unopened);
  g_object_unref (unopened_file);
  check (qio_channel_writev_full (ioc, &iov, 1, &freed_fd, 1, 0, &error) == -1);
  check (error != NULL);
  g_clear_error (&error);
  /* As by a class that chains up. */
  check (QIO_CHANNEL_GET_CLASS (ioc)->io_writev (ioc, &iov, 1, &bad_fd, 1, 0, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);

  complains (qio_channel_readv_full (ioc, &iov, 1, &fds, NULL, 0, &error) == -1);
  complains (qio_channel_readv_full (ioc, &iov, 1, NULL, &nfds, 0, &error) == -1);
  complains (qio_channel_readv_full_all (ioc, &iov, 1, &fds, NULL, &error) == -1);
  complains (qio_channel_readv_full_all_eof (ioc, &iov, 1, &fds, NULL, &error) == -1);
  complains (qio_channel_readv_full_all_with_flags (ioc, &iov, 1, &fds, NULL, 0, &error) == -1);
  complains (qio_channel_readv_full_all_eof_with_flags (ioc, &iov, 1, NULL, &nfds, 0, &error) == -1);

  /* Functions and names. */
  complains_void (qio_channel_set_name (ioc, "\xff"));
  complains (qio_channel_add_watch (ioc, G_IO_IN, NULL, &freed, count_free) == 0);
  complains (qio_channel_add_watch_full (ioc, G_IO_IN, NULL, &freed, count_free, NULL) == 0);
  complains (qio_channel_add_watch_source (ioc, G_IO_IN, NULL, &freed, count_free, NULL) == NULL);
  complains (qio_channel_create_watch_full (ioc, G_IO_IN, NULL, &freed, count_free) == NULL);
  complains_void (qio_coroutine_start (NULL, &freed, count_free));
  check (freed <= 5);
  complains (!qio_coroutine_yield ());
  complains_void (qio_channel_yield (ioc, G_IO_IN));
  complains (qio_channel_file_new_path (NULL, 0, 0, &error) == NULL);
  complains (!qio_channel_file_new_pipe (NULL, &no_file, &error));
  complains (!qio_channel_socket_new_pair (&no_socket, NULL, &error));
  complains (!qio_channel_socket_new_pair_of_type (G_SOCKET_TYPE_STREAM, NULL, &no_socket, &error));
  complains (!qio_channel_socket_new_pair_of_type (17, &no_socket, &no_socket, &error));
  complains (qio_channel_socket_new_of_type (G_SOCKET_TYPE_INVALID) == NULL);
  complains (qio_channel_socket_send_to (one, NULL, NULL, &error) == -1);
  complains (qio_channel_socket_dgram_sync (one, (gpointer) one, NULL, &error) == -1);
  complains (qio_channel_socket_dgram_sync (one, NULL, (gpointer) one, &error) == -1);
  check (no_socket == NULL && no_file == NULL);
  complains (qio_channel_socket_connect_sync (one, NULL, &error) == -1);
  complains_void (qio_channel_socket_connect_async (one, NULL, NULL, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_socket_connect_async (one, G_SOCKET_CONNECTABLE (address), (gpointer) address, 0,
                                                    NULL, never_ready, NULL));
  complains (qio_channel_socket_listen_sync (one, NULL, 1, &error) == -1);
  complains (qio_channel_command_new_spawn (NULL, O_RDWR, &error) == NULL);
  complains (qio_channel_command_new_full (NULL, NULL, NULL, O_RDWR, 0, &error) == NULL);
  complains (qio_channel_command_new_with_fds (NULL, NULL, NULL, O_RDWR, 0, NULL, NULL, 0, &error) == NULL);
  complains (qio_channel_command_new_pid (-1, -1, -1, &error) == NULL);

  /* Channels to move data to, and counters. */
  complains (qio_channel_splice_to (ioc, NULL, -1, NULL, &error) == -1);
  complains (!qio_channel_relay (ioc, NULL, NULL, NULL, &error));
  complains_void (qio_channel_splice_to_async (ioc, NULL, -1, NULL, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_relay_async (ioc, NULL, NULL, NULL, 0, NULL, never_ready, NULL));
  complains (qio_byte_counter_ref (NULL) == NULL);
  complains_void (qio_byte_counter_unref (NULL));
  complains (qio_byte_counter_get_count (NULL) == 0);

  /* Values that mean nothing are errors. */
  check (qio_channel_splice_to (ioc, QIO_CHANNEL (other), -2, NULL, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  check (qio_channel_shutdown (ioc, 17, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  check (qio_channel_io_seek (ioc, 0, 17, &error) == -1);
  check (error != NULL);
  g_clear_error (&error);
  check (qio_channel_pread (ioc, buf, 4, -1, &error) == -1);
  check (error != NULL);
  g_clear_error (&error);
  check (!qio_context_set_busy_poll (NULL, 0, -1, &error) || error == NULL);
  g_clear_error (&error);

  /* Results of another call, or of another channel. */
  {
    GTask *task = g_task_new (one, NULL, NULL, NULL);

    complains (qio_channel_read_bytes_finish (ioc, G_ASYNC_RESULT (task), &error) == NULL);
    complains (qio_channel_write_bytes_finish (QIO_CHANNEL (other), G_ASYNC_RESULT (task), &error) == -1);
    g_object_unref (task);
  }

  /* Closed, and closed again; then used. */
  criticals = 0;
  check (qio_channel_close (ioc, &error) == 0);
  check (qio_channel_close (ioc, &error) == 0);
  check_ok (error);
  check (qio_channel_write (ioc, "x", 1, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  check (qio_channel_read (ioc, buf, 1, NULL) == -1);
  qio_channel_wait (ioc, G_IO_IN);
  check (criticals == 0);

  g_object_unref (one);
  g_object_unref (other);
}

static void
never_a_client (QIONetListener *listener, QIOChannelSocket *client, gpointer user_data)
{
  check (!"called");
}

/* The functions of listeners, on what is none. */
static void
listeners (gpointer wrong)
{
  GSocketConnectable *address = G_SOCKET_CONNECTABLE (g_unix_socket_address_new ("/nowhere"));
  guint freed = 0;

  complains (qio_net_listener_open_sync (wrong, address, 1, &error) == -1);
  complains_void (qio_net_listener_open_async (wrong, address, 1, 0, NULL, never_ready, NULL));
  complains (!qio_net_listener_open_finish (wrong, NULL, &error));
  complains (qio_net_listener_open_port (wrong, 0, 1, &error) == 0);
  complains (qio_net_listener_open_address (wrong, NULL, 1, &error) == -1);
  complains (qio_net_listener_open_activated (wrong, NULL, &error) == -1);
  complains (qio_net_listener_add (wrong, NULL, &error) == -1);
  complains_void (qio_net_listener_disconnect (wrong));
  complains (!qio_net_listener_is_connected (wrong));
  complains (qio_net_listener_get_local_addresses (wrong) == NULL);
  complains_void (qio_net_listener_set_client_func (wrong, never_a_client, &freed, count_free));
  complains_void (qio_net_listener_set_client_func_full (wrong, never_a_client, &freed, count_free, NULL));
  check (freed == 0);
  complains (qio_net_listener_wait_client (wrong, &error) == NULL);
  complains_void (qio_net_listener_accept_async (wrong, 0, NULL, never_ready, NULL));
  complains (qio_net_listener_accept_finish (wrong, NULL, &error) == NULL);
  complains_void (qio_net_listener_set_name (wrong, "name"));
  complains (qio_net_listener_get_name (wrong) == NULL);
  complains_void (qio_net_listener_set_max_handshakes (wrong, 1));
  complains (qio_net_listener_get_max_handshakes (wrong) == 0);
  complains_void (qio_net_listener_set_max_clients (wrong, 1));
  complains (qio_net_listener_get_max_clients (wrong) == 0);
  complains (qio_net_listener_get_clients (wrong) == 0);
  complains_void (qio_net_listener_set_reuse_port (wrong, TRUE));
  complains (!qio_net_listener_get_reuse_port (wrong));
  complains_void (qio_net_listener_set_replace_stale (wrong, TRUE));
  complains (!qio_net_listener_get_replace_stale (wrong));
  complains_void (qio_net_listener_set_path_mode (wrong, 0600));
  complains (qio_net_listener_get_path_mode (wrong) == G_MAXUINT);
  complains_void (qio_net_listener_set_path_owner (wrong, 0, 0));

  g_object_unref (address);
}

/* A listener whose other arguments are wrong, and that is used before it is opened. */
static void
listener_arguments (void)
{
  QIONetListener *listener = qio_net_listener_new ();
  QIOChannelSocket *one, *other;
  guint freed = 0;

  complains (qio_net_listener_open_sync (listener, NULL, 1, &error) == -1);
  complains_void (qio_net_listener_open_async (listener, NULL, 1, 0, NULL, never_ready, NULL));
  complains (qio_net_listener_open_address (listener, NULL, 1, &error) == -1);
  complains (qio_net_listener_add (listener, NULL, &error) == -1);
  complains_void (qio_net_listener_set_name (listener, "\xff"));
  complains (qio_net_listener_open_activated (listener, "\xff", &error) == -1);

  criticals = 0;
  check (qio_net_listener_wait_client (listener, &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (qio_channel_socket_new_pair (&one, &other, &error));
  check (qio_net_listener_add (listener, one, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
  qio_net_listener_disconnect (listener);
  qio_net_listener_disconnect (listener);
  qio_net_listener_set_client_func (listener, never_a_client, &freed, count_free);
  qio_net_listener_set_client_func (listener, never_a_client, &freed, count_free);
  check (freed == 1);
  qio_net_listener_set_client_func (listener, NULL, NULL, NULL);
  check (freed == 2);
  check (qio_activation_sockets (&error) == NULL);
  check_ok (error);
  qio_activation_unset_environment ();
  check (criticals == 0);

  g_object_unref (one);
  g_object_unref (other);
  g_object_unref (listener);
}

/* Nullable arguments of another class. */
static void
wrong_classes (gpointer wrong)
{
  QIOChannelSocket *one, *other;
  QIOChannel *ioc;
  GBytes *bytes = g_bytes_new_static ("b", 1);
  GIOCondition ready;

  check (qio_channel_socket_new_pair (&one, &other, &error));
  ioc = QIO_CHANNEL (one);
  complains_void (qio_channel_read_bytes_async (ioc, 1, 0, wrong, never_ready, NULL));
  complains_void (qio_channel_close_async (ioc, 0, wrong, never_ready, NULL));
  complains_void (qio_channel_socket_accept_async (one, 0, wrong, never_ready, NULL));
  complains (!qio_channel_wait_cancellable (ioc, G_IO_OUT, wrong, &ready, &error));
  complains (qio_channel_write_bytes_with_fds (ioc, bytes, wrong, 0, &error) == -1);
  complains (!qio_channel_write_bytes_with_fds_all (ioc, bytes, wrong, 0, &error));
  complains_void (qio_channel_write_bytes_with_fds_async (ioc, bytes, wrong, 0, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_write_bytes_with_fds_all_async (ioc, bytes, wrong, 0, 0, NULL, never_ready, NULL));
  check (!qio_channel_is_closed (ioc));
  g_object_unref (one);
  g_object_unref (other);
  g_bytes_unref (bytes);
}

/* Addresses that are not there, and texts that are none. */
static void
addresses (gpointer wrong)
{
  QIONetAddress *none = NULL, *address;
  char *text;

  complains (qio_net_address_new_from_string (NULL, &error) == NULL);
  complains (qio_net_address_new_from_socket_address (wrong, &error) == NULL);
  complains (qio_net_address_copy (none) == NULL);
  complains_void (qio_net_address_free (none));
  complains (qio_net_address_to_string (none) == NULL);
  complains (qio_net_address_get_scheme (none) == NULL);
  complains (qio_net_address_get_host (none) == NULL);
  complains (qio_net_address_get_connectable (none, &error) == NULL);
  complains (qio_net_address_connect_sync (none, &error) == NULL);
  complains (qio_net_address_listen_sync (none, 1, &error) == NULL);

  criticals = 0;
  check (qio_net_address_new_from_string ("tcp:\xff:80", &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  check (qio_net_address_new_from_string ("", NULL) == NULL);
  text = g_strnfill (1000000, '%');
  check (qio_net_address_new_from_string (text, &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  g_free (text);
  check (criticals == 0);

  address = qio_net_address_new_from_string ("fd:2147483647", &error);
  check_ok (error);
  complains (!qio_net_address_equal (address, none));
  complains (!qio_net_address_equal (none, address));
  check (qio_net_address_connect_sync (address, &error) == NULL);
  check (error != NULL);
  g_clear_error (&error);
  check (qio_net_address_listen_sync (address, 1, &error) == NULL);
  check (error != NULL);
  g_clear_error (&error);
  qio_net_address_free (address);
}

/* Back-offs that are not there. */
static void
backoffs (gpointer wrong)
{
  QIOBackoff *none = NULL, *backoff = qio_backoff_new ();
  QIOChannelSocket *socket = qio_channel_socket_new ();
  GSocketAddress *address = g_inet_socket_address_new_from_string ("127.0.0.1", 1);
  GSocketConnectable *target = G_SOCKET_CONNECTABLE (address);

  complains (qio_backoff_copy (none) == NULL);
  complains_void (qio_backoff_free (none));
  complains_void (qio_backoff_set_attempts (none, 1));
  complains_void (qio_backoff_set_delays (none, 1, 1));
  complains_void (qio_backoff_set_factor (none, 1));
  complains_void (qio_backoff_set_jitter (none, TRUE));
  complains (qio_backoff_get_delay (none, 1) == 0);
  complains (qio_channel_socket_connect_with_backoff_sync (socket, target, none, NULL, &error) == -1);
  complains (qio_channel_socket_connect_with_backoff_sync (socket, wrong, backoff, NULL, &error) == -1);
  complains (qio_channel_socket_connect_with_backoff_sync (wrong, target, backoff, NULL, &error) == -1);
  complains (qio_channel_socket_connect_with_backoff_sync (socket, target, backoff, wrong, &error) == -1);
  complains_void (qio_channel_socket_connect_with_backoff_async (socket, target, none, NULL, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_socket_connect_with_backoff_async (socket, target, backoff, wrong, 0, NULL, never_ready, NULL));
  complains (!qio_channel_socket_connect_with_backoff_finish (socket, wrong, &error));

  /* Of these each means something. */
  criticals = 0;
  qio_backoff_set_factor (backoff, -1);
  qio_backoff_set_delays (backoff, G_MAXUINT, G_MAXUINT);
  qio_backoff_set_jitter (backoff, 2);
  check (qio_backoff_get_delay (backoff, 0) <= G_MAXUINT && criticals == 0);
  qio_backoff_free (backoff);
  g_object_unref (address);
  g_object_unref (socket);
}

static void
never_client (QIONetListener *listener, QIOChannelSocket *client, gpointer user_data)
{
  check (!"called");
}

/* Monitors that are none, and values out of range. */
static void
monitors (gpointer wrong)
{
  /* An instance that was freed has no class. */
  static GTypeInstance freed[64];
  QIOMonitor *monitor = qio_monitor_new ();
  GError *error = NULL;

  complains (qio_monitor_get_interval ((QIOMonitor *) freed) == 0);
  complains (qio_monitor_get_interval (wrong) == 0);
  complains_void (qio_monitor_set_interval (wrong, 1));
  complains (qio_monitor_get_blocked_threshold (wrong) == 0);
  complains_void (qio_monitor_set_blocked_threshold (wrong, 1));
  complains_void (qio_monitor_refresh (wrong));

  criticals = 0;
  qio_monitor_set_interval (monitor, 0);
  check (qio_monitor_get_interval (monitor) == 10);
  qio_monitor_set_blocked_threshold (monitor, G_MININT64);
  check (qio_monitor_get_blocked_threshold (monitor) == 0);
  qio_monitor_set_blocked_threshold (monitor, G_MAXINT64);
  check (qio_monitor_get_blocked_threshold (monitor) == G_MAXINT64);
  check (qio_monitor_listen ("", &error) == NULL);
  g_clear_error (&error);
  check (criticals == 0);
  g_object_unref (monitor);
}

/* Pools that are none, and one without threads. */
static void
pools (gpointer wrong)
{
  QIOContextPool *pool = qio_context_pool_new (1, &error), *empty = g_object_new (QIO_TYPE_CONTEXT_POOL, NULL);
  QIONetListener *listener = qio_net_listener_new ();

  check_ok (error);
  complains (qio_context_pool_get_n_threads (wrong) == 0);
  complains (qio_context_pool_get_context (wrong, 0) == NULL);
  complains (qio_context_pool_shutdown (wrong, 0, &error) == -1);
  complains_void (qio_context_pool_shutdown_async (wrong, 0, 0, NULL, never_ready, NULL));
  complains_void (qio_context_pool_shutdown_async (pool, 0, 0, wrong, never_ready, NULL));
  complains (qio_context_pool_shutdown_finish (pool, wrong, &error) == -1);
  complains (qio_net_listener_serve_on (wrong, pool, never_client, NULL, NULL, &error) == -1);
  complains (qio_net_listener_serve_on (listener, wrong, never_client, NULL, NULL, &error) == -1);
  complains (qio_net_listener_serve_on (listener, pool, NULL, NULL, NULL, &error) == -1);

  criticals = 0;
  check (qio_context_pool_get_n_threads (empty) == 0 && qio_context_pool_get_context (empty, 0) == NULL);
  check (qio_context_pool_get_context (pool, G_MAXUINT) == NULL);
  check (qio_net_listener_serve_on (listener, empty, never_client, NULL, NULL, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  check (qio_context_pool_shutdown (empty, G_MAXINT64, &error) == 0);
  check (qio_context_pool_shutdown (pool, G_MININT64, &error) == 0);
  check (criticals == 0);
  check_ok (error);
  g_object_unref (listener);
  g_object_unref (empty);
  g_object_unref (pool);
}

static void
count_freed (gpointer data)
{
  ++*(int *) data;
}

static char *
never_password (const char *what, gpointer user_data)
{
  check (!"called");
  return NULL;
}

static void
never_log (const char *line, gpointer user_data)
{
  check (!"called");
}

static QIOTlsCredsBuilder *
sound_builder (void)
{
  QIOTlsCredsBuilder *builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_SERVER);
  GBytes *key = g_bytes_new_static ("sixteen bytes...", 16);

  qio_tls_creds_builder_add_psk (builder, "sound", key);
  g_bytes_unref (key);
  return builder;
}

/* A setter that gets what it cannot take makes the build fail, also where the rest would do. */
static void
check_spoilt (QIOTlsCredsBuilder *builder,
              const char         *call)
{
  QIOTlsCredsBuilder *copy = qio_tls_creds_builder_copy (builder);
  char *setter = g_strndup (call, strcspn (call, " ("));

  criticals = 0;
  check (qio_tls_creds_builder_build (copy, &error) == NULL);
  check (error != NULL && strstr (error->message, setter) != NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  check (criticals == 0);
  qio_tls_creds_builder_free (copy);
  g_free (setter);
}

#define spoils(call)                                                           \
  do                                                                           \
    {                                                                          \
      QIOTlsCredsBuilder *spoilt = sound_builder ();                           \
                                                                               \
      complains_void (call);                                                   \
      check_spoilt (spoilt, #call);                                            \
      qio_tls_creds_builder_free (spoilt);                                     \
    }                                                                          \
  while (0)

/* Credentials and builders that are not there, and arguments that are none. */
static void
credentials (gpointer wrong)
{
  QIOTlsCredsBuilder *none = NULL, *builder, *copy;
  GBytes *bytes = g_bytes_new_static ("sixteen bytes...", 16);
  const char *protocols[] = { "h2", NULL };
  QIOTlsCreds *creds;
  int freed = 0;

  complains (qio_tls_creds_get_endpoint (wrong) == QIO_TLS_ENDPOINT_CLIENT);
  complains (!qio_tls_creds_verifies_peer (wrong));
  complains (qio_tls_creds_builder_new (77) == NULL);
  complains (qio_tls_creds_builder_copy (none) == NULL);
  complains_void (qio_tls_creds_builder_free (none));
  complains (qio_tls_creds_builder_build (none, &error) == NULL);
  complains_void (qio_tls_creds_builder_set_directory (none, "/"));
  complains_void (qio_tls_creds_builder_add_trust_file (none, "/"));
  complains_void (qio_tls_creds_builder_add_trust_pem (none, bytes));
  complains_void (qio_tls_creds_builder_add_system_trust (none));
  complains_void (qio_tls_creds_builder_add_crl_file (none, "/"));
  complains_void (qio_tls_creds_builder_add_crl_pem (none, bytes));
  complains_void (qio_tls_creds_builder_set_allow_missing_crl (none, TRUE));
  complains_void (qio_tls_creds_builder_set_certificate_files (none, "/", "/"));
  complains_void (qio_tls_creds_builder_set_certificate_pem (none, bytes, bytes));
  complains_void (qio_tls_creds_builder_set_password (none, "x"));
  complains_void (qio_tls_creds_builder_set_client_certificates (none, G_TLS_AUTHENTICATION_NONE));
  complains_void (qio_tls_creds_builder_set_checks (none, FALSE));
  complains_void (qio_tls_creds_builder_add_psk (none, "x", bytes));
  complains_void (qio_tls_creds_builder_add_psk_file (none, "/"));
  complains_void (qio_tls_creds_builder_set_psk_user (none, "x"));
  complains_void (qio_tls_creds_builder_set_psk_hash (none, QIO_TLS_PSK_HASH_SHA384));
  complains_void (qio_tls_creds_builder_set_insecure_anonymous (none));
  complains_void (qio_tls_creds_builder_set_min_version (none, G_TLS_PROTOCOL_VERSION_TLS_1_3));
  complains_void (qio_tls_creds_builder_set_max_version (none, G_TLS_PROTOCOL_VERSION_TLS_1_3));
  complains_void (qio_tls_creds_builder_set_ciphers (none, "x"));
  complains_void (qio_tls_creds_builder_set_ciphersuites (none, "x"));
  complains_void (qio_tls_creds_builder_set_alpn_protocols (none, protocols));
  complains_void (qio_tls_creds_builder_set_resumption (none, FALSE));
  complains_void (qio_tls_creds_builder_set_max_handshake_size (none, 2048));
  complains_void (qio_tls_creds_builder_set_key_log_file (none, "/"));
  complains_void (qio_tls_creds_builder_set_key_log_from_environment (none));

  spoils (qio_tls_creds_builder_set_directory (spoilt, NULL));
  spoils (qio_tls_creds_builder_add_trust_file (spoilt, NULL));
  spoils (qio_tls_creds_builder_add_trust_pem (spoilt, NULL));
  spoils (qio_tls_creds_builder_add_trust (spoilt, wrong));
  spoils (qio_tls_creds_builder_add_crl_file (spoilt, NULL));
  spoils (qio_tls_creds_builder_add_crl_pem (spoilt, NULL));
  spoils (qio_tls_creds_builder_set_certificate_files (spoilt, NULL, "/"));
  spoils (qio_tls_creds_builder_set_certificate_files (spoilt, "/", NULL));
  spoils (qio_tls_creds_builder_set_certificate_pem (spoilt, NULL, bytes));
  spoils (qio_tls_creds_builder_set_certificate_pem (spoilt, bytes, NULL));
  spoils (qio_tls_creds_builder_set_certificate (spoilt, wrong));
  spoils (qio_tls_creds_builder_set_password (spoilt, NULL));
  spoils (qio_tls_creds_builder_set_password (spoilt, "\xff"));
  spoils (qio_tls_creds_builder_set_client_certificates (spoilt, 77));
  spoils (qio_tls_creds_builder_add_psk (spoilt, NULL, bytes));
  spoils (qio_tls_creds_builder_add_psk (spoilt, "x", NULL));
  spoils (qio_tls_creds_builder_add_psk_file (spoilt, NULL));
  spoils (qio_tls_creds_builder_set_psk_user (spoilt, NULL));
  spoils (qio_tls_creds_builder_set_psk_hash (spoilt, 77));
  spoils (qio_tls_creds_builder_set_min_version (spoilt, 77));
  spoils (qio_tls_creds_builder_set_max_version (spoilt, 77));
  spoils (qio_tls_creds_builder_set_ciphers (spoilt, NULL));
  spoils (qio_tls_creds_builder_set_ciphersuites (spoilt, NULL));
  spoils (qio_tls_creds_builder_set_alpn_protocols (spoilt, NULL));
  spoils (qio_tls_creds_builder_set_key_log_file (spoilt, NULL));

  /* User data is freed, whatever the result. */
  complains_void (qio_tls_creds_builder_set_password_func (none, NULL, &freed, count_freed));
  spoils (qio_tls_creds_builder_set_password_func (spoilt, NULL, &freed, count_freed));
  complains_void (qio_tls_creds_builder_set_password_func (none, never_password, &freed, count_freed));
  complains_void (qio_tls_creds_builder_set_key_log_func (none, NULL, &freed, count_freed));
  spoils (qio_tls_creds_builder_set_key_log_func (spoilt, NULL, &freed, count_freed));
  complains_void (qio_tls_creds_builder_set_key_log_func (none, never_log, &freed, count_freed));
  check (freed == 6);

  builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_SERVER);
  criticals = 0;
  check (qio_tls_creds_builder_build (builder, &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  qio_tls_creds_builder_add_psk (builder, "x", bytes);
  qio_tls_creds_builder_set_key_log_func (builder, never_log, &freed, count_freed);
  copy = qio_tls_creds_builder_copy (builder);
  qio_tls_creds_builder_free (builder);
  creds = qio_tls_creds_builder_build (copy, &error);
  check_ok (error);
  qio_tls_creds_builder_free (copy);
  check (qio_tls_creds_get_endpoint (creds) == QIO_TLS_ENDPOINT_SERVER);
  check (!qio_tls_creds_verifies_peer (creds));
  check (freed == 6);
  g_object_unref (creds);
  check (freed == 7);
  check (criticals == 0);
  g_bytes_unref (bytes);
}

static void
keep_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

/* TLS that was made by its type alone has nothing below it. */
static void
bare_layer (void)
{
  QIOChannelTLS *bare = g_object_new (QIO_TYPE_CHANNEL_TLS, NULL);
  QIOChannelTLS *other = g_object_new (QIO_TYPE_CHANNEL_TLS, NULL);
  GAsyncResult *result = NULL;
  char byte;

  criticals = 0;
  check (qio_channel_tls_get_master (bare) == NULL);
  check (qio_channel_tls_get_creds (bare) == NULL);
  check (qio_channel_tls_get_hostname (bare) == NULL);
  check (qio_channel_tls_get_peer_certificate (bare) == NULL);
  check (qio_channel_tls_get_peer_certificate_errors (bare) == 0);
  check (qio_channel_tls_get_protocol_version (bare) == G_TLS_PROTOCOL_VERSION_UNKNOWN);
  check (qio_channel_tls_get_cipher (bare) == NULL);
  check (qio_channel_tls_get_key_size (bare) == 0);
  check (qio_channel_tls_get_peer_name (bare) == NULL);
  check (qio_channel_tls_get_alpn_protocol (bare) == NULL);
  check (!qio_channel_tls_is_handshake_done (bare) && !qio_channel_tls_is_resumed (bare));
  check (!qio_channel_tls_handshake (bare, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (!qio_channel_tls_bye (bare, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (!qio_channel_tls_update_keys (bare, TRUE, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (qio_channel_read (QIO_CHANNEL (bare), &byte, 1, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (qio_channel_write (QIO_CHANNEL (bare), "x", 1, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (criticals == 0);

  /* A result belongs to one finish function and one channel. */
  qio_channel_tls_handshake_async (bare, 0, NULL, keep_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  complains (!qio_channel_tls_bye_finish (bare, result, &error));
  complains (!qio_channel_tls_handshake_finish (other, result, &error));
  criticals = 0;
  check (!qio_channel_tls_handshake_finish (bare, result, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (criticals == 0);
  g_object_unref (result);
  g_object_unref (other);
  g_object_unref (bare);
}

/* TLS over what is no channel, and with credentials of the other end. */
static void
layers (gpointer wrong)
{
  QIOTlsCredsBuilder *builder = qio_tls_creds_builder_new (QIO_TLS_ENDPOINT_SERVER);
  QIOChannel *null = QIO_CHANNEL (qio_channel_null_new ());
  GBytes *key = g_bytes_new_static ("sixteen bytes...", 16);
  QIOTlsCreds *creds;

  qio_tls_creds_builder_add_psk (builder, "x", key);
  creds = qio_tls_creds_builder_build (builder, &error);
  check_ok (error);
  complains (qio_channel_tls_new_client (wrong, creds, "x", &error) == NULL);
  complains (qio_channel_tls_new_client (null, wrong, "x", &error) == NULL);
  complains (qio_channel_tls_new_client (null, creds, "\xff", &error) == NULL);
  complains (qio_channel_tls_new_server (wrong, creds, &error) == NULL);
  complains (qio_channel_tls_new_server (null, wrong, &error) == NULL);
  criticals = 0;
  check (qio_channel_tls_new_client (null, creds, "x", &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  check (criticals == 0);
  complains (!qio_channel_tls_handshake (wrong, &error));
  complains_void (qio_channel_tls_handshake_async (wrong, 0, NULL, never_ready, NULL));
  complains (!qio_channel_tls_handshake_finish (wrong, NULL, &error));
  complains (!qio_channel_tls_bye (wrong, &error));
  complains_void (qio_channel_tls_bye_async (wrong, 0, NULL, never_ready, NULL));
  complains (!qio_channel_tls_bye_finish (wrong, NULL, &error));
  complains (!qio_channel_tls_update_keys (wrong, TRUE, &error));
  complains (qio_channel_tls_get_master (wrong) == NULL);
  complains (qio_channel_tls_get_creds (wrong) == NULL);
  complains (qio_channel_tls_get_hostname (wrong) == NULL);
  complains (!qio_channel_tls_is_handshake_done (wrong));
  complains (qio_channel_tls_get_peer_certificate (wrong) == NULL);
  complains (qio_channel_tls_get_peer_certificate_errors (wrong) == 0);
  complains (qio_channel_tls_get_protocol_version (wrong) == G_TLS_PROTOCOL_VERSION_UNKNOWN);
  complains (qio_channel_tls_get_cipher (wrong) == NULL);
  complains (qio_channel_tls_get_key_size (wrong) == 0);
  complains (qio_channel_tls_get_peer_name (wrong) == NULL);
  complains (qio_channel_tls_get_alpn_protocol (wrong) == NULL);
  complains (!qio_channel_tls_is_resumed (wrong));
  complains_void (qio_channel_tls_set_require_close_notify (wrong, FALSE));
  complains (!qio_channel_tls_get_require_close_notify (wrong));

  bare_layer ();
  qio_tls_creds_builder_free (builder);
  g_object_unref (creds);
  g_object_unref (null);
  g_bytes_unref (key);
}

/* Options and builders that are not there, and arguments that are none. */
static void
websock_options (void)
{
  QIOWebsockOptionsBuilder *none = NULL, *builder, *copy;
  const char *origins[] = { "https://example.org", NULL }, *bad[] = { "\xff", NULL };
  void (*const setters[]) (QIOWebsockOptionsBuilder *, const char *) = {
    qio_websock_options_builder_add_protocol,
    qio_websock_options_builder_set_path,
  };
  const char *names[] = { "add_protocol", "set_path" };

  complains (qio_websock_options_ref (NULL) == NULL);
  complains_void (qio_websock_options_unref (NULL));
  complains (qio_websock_options_builder_copy (none) == NULL);
  complains_void (qio_websock_options_builder_free (none));
  complains (qio_websock_options_builder_build (none, &error) == NULL);
  complains_void (qio_websock_options_builder_add_protocol (none, "x"));
  complains_void (qio_websock_options_builder_add_header (none, "x", "y"));
  complains_void (qio_websock_options_builder_set_path (none, "/"));
  complains_void (qio_websock_options_builder_set_same_host (none));
  complains_void (qio_websock_options_builder_set_origins (none, origins));
  complains_void (qio_websock_options_builder_set_any_origin (none));
  complains_void (qio_websock_options_builder_set_binary_only (none));
  complains_void (qio_websock_options_builder_set_max_message_size (none, 1));
  complains_void (qio_websock_options_builder_set_deflate (none, 1, 64));
  complains_void (qio_websock_options_builder_set_deflate_no_context_takeover (none, TRUE, TRUE));
  complains_void (qio_websock_options_builder_set_deflate_max_window_bits (none, 15, 15));
  complains_void (qio_websock_options_builder_set_ping_interval (none, 1));
  complains_void (qio_websock_options_builder_set_pong_timeout (none, 1));
  complains_void (qio_websock_options_builder_set_close_timeout (none, 1));

  /* Building fails as well then, for the first one. */
  for (guint i = 0; i < G_N_ELEMENTS (setters); i++)
    {
      builder = qio_websock_options_builder_new ();
      complains_void (setters[i](builder, i == 0 ? NULL : "\xff"));
      criticals = 0;
      qio_websock_options_builder_add_header (builder, "no name", "y");
      copy = qio_websock_options_builder_copy (builder);
      check (qio_websock_options_builder_build (copy, &error) == NULL);
      check (strstr (error->message, names[i]) != NULL);
      check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
      check (criticals == 0);
      qio_websock_options_builder_free (copy);
      qio_websock_options_builder_free (builder);
    }
  builder = qio_websock_options_builder_new ();
  qio_websock_options_builder_set_deflate_max_window_bits (builder, 300, 15);
  check (qio_websock_options_builder_build (builder, &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  complains_void (qio_websock_options_builder_add_header (builder, NULL, "y"));
  complains_void (qio_websock_options_builder_add_header (builder, "x", NULL));
  complains_void (qio_websock_options_builder_set_origins (builder, NULL));
  complains_void (qio_websock_options_builder_set_origins (builder, bad));
  qio_websock_options_builder_free (builder);
}

/* A WebSocket that was made by its type alone has nothing below it. */
static void
bare_websock (void)
{
  QIOChannelWebsock *bare = g_object_new (QIO_TYPE_CHANNEL_WEBSOCK, NULL);
  GBytes *bytes = g_bytes_new_static ("b", 1);
  GAsyncResult *result = NULL;
  QIOWebsockOptions *options;
  char **headers;

  criticals = 0;
  check (qio_channel_websock_get_master (bare) == NULL);
  check (qio_channel_websock_get_uri (bare) == NULL);
  check (qio_channel_websock_get_protocol (bare) == NULL);
  check (qio_channel_websock_get_target (bare) == NULL);
  check (!qio_channel_websock_is_handshake_done (bare) && !qio_channel_websock_is_upgrade (bare));
  check (qio_channel_websock_get_close_code (bare) == 0);
  options = qio_channel_websock_get_options (bare);
  qio_websock_options_unref (options);
  headers = qio_channel_websock_list_request_headers (bare);
  check (headers[0] == NULL);
  g_strfreev (headers);
  check (!qio_channel_websock_handshake (bare, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (!qio_channel_websock_receive_request (bare, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (!qio_channel_websock_accept (bare, NULL, NULL, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (!qio_channel_websock_refuse (bare, 404, NULL, NULL, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (!qio_channel_websock_send (bare, QIO_WEBSOCK_MESSAGE_KIND_BINARY, bytes, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (qio_channel_websock_receive (bare, NULL, &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (!qio_channel_websock_ping (bare, NULL, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (!qio_channel_websock_bye (bare, 1000, NULL, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (!qio_channel_websock_bye (bare, 70000, NULL, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  check (!qio_channel_websock_refuse (bare, 70000, NULL, NULL, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  check (criticals == 0);

  /* A result belongs to one finish function. */
  qio_channel_websock_receive_async (bare, 0, NULL, keep_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  complains (!qio_channel_websock_handshake_finish (bare, result, &error));
  criticals = 0;
  check (qio_channel_websock_receive_finish (bare, result, NULL, &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
  check (criticals == 0);
  g_object_unref (result);
  g_object_unref (bare);
  g_bytes_unref (bytes);
}

/* WebSockets over what is no channel, and with arguments that are none. */
static void
websock_arguments (void)
{
  QIOChannel *null = QIO_CHANNEL (qio_channel_null_new ());
  QIOChannelWebsock *websock = qio_channel_websock_new_client (null, "ws://x/", NULL, &error);
  GBytes *bytes = g_bytes_new_static ("b", 1);
  const char *headers[] = { "no colon", NULL };

  check_ok (error);
  complains (qio_channel_websock_new_client (null, NULL, NULL, &error) == NULL);
  complains (qio_channel_websock_new_client (null, "\xff", NULL, &error) == NULL);
  complains (!qio_channel_websock_accept (websock, "\xff", NULL, &error));
  complains (!qio_channel_websock_send (websock, 77, bytes, &error));
  complains (!qio_channel_websock_send (websock, QIO_WEBSOCK_MESSAGE_KIND_TEXT, NULL, &error));
  complains (!qio_channel_websock_send_text (websock, NULL, &error));
  complains_void (qio_channel_websock_send_async (websock, 77, bytes, 0, NULL, never_ready, NULL));
  complains (!qio_channel_websock_bye (websock, 1000, "\xff", &error));
  complains (qio_channel_websock_get_request_header (websock, NULL) == NULL);
  complains (qio_channel_websock_get_response_header (websock, NULL) == NULL);
  complains_void (qio_channel_websock_set_message_kind (websock, 77));
  criticals = 0;
  check (qio_channel_websock_new_client (null, "http://x/", NULL, &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  check (!qio_channel_websock_accept (websock, NULL, headers, &error));
  check (strstr (error->message, "no colon") != NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  check (!qio_channel_websock_bye (websock, 999, NULL, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  check (criticals == 0);
  g_bytes_unref (bytes);
  g_object_unref (websock);
  g_object_unref (null);
}

/* The functions of WebSockets, on what is none. */
static void
websocks (gpointer wrong)
{
  GBytes *bytes = g_bytes_new_static ("b", 1);
  gpointer channel = qio_channel_null_new ();

  complains (qio_channel_websock_new_client (wrong, "ws://x/", NULL, &error) == NULL);
  complains (qio_channel_websock_new_server (wrong, NULL, &error) == NULL);
  complains (qio_channel_websock_connect_to_uri (NULL, NULL, NULL, &error) == NULL);
  complains (qio_channel_websock_connect_to_uri ("ws://x/", NULL, channel, &error) == NULL);
  complains_void (qio_channel_websock_connect_to_uri_async (NULL, NULL, NULL, 0, NULL, never_ready, NULL));
  complains_void (qio_channel_websock_connect_to_uri_async ("ws://x/", NULL, NULL, 0, channel, never_ready, NULL));
  complains (qio_channel_websock_connect_to_uri_finish (NULL, &error) == NULL);
  complains (!qio_channel_websock_handshake (wrong, &error));
  complains_void (qio_channel_websock_handshake_async (wrong, 0, NULL, never_ready, NULL));
  complains (!qio_channel_websock_handshake_finish (wrong, NULL, &error));
  complains (!qio_channel_websock_receive_request (wrong, &error));
  complains_void (qio_channel_websock_receive_request_async (wrong, 0, NULL, never_ready, NULL));
  complains (!qio_channel_websock_receive_request_finish (wrong, NULL, &error));
  complains (!qio_channel_websock_accept (wrong, NULL, NULL, &error));
  complains_void (qio_channel_websock_accept_async (wrong, NULL, NULL, 0, NULL, never_ready, NULL));
  complains (!qio_channel_websock_accept_finish (wrong, NULL, &error));
  complains (!qio_channel_websock_refuse (wrong, 404, NULL, bytes, &error));
  complains_void (qio_channel_websock_refuse_async (wrong, 404, NULL, bytes, 0, NULL, never_ready, NULL));
  complains (!qio_channel_websock_refuse_finish (wrong, NULL, &error));
  complains (!qio_channel_websock_send (wrong, QIO_WEBSOCK_MESSAGE_KIND_TEXT, bytes, &error));
  complains (!qio_channel_websock_send_text (wrong, "x", &error));
  complains_void (qio_channel_websock_send_async (wrong, QIO_WEBSOCK_MESSAGE_KIND_TEXT, bytes, 0, NULL,
                                                  never_ready, NULL));
  complains (!qio_channel_websock_send_finish (wrong, NULL, &error));
  complains (qio_channel_websock_receive (wrong, NULL, &error) == NULL);
  complains_void (qio_channel_websock_receive_async (wrong, 0, NULL, never_ready, NULL));
  complains (qio_channel_websock_receive_finish (wrong, NULL, NULL, &error) == NULL);
  complains (!qio_channel_websock_ping (wrong, bytes, &error));
  complains (!qio_channel_websock_bye (wrong, 1000, NULL, &error));
  complains_void (qio_channel_websock_bye_async (wrong, 1000, NULL, 0, NULL, never_ready, NULL));
  complains (!qio_channel_websock_bye_finish (wrong, NULL, &error));
  complains (qio_channel_websock_get_master (wrong) == NULL);
  complains (!qio_channel_websock_is_client (wrong));
  complains (qio_channel_websock_get_options (wrong) == NULL);
  complains (qio_channel_websock_get_uri (wrong) == NULL);
  complains (!qio_channel_websock_is_handshake_done (wrong));
  complains (qio_channel_websock_get_protocol (wrong) == NULL);
  complains (qio_channel_websock_get_extensions (wrong) == NULL);
  complains (!qio_channel_websock_is_upgrade (wrong));
  complains (qio_channel_websock_get_method (wrong) == NULL);
  complains (qio_channel_websock_get_target (wrong) == NULL);
  complains (qio_channel_websock_get_path (wrong) == NULL);
  complains (qio_channel_websock_get_query (wrong) == NULL);
  complains (qio_channel_websock_get_origin (wrong) == NULL);
  complains (qio_channel_websock_get_request_header (wrong, "x") == NULL);
  complains (qio_channel_websock_list_request_headers (wrong) == NULL);
  complains (qio_channel_websock_get_response_header (wrong, "x") == NULL);
  complains (qio_channel_websock_get_close_code (wrong) == 0);
  complains (qio_channel_websock_get_close_reason (wrong) == NULL);
  complains (qio_channel_websock_get_buffered_amount (wrong) == 0);
  complains (qio_channel_websock_get_max_message_size (wrong) == 0);
  complains_void (qio_channel_websock_set_max_message_size (wrong, 1));
  complains (qio_channel_websock_get_ping_interval (wrong) == 0);
  complains_void (qio_channel_websock_set_ping_interval (wrong, 1));
  complains (qio_channel_websock_get_pong_timeout (wrong) == 0);
  complains_void (qio_channel_websock_set_pong_timeout (wrong, 1));
  complains (!qio_channel_websock_get_require_close (wrong));
  complains_void (qio_channel_websock_set_require_close (wrong, TRUE));
  complains (qio_channel_websock_get_message_kind (wrong) == QIO_WEBSOCK_MESSAGE_KIND_BINARY);
  complains_void (qio_channel_websock_set_message_kind (wrong, QIO_WEBSOCK_MESSAGE_KIND_TEXT));
  g_object_unref (channel);
  g_bytes_unref (bytes);
}

/* A descriptor that was closed behind the channel: errors. */
static void
freed_descriptor (void)
{
  QIOChannelSocket *one, *other;
  char byte;

  check (qio_channel_socket_new_pair (&one, &other, &error));
  close (qio_channel_socket_get_fd (one));
  check (qio_channel_read (QIO_CHANNEL (one), &byte, 1, &error) == -1);
  check (error != NULL);
  g_clear_error (&error);
  check (qio_channel_write (QIO_CHANNEL (one), "x", 1, &error) == -1);
  check (error != NULL);
  g_clear_error (&error);
  g_object_unref (other);
  /* Otherwise the channel would close the reused number later. */
  check (dup2 (0, qio_channel_socket_get_fd (one)) >= 0);
  g_object_unref (one);
}

int
main (void)
{
  GObject *wrong = g_object_new (G_TYPE_OBJECT, NULL);
  QIOChannel *null = QIO_CHANNEL (qio_channel_null_new ());

  /* Regardless of the environment: criticals are counted here. */
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR);
  g_log_set_handler ("Qio", G_LOG_LEVEL_MASK, count_critical, NULL);

  base (NULL);
  base (wrong);
  asynchronous (NULL);
  asynchronous (wrong);
  transports (NULL);
  transports (wrong);
  transports (null);
  arguments ();
  listeners (NULL);
  listeners (wrong);
  listeners (null);
  listener_arguments ();
  wrong_classes (wrong);
  addresses (NULL);
  credentials (NULL);
  layers (NULL);
  websock_options ();
  bare_websock ();
  websock_arguments ();
  websocks (NULL);
  addresses (wrong);
  backoffs (wrong);
  pools (wrong);
  monitors (wrong);
  credentials (wrong);
  layers (wrong);
  websocks (wrong);
  freed_descriptor ();

  g_object_unref (wrong);
  g_object_unref (null);
  printf ("misuse: ok\n");
  return 0;
}
