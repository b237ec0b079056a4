/* The part of the journey in C for what has no stage in other languages: functions in all their forms. With the
 * other parts, every function of the headers is used. */
#include "journey.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gio/gunixfdlist.h>
#include <glib-unix.h>

/* At an offset, which leaves the position alone: one buffer, several, and bytes. */
static void
positions (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelBuffer) buffer = qio_channel_buffer_new (0);
  g_autoptr (GBytes) bytes = g_bytes_new_static ("ghi", 3);
  g_autoptr (GBytes) read_bytes = NULL;
  QIOChannel *ioc = QIO_CHANNEL (buffer);
  char data[] = "abcdef", buf[4];
  struct iovec out[] = { { data, 2 }, { data + 2, 1 } };
  struct iovec in[] = { { buf, 1 }, { buf + 1, 2 } };

  check (qio_channel_pwrite (ioc, data, 3, 0, &error) == 3);
  check (qio_channel_pwrite_all (ioc, data + 3, 3, 3, &error) == 0);
  check (qio_channel_pwrite_bytes (ioc, bytes, 6, &error) == 3);
  check (qio_channel_pwritev (ioc, out, 2, 9, &error) == 3);
  check (qio_channel_pwritev_all (ioc, out, 2, 12, &error) == 0);
  check_ok (error);
  check (qio_channel_buffer_get_size (buffer) == 15 && qio_channel_buffer_get_position (buffer) == 0);

  check (qio_channel_pread_all (ioc, buf, 3, 3, &error) == 0 && memcmp (buf, "def", 3) == 0);
  check (qio_channel_preadv (ioc, in, 2, 6, &error) == 3 && memcmp (buf, "ghi", 3) == 0);
  check (qio_channel_preadv_all (ioc, in, 2, 12, &error) == 0 && memcmp (buf, "abc", 3) == 0);
  check (qio_channel_pread_all_eof (ioc, buf, 3, 12, &error) == 1 && memcmp (buf, "abc", 3) == 0);
  check (qio_channel_preadv_all_eof (ioc, in, 2, 3, &error) == 1 && memcmp (buf, "def", 3) == 0);
  check (qio_channel_pread_all_eof (ioc, buf, 3, 15, &error) == 0);
  check (qio_channel_preadv_all_eof (ioc, in, 2, 99, &error) == 0);
  check_ok (error);
  check (qio_channel_pread_all_eof (ioc, buf, 3, 14, &error) == -1);
  check_error (error, QIO_CHANNEL_ERROR, QIO_CHANNEL_ERROR_TRUNCATED);
  check (qio_channel_preadv_all_eof (ioc, in, 2, -1, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  check (qio_channel_buffer_get_position (buffer) == 0);
  read_bytes = qio_channel_pread_bytes (ioc, 100, 11, &error);
  check_ok (error);
  check (holds (read_bytes, "cabc"));
  check (qio_channel_pread_all (ioc, buf, 4, 13, &error) == -1);
  check_error (error, QIO_CHANNEL_ERROR, QIO_CHANNEL_ERROR_TRUNCATED);
}

/* Channels of descriptors, and sources that wait for descriptors. */
static void
numbers (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelFile) reader = NULL;
  g_autoptr (QIOChannelFile) writer = NULL;
  g_autoptr (QIOChannelFile) again = NULL;
  g_autoptr (QIOChannelFile) duplicate = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autoptr (QIOChannelSocket) adopted = NULL;
  g_autoptr (QIOChannel) either = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GIOCondition ready;
  GSource *source, *child;
  Seen seen = { 0 };
  char byte;

  check (qio_channel_file_new_pipe (&reader, &writer, &error));
  again = qio_channel_file_new_fd (dup (qio_channel_file_get_fd (writer)), &error);
  check_ok (error);
  check (qio_channel_write_all (QIO_CHANNEL (again), "x", 1, &error) == 0);
  /* Closing a channel of a duplicate leaves the descriptor open. */
  duplicate = qio_channel_file_new_dupfd (qio_channel_file_get_fd (writer), &error);
  check_ok (error);
  check (qio_channel_file_get_fd (duplicate) != qio_channel_file_get_fd (writer));
  check (qio_channel_close (QIO_CHANNEL (duplicate), &error) == 0);
  check (fcntl (qio_channel_file_get_fd (writer), F_GETFD) != -1);
  check (qio_channel_wait_cancellable (QIO_CHANNEL (reader), G_IO_IN, cancellable, &ready, &error));
  check (ready == G_IO_IN);
  check (qio_channel_read_all (QIO_CHANNEL (reader), &byte, 1, &error) == 0 && byte == 'x');
  g_cancellable_cancel (cancellable);
  check (!qio_channel_wait_cancellable (QIO_CHANNEL (reader), G_IO_IN, cancellable, &ready, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  make_pair (&one, &other);
  adopted = qio_channel_socket_new_fd (dup (qio_channel_socket_get_fd (one)), &error);
  check_ok (error);
  check (qio_channel_write_all (QIO_CHANNEL (adopted), "s", 1, &error) == 0);
  either = qio_channel_new_fd (dup (qio_channel_socket_get_fd (other)), &error);
  check_ok (error);
  check (QIO_IS_CHANNEL_SOCKET (either));
  check (qio_channel_read_all (either, &byte, 1, &error) == 0 && byte == 's');

  source = qio_channel_create_fd_watch (QIO_CHANNEL (one), qio_channel_file_get_fd (writer), G_IO_OUT);
  g_source_set_callback (source, G_SOURCE_FUNC (note), &seen, note_freed);
  g_source_attach (source, NULL);
  g_source_unref (source);
  run_until_called (&seen, NULL);
  check (seen.ioc == QIO_CHANNEL (one) && seen.condition == G_IO_OUT && seen.freed == 1);

  seen = (Seen) { 0 };
  child = g_unix_fd_source_new (qio_channel_file_get_fd (writer), G_IO_OUT);
  source = qio_channel_create_child_watch (QIO_CHANNEL (one), G_IO_OUT | G_IO_HUP, child);
  g_source_unref (child);
  g_source_set_callback (source, G_SOURCE_FUNC (note), &seen, note_freed);
  g_source_attach (source, NULL);
  g_source_unref (source);
  run_until_called (&seen, NULL);
  check (seen.ioc == QIO_CHANNEL (one) && seen.condition == G_IO_OUT && seen.freed == 1);

  seen = (Seen) { 0 };
  source = qio_channel_create_fd_pair_watch (QIO_CHANNEL (one), qio_channel_file_get_fd (reader),
                                             qio_channel_file_get_fd (writer), G_IO_IN | G_IO_OUT);
  g_source_set_callback (source, G_SOURCE_FUNC (note), &seen, note_freed);
  g_source_attach (source, NULL);
  g_source_unref (source);
  run_until_called (&seen, NULL);
  check (seen.condition == G_IO_OUT && seen.freed == 1);
  check_ok (error);
}

/* Bytes with descriptors, until all is done, and asynchronously. */
static void
descriptors (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();
  g_autoptr (GBytes) bytes = g_bytes_new_static ("abc", 3);
  GUnixFDList *arrived = NULL;
  GAsyncResult *result = NULL;
  GBytes *read_bytes;

  make_pair (&one, &other);
  check (g_unix_fd_list_append (list, STDOUT_FILENO, &error) == 0);
  qio_channel_write_bytes_async (QIO_CHANNEL (one), bytes, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  check (qio_channel_write_bytes_finish (QIO_CHANNEL (one), await (&result), &error) == 3);
  g_clear_object (&result);
  read_bytes = qio_channel_read_bytes_all_eof (QIO_CHANNEL (other), 3, &error);
  check_ok (error);
  check (holds (read_bytes, "abc"));
  g_bytes_unref (read_bytes);

  qio_channel_write_bytes_with_fds_async (QIO_CHANNEL (one), bytes, list, 0, G_PRIORITY_DEFAULT, NULL, take_result,
                                          &result);
  check (qio_channel_write_bytes_with_fds_finish (QIO_CHANNEL (one), await (&result), &error) == 3);
  g_clear_object (&result);
  read_bytes = qio_channel_read_bytes_with_fds_all_eof (QIO_CHANNEL (other), 3, &arrived, &error);
  check_ok (error);
  check (holds (read_bytes, "abc") && g_unix_fd_list_get_length (arrived) == 1);
  g_bytes_unref (read_bytes);
  g_clear_object (&arrived);

  qio_channel_write_bytes_with_fds_all_async (QIO_CHANNEL (one), bytes, list, 0, G_PRIORITY_DEFAULT, NULL, take_result,
                                              &result);
  check (qio_channel_write_bytes_with_fds_all_finish (QIO_CHANNEL (one), await (&result), &error));
  g_clear_object (&result);
  qio_channel_read_bytes_with_fds_all_async (QIO_CHANNEL (other), 3, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  read_bytes = qio_channel_read_bytes_with_fds_all_finish (QIO_CHANNEL (other), await (&result), &arrived, &error);
  check_ok (error);
  check (holds (read_bytes, "abc") && g_unix_fd_list_get_length (arrived) == 1);
  g_bytes_unref (read_bytes);
  g_object_unref (arrived);
  g_object_unref (result);

  check (qio_channel_close (QIO_CHANNEL (one), &error) == 0);
  check (qio_channel_read_bytes_all_eof (QIO_CHANNEL (other), 3, &error) == NULL);
  check_ok (error);
}

/* Operations of a context may poll for events before the thread sleeps. */
static void
busy_polling (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GBytes) bytes = NULL;

  make_pair (&one, &other);
  check (qio_context_set_busy_poll (NULL, G_PRIORITY_DEFAULT, 50, &error));
  qio_channel_read_bytes_async (QIO_CHANNEL (one), 1, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  check (qio_channel_write_all (QIO_CHANNEL (other), "p", 1, &error) == 0);
  bytes = qio_channel_read_bytes_finish (QIO_CHANNEL (one), await (&result), &error);
  check_ok (error);
  check (holds (bytes, "p"));
  check (qio_context_set_busy_poll (NULL, G_PRIORITY_DEFAULT, 0, &error));
}

/* How a command that was ended by a signal has ended. */
static void
ends_by (QIOChannelCommand *command, int signum)
{
  GError *error = NULL;
  int wait_status = 0;

  check (qio_channel_command_wait_exit (command, &wait_status, &error));
  check_ok (error);
  check (WIFSIGNALED (wait_status) && WTERMSIG (wait_status) == signum);
  g_object_unref (command);
}

static void
commands (void)
{
  GError *error = NULL;
  static const char *const cat[] = { "cat", NULL };
  static const char *const shell_argv[] = { "sh", "-c", "echo $WORD; pwd; echo oops >&2", NULL };
  static const char *const environment[] = { "WORD=word", NULL };
  g_autoptr (QIOChannelCommand) shell = NULL;
  QIOChannelCommand *command;
  char buf[12];
  int pidfd, wait_status;
  GPid pid;

  shell = qio_channel_command_new_full (shell_argv, environment, "/", O_RDONLY, QIO_CHANNEL_COMMAND_STDERR_MERGE, &error);
  check_ok (error);
  check (qio_channel_read_all (QIO_CHANNEL (shell), buf, 12, &error) == 0);
  check (memcmp (buf, "word\n/\noops\n", 12) == 0);
  check (qio_channel_command_wait_exit (shell, &wait_status, &error) && wait_status == 0);

  command = qio_channel_command_new_spawn (cat, O_RDWR, &error);
  check_ok (error);
  check (qio_channel_command_get_pid (command) > 0);
  pidfd = qio_channel_command_get_pidfd (command, &error);
  check (pidfd >= 0);
  close (pidfd);
  check (qio_channel_command_terminate (command, &error));
  ends_by (command, SIGTERM);
  command = qio_channel_command_new_spawn (cat, O_RDWR, &error);
  check (qio_channel_command_kill (command, &error));
  ends_by (command, SIGKILL);
  command = qio_channel_command_new_spawn (cat, O_RDWR, &error);
  check (qio_channel_command_send_signal (command, SIGUSR1, &error));
  ends_by (command, SIGUSR1);

  /* One that was started by other means. */
  check (g_spawn_async (NULL, (char **) cat, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                        &error));
  command = qio_channel_command_new_pid (-1, -1, pid, &error);
  check_ok (error);
  check (qio_channel_command_get_pid (command) == pid);
  check (qio_channel_command_wait_exit (command, &wait_status, &error) && wait_status == 0);
  g_object_unref (command);
}

/* Both outputs and the status of a command, and more descriptors. */
static void
communication (void)
{
  GError *error = NULL;
  static const char *const both[] = { "sh", "-c", "cat; echo err >&2; exit 3", NULL };
  static const char *const three[] = { "sh", "-c", "echo three >&3", NULL };
  g_autoptr (GBytes) input = g_bytes_new_static ("in", 2);
  g_autoptr (QIOChannelCommand) command = NULL;
  int pipe_fds[2], target = 3, wait_status = 0;
  char buf[6];
  gssize count;

  for (int is_async = 0; is_async < 2; is_async++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GAsyncResult) ended = NULL;
      g_autoptr (GBytes) output = NULL;
      g_autoptr (GBytes) errors = NULL;

      g_clear_object (&command);
      command = qio_channel_command_new_full (both, NULL, NULL, O_RDWR, QIO_CHANNEL_COMMAND_STDERR_PIPE, &error);
      check_ok (error);
      check (qio_channel_command_get_stderr (command) != NULL);
      if (is_async)
        {
          qio_channel_command_communicate_async (command, input, -1, G_PRIORITY_DEFAULT, NULL, take_result, &result);
          check (qio_channel_command_communicate_finish (command, await (&result), &output, &errors, &wait_status,
                                                         &error));
        }
      else
        check (qio_channel_command_communicate (command, input, -1, &output, &errors, &wait_status, &error));
      check_ok (error);
      check (holds (output, "in") && holds (errors, "err\n"));
      check (WIFEXITED (wait_status) && WEXITSTATUS (wait_status) == 3);
      wait_status = 0;
      qio_channel_command_wait_exit_async (command, G_PRIORITY_DEFAULT, NULL, take_result, &ended);
      check (qio_channel_command_wait_exit_finish (command, await (&ended), &wait_status, &error));
      check (WIFEXITED (wait_status) && WEXITSTATUS (wait_status) == 3);
    }

  g_clear_object (&command);
  command = qio_channel_command_new_full (both, NULL, NULL, O_RDWR, QIO_CHANNEL_COMMAND_STDERR_NULL, &error);
  check (!qio_channel_command_communicate (command, input, 1, NULL, NULL, NULL, &error));
  check (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE));
  g_clear_error (&error);
  check (qio_channel_command_get_stderr (command) == NULL);

  check (pipe (pipe_fds) == 0);
  g_clear_object (&command);
  command = qio_channel_command_new_with_fds (three, NULL, NULL, O_RDONLY, QIO_CHANNEL_COMMAND_STDERR_INHERIT,
                                              &pipe_fds[1], &target, 1, &error);
  check_ok (error);
  close (pipe_fds[1]);
  /* What is not the library's own is interrupted in a storm of signals. */
  do
    count = read (pipe_fds[0], buf, 6);
  while (count == -1 && errno == EINTR);
  check (count == 6 && memcmp (buf, "three\n", 6) == 0);
  close (pipe_fds[0]);
  check (qio_channel_close (QIO_CHANNEL (command), &error) == 0);
  target = 2;
  check (qio_channel_command_new_with_fds (three, NULL, NULL, O_RDONLY, QIO_CHANNEL_COMMAND_STDERR_INHERIT, &target,
                                           &target, 1, &error) == NULL);
  check (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT));
  g_clear_error (&error);
}

/* Sums of lengths that no result can report, and a close as of what has failed. */
static void
limits (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelNull) null = qio_channel_null_new ();
  char byte = 0;
  struct iovec iov[] = { { &byte, G_MAXSSIZE }, { &byte, G_MAXSSIZE }, { &byte, 1 } };

  check (qio_channel_writev (QIO_CHANNEL (null), iov, G_N_ELEMENTS (iov), &error) == -1);
  check (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT));
  g_clear_error (&error);
  check (qio_channel_writev_all (QIO_CHANNEL (null), iov, G_N_ELEMENTS (iov), &error) == -1);
  check (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT));
  g_clear_error (&error);
  qio_channel_abort (QIO_CHANNEL (null));
  check (qio_channel_is_closed (QIO_CHANNEL (null)));
  qio_channel_abort (QIO_CHANNEL (null));
}

int
main (int argc, char *argv[])
{
  limits ();
  positions ();
  numbers ();
  descriptors ();
  busy_polling ();
  commands ();
  communication ();
  printf ("forms: ok\n");
  return 0;
}
