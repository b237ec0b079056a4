/* Whose a descriptor is: the channel's once there is one, and the caller's where there is none. And memory of any type,
 * without a cast. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static gboolean
is_open (int fd)
{
  return fcntl (fd, F_GETFD) != -1;
}

static void
is_left_open (int fd, gboolean is_made, GError **error)
{
  check (!is_made && *error != NULL);
  g_clear_error (error);
  check (is_open (fd));
}

static void
where_it_fails_the_caller_has_it (void)
{
  GError *error = NULL;
  QIOChannelSocket *one, *other;
  QIOChannelFile *file;
  int null = open ("/dev/null", O_RDONLY | O_CLOEXEC), pipes[2];
  pid_t ended;

  check (pipe (pipes) == 0 && null >= 0);
  check (qio_channel_socket_new_pair (&one, &other, &error));
  is_left_open (null, qio_channel_socket_new_fd (null, &error) != NULL, &error);
  is_left_open (null, qio_channel_socket_adopt_fd (one, null, &error), &error);
  file = qio_channel_file_new_path ("/dev/null", O_RDONLY, 0, &error);
  check_ok (error);
  is_left_open (null, qio_channel_file_adopt_fd (file, null, &error), &error);
  qio_channel_close (QIO_CHANNEL (file), NULL);
  is_left_open (null, qio_channel_file_adopt_fd (file, null, &error), &error);

  /* There is no process of this number any more. */
  ended = fork ();
  if (ended == 0)
    _exit (0);
  check (waitpid (ended, NULL, 0) == ended);
  is_left_open (pipes[0], qio_channel_command_new_pid (pipes[1], pipes[0], ended, &error) != NULL, &error);
  check (is_open (pipes[1]));
  is_left_open (pipes[0], qio_channel_command_new_pid (9999, pipes[0], getpid (), &error) != NULL, &error);

  close (null);
  close (pipes[0]);
  close (pipes[1]);
  g_object_unref (file);
  g_object_unref (one);
  g_object_unref (other);
}

static void
a_channel_has_it (void)
{
  GError *error = NULL;
  QIOChannel *channel;
  QIOChannelCommand *command;
  int pipes[2], more[2];
  pid_t child;

  check (pipe (pipes) == 0 && pipe (more) == 0);
  channel = qio_channel_new_fd (pipes[0], &error);
  check_ok (error);
  check (qio_channel_close (channel, &error) == 0 && !is_open (pipes[0]));
  g_object_unref (channel);

  child = fork ();
  if (child == 0)
    _exit (0);
  command = qio_channel_command_new_pid (more[1], more[0], child, &error);
  check_ok (error);
  check (qio_channel_close (QIO_CHANNEL (command), &error) == 0);
  check (!is_open (more[0]) && !is_open (more[1]));
  g_object_unref (command);
  close (pipes[1]);
}

/* After the first command: one for the process, and none for the ends. */
static void
adopting_a_child_takes_one_descriptor (void)
{
  GError *error = NULL;
  QIOChannelCommand *command;
  struct rlimit before, low;
  int ends[2], pidfd, last = -1, fd;
  pid_t child;

  pidfd = syscall (SYS_pidfd_open, getpid (), 0);
  if (pidfd == -1)
    return; /* Then a pair of sockets stands for the process. */
  close (pidfd);
  check (pipe (ends) == 0);
  child = fork ();
  if (child == 0)
    _exit (0);
  check (getrlimit (RLIMIT_NOFILE, &before) == 0);
  low = before;
  low.rlim_cur = 100;
  check (setrlimit (RLIMIT_NOFILE, &low) == 0);
  while ((fd = open ("/dev/null", O_RDONLY | O_CLOEXEC)) != -1)
    last = fd;

  command = qio_channel_command_new_pid (ends[1], ends[0], child, &error);
  check (command == NULL && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TOO_MANY_OPEN_FILES));
  check (strstr (error->message, "Unable to watch process") != NULL);
  g_clear_error (&error);
  check (is_open (ends[0]) && is_open (ends[1]));

  close (last);
  command = qio_channel_command_new_pid (ends[1], ends[0], child, &error);
  check_ok (error);
  check (open ("/dev/null", O_RDONLY) == -1);
  check (qio_channel_close (QIO_CHANNEL (command), &error) == 0);
  check_ok (error);
  g_object_unref (command);
  for (fd = 3; fd < last; fd++)
    if (is_open (fd) && g_str_equal (g_file_read_link (g_strdup_printf ("/proc/self/fd/%d", fd), NULL), "/dev/null"))
      close (fd);
  check (setrlimit (RLIMIT_NOFILE, &before) == 0);
}

struct header
{
  guint32 magic, size;
};

static void
memory_has_any_type (void)
{
  GError *error = NULL;
  QIOChannelSocket *one, *other;
  struct header sent = { 0x42, 7 }, got = { 0, 0 };
  const struct header constant = { 1, 2 };

  check (qio_channel_socket_new_pair (&one, &other, &error));
  check (qio_channel_write (QIO_CHANNEL (one), &sent, sizeof sent, &error) == sizeof sent);
  check (qio_channel_read (QIO_CHANNEL (other), &got, sizeof got, &error) == sizeof got);
  check (got.magic == 0x42 && got.size == 7);
  check (qio_channel_write_all (QIO_CHANNEL (one), &constant, sizeof constant, &error) == 0);
  check (qio_channel_read_all (QIO_CHANNEL (other), &got, sizeof got, &error) == 0);
  check (got.magic == 1 && got.size == 2);
  g_object_unref (one);
  g_object_unref (other);
}

int
main (void)
{
  where_it_fails_the_caller_has_it ();
  a_channel_has_it ();
  adopting_a_child_takes_one_descriptor ();
  memory_has_any_type ();
  printf ("ownership: ok\n");
  return 0;
}
