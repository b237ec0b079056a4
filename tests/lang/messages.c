/* Messages of system errors: in the words of the system, in the language of the locale, with the operation and the
 * object. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The error is "Unable to OPERATION … OBJECT …: REASON". */
static void
check_message (GError *error,
               const char *operation,
               const char *object,
               int reason)
{
  char *beginning = g_strconcat ("Unable to ", operation, NULL);
  char *end = g_strconcat (": ", g_strerror (reason), NULL);

  check (error != NULL);
  if (!g_str_has_prefix (error->message, beginning) ||
      !g_str_has_suffix (error->message, end) ||
      strstr (error->message, object) == NULL)
    {
      fprintf (stderr, "\"%s\", not \"%s … %s%s\"\n", error->message, beginning, object, end);
      exit (1);
    }
  g_free (beginning);
  g_free (end);
  g_error_free (error);
}

static void
of_channels (void)
{
  GError *error = NULL;
  QIOChannelFile *null = qio_channel_file_new_path ("/dev/null", O_RDONLY, 0, NULL);
  QIOChannelSocket *listener = qio_channel_socket_new ();
  GSocketAddress *any = g_inet_socket_address_new_from_string ("127.0.0.1", 0);

  qio_channel_set_name (QIO_CHANNEL (null), "hole");
  check (qio_channel_write (QIO_CHANNEL (null), "x", 1, &error) == -1);
  check_message (g_steal_pointer (&error), "write", "hole", EBADF);

  check (qio_channel_socket_listen_sync (listener, any, 1, NULL) == 0);
  check (qio_channel_set_blocking (QIO_CHANNEL (listener), FALSE, NULL) == 0);
  check (qio_channel_socket_accept (listener, &error) == NULL);
  check_message (g_steal_pointer (&error), "accept", "QIOChannelSocket", EAGAIN);
  check (qio_channel_socket_get_remote_address (listener, &error) == NULL);
  check_message (g_steal_pointer (&error), "get the remote address", "QIOChannelSocket", ENOTCONN);

  g_object_unref (any);
  g_object_unref (listener);
  g_object_unref (null);
}

static void
of_what_cannot_be_made (void)
{
  GError *error = NULL;
  QIOChannelSocket *one = NULL, *other = NULL;
  QIOChannelFile *reads = NULL, *writes = NULL;
  struct rlimit before, none;
  int free_number = dup (0);

  check (qio_channel_file_new_path ("/nowhere/at/all", O_RDONLY, 0, &error) == NULL);
  check_message (g_steal_pointer (&error), "open", "/nowhere/at/all", ENOENT);
  check (qio_channel_socket_new_fd (free_number + 1000, &error) == NULL);
  check_message (g_steal_pointer (&error), "take over", "descriptor", EBADF);
  check (qio_channel_file_new_fd (free_number + 1000, &error) == NULL);
  check_message (g_steal_pointer (&error), "take over", "descriptor", EBADF);

  close (free_number);
  check (getrlimit (RLIMIT_NOFILE, &before) == 0);
  none = before;
  none.rlim_cur = free_number;
  check (setrlimit (RLIMIT_NOFILE, &none) == 0);
  check (!qio_channel_socket_new_pair (&one, &other, &error));
  check_message (g_steal_pointer (&error), "create", "pair of sockets", EMFILE);
  check (!qio_channel_file_new_pipe (&reads, &writes, &error));
  check_message (g_steal_pointer (&error), "create", "pipe", EMFILE);
  check (setrlimit (RLIMIT_NOFILE, &before) == 0);
}

int
main (void)
{
  setlocale (LC_ALL, "");
  of_channels ();
  of_what_cannot_be_made ();
  printf ("messages: ok: %s\n", g_strerror (EBADF));
  return 0;
}
