/* A journey through the library in C. Its stages are those of the other journeys of this folder. */
#include "check.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <gio/gunixfdlist.h>

/* Echo, derived from the abstract class: what is written to it can be read from it. */

#define TYPE_ECHO (echo_get_type ())
G_DECLARE_FINAL_TYPE (Echo, echo, TEST, ECHO, QIOChannel)

struct _Echo
{
  QIOChannel parent_instance;
  GByteArray *held;
  /* Readable while something is held: what a reader waits for. */
  int bell;
};

G_DEFINE_TYPE (Echo, echo, QIO_TYPE_CHANNEL)

static gssize
echo_writev (QIOChannel *ioc, const struct iovec *iov, gsize niov, int *fds, gsize nfds, int flags, GError **error)
{
  Echo *self = TEST_ECHO (ioc);
  gssize total = 0;

  for (gsize i = 0; i < niov; i++)
    {
      g_byte_array_append (self->held, iov[i].iov_base, iov[i].iov_len);
      total += iov[i].iov_len;
    }
  check (eventfd_write (self->bell, 1) == 0);
  return total;
}

static gssize
echo_readv (QIOChannel *ioc, const struct iovec *iov, gsize niov, int **fds, gsize *nfds, int flags, GError **error)
{
  Echo *self = TEST_ECHO (ioc);
  gssize total = 0;
  eventfd_t rung;

  if (self->held->len == 0)
    return QIO_CHANNEL_ERR_BLOCK;
  for (gsize i = 0; i < niov; i++)
    {
      gsize n = MIN (iov[i].iov_len, self->held->len);

      memcpy (iov[i].iov_base, self->held->data, n);
      g_byte_array_remove_range (self->held, 0, n);
      total += n;
    }
  if (self->held->len == 0)
    check (eventfd_read (self->bell, &rung) == 0);
  return total;
}

static int
echo_close (QIOChannel *ioc, GError **error)
{
  return 0;
}

static int
echo_set_blocking (QIOChannel *ioc, gboolean enabled, GError **error)
{
  return 0;
}

static int
echo_wait_fd (QIOChannel *ioc, GIOCondition condition, GIOCondition *fd_condition)
{
  if (condition & G_IO_OUT)
    return QIO_CHANNEL_WAIT_NOW;
  *fd_condition = G_IO_IN;
  return TEST_ECHO (ioc)->bell;
}

static void
echo_finalize (GObject *object)
{
  Echo *self = TEST_ECHO (object);

  g_byte_array_unref (self->held);
  close (self->bell);
  G_OBJECT_CLASS (echo_parent_class)->finalize (object);
}

static void
echo_class_init (EchoClass *klass)
{
  QIOChannelClass *channel_class = QIO_CHANNEL_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = echo_finalize;
  channel_class->io_writev = echo_writev;
  channel_class->io_readv = echo_readv;
  channel_class->io_close = echo_close;
  channel_class->io_set_blocking = echo_set_blocking;
  channel_class->io_wait_fd = echo_wait_fd;
}

static void
echo_init (Echo *self)
{
  self->held = g_byte_array_new ();
  self->bell = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* Upper, derived from the class of files: what is read comes in capitals. */

#define TYPE_UPPER (upper_get_type ())
G_DECLARE_FINAL_TYPE (Upper, upper, TEST, UPPER, QIOChannelFile)

struct _Upper
{
  QIOChannelFile parent_instance;
  guint closes;
};

G_DEFINE_TYPE (Upper, upper, QIO_TYPE_CHANNEL_FILE)

static gssize
upper_readv (QIOChannel *ioc, const struct iovec *iov, gsize niov, int **fds, gsize *nfds, int flags, GError **error)
{
  gssize total = QIO_CHANNEL_CLASS (upper_parent_class)->io_readv (ioc, iov, niov, fds, nfds, flags, error);
  gssize rest = total;

  for (gsize i = 0; i < niov && rest > 0; i++)
    {
      char *base = iov[i].iov_base;
      gsize n = MIN (iov[i].iov_len, (gsize) rest);

      for (gsize j = 0; j < n; j++)
        base[j] = (char) toupper (base[j]);
      rest -= n;
    }
  return total;
}

static int
upper_close (QIOChannel *ioc, GError **error)
{
  TEST_UPPER (ioc)->closes++;
  return QIO_CHANNEL_CLASS (upper_parent_class)->io_close (ioc, error);
}

static void
upper_class_init (UpperClass *klass)
{
  QIO_CHANNEL_CLASS (klass)->io_readv = upper_readv;
  QIO_CHANNEL_CLASS (klass)->io_close = upper_close;
}

static void
upper_init (Upper *self)
{
}

/* Counter, derived from the class of sockets by the slots that bindings fill. */

#define TYPE_COUNTER (counter_get_type ())
G_DECLARE_FINAL_TYPE (Counter, counter, TEST, COUNTER, QIOChannelSocket)

struct _Counter
{
  QIOChannelSocket parent_instance;
  gsize sent;
  gsize received;
};

G_DEFINE_TYPE (Counter, counter, QIO_TYPE_CHANNEL_SOCKET)

static gssize
counter_write_bytes (QIOChannel *ioc, GBytes *bytes, GUnixFDList *fds, QIOChannelWriteFlags flags, GError **error)
{
  gssize n = QIO_CHANNEL_CLASS (counter_parent_class)->io_write_bytes (ioc, bytes, fds, flags, error);

  if (n > 0)
    TEST_COUNTER (ioc)->sent += n;
  return n;
}

static GBytes *
counter_read_bytes (QIOChannel *ioc, gsize count, GUnixFDList **fds, QIOChannelReadFlags flags, GError **error)
{
  GBytes *bytes = QIO_CHANNEL_CLASS (counter_parent_class)->io_read_bytes (ioc, count, fds, flags, error);

  if (bytes != NULL)
    TEST_COUNTER (ioc)->received += g_bytes_get_size (bytes);
  return bytes;
}

static void
counter_class_init (CounterClass *klass)
{
  QIO_CHANNEL_CLASS (klass)->io_write_bytes = counter_write_bytes;
  QIO_CHANNEL_CLASS (klass)->io_read_bytes = counter_read_bytes;
}

static void
counter_init (Counter *self)
{
}

/* Wrong: everything that a class can do wrong. */

#define TYPE_WRONG (wrong_get_type ())
G_DECLARE_FINAL_TYPE (Wrong, wrong, TEST, WRONG, QIOChannel)

struct _Wrong
{
  QIOChannel parent_instance;
  gssize read_result;
  gboolean read_sets_error;
  GSource *watch;
};

G_DEFINE_TYPE (Wrong, wrong, QIO_TYPE_CHANNEL)

static gssize
wrong_readv (QIOChannel *ioc, const struct iovec *iov, gsize niov, int **fds, gsize *nfds, int flags, GError **error)
{
  Wrong *self = TEST_WRONG (ioc);

  if (self->read_sets_error)
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED, "Not today");
  return self->read_result;
}

static gssize
wrong_writev (QIOChannel *ioc, const struct iovec *iov, gsize niov, int *fds, gsize nfds, int flags, GError **error)
{
  return 0;
}

static GSource *
wrong_create_watch (QIOChannel *ioc, GIOCondition condition)
{
  return g_steal_pointer (&TEST_WRONG (ioc)->watch);
}

static void
wrong_class_init (WrongClass *klass)
{
  QIO_CHANNEL_CLASS (klass)->io_readv = wrong_readv;
  QIO_CHANNEL_CLASS (klass)->io_writev = wrong_writev;
  QIO_CHANNEL_CLASS (klass)->io_create_watch = wrong_create_watch;
}

static void
wrong_init (Wrong *self)
{
}

/* What the stages share. */

static char *directory;

static gboolean
holds (GBytes *bytes, const char *expected)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  return size == strlen (expected) && (size == 0 || memcmp (data, expected, size) == 0);
}

static void
make_pair (QIOChannelSocket **one, QIOChannelSocket **other)
{
  GError *error = NULL;

  check (qio_channel_socket_new_pair (one, other, &error));
  check_ok (error);
}

/* A watch notes what it was called with. */
typedef struct
{
  guint calls;
  guint freed;
  QIOChannel *ioc;
  GIOCondition condition;
} Seen;

static gboolean
note (QIOChannel *ioc, GIOCondition condition, gpointer user_data)
{
  Seen *seen = user_data;

  seen->calls++;
  seen->ioc = ioc;
  seen->condition = condition;
  return G_SOURCE_REMOVE;
}

static void
note_freed (gpointer user_data)
{
  ((Seen *) user_data)->freed++;
}

static void
run_until_called (Seen *seen, GMainContext *context)
{
  while (seen->calls == 0)
    g_main_context_iteration (context, TRUE);
}

/* Asynchronous calls leave their result for whoever runs the main loop. */
static void
take_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **place = user_data;

  *place = g_object_ref (result);
}

static GAsyncResult *
await (GAsyncResult **place)
{
  while (*place == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *place;
}

/* The stages. */

static void
files (void)
{
  g_autofree char *path = g_build_filename (directory, "file", NULL);
  g_autofree char *missing = g_build_filename (directory, "missing", NULL);
  g_autofree char *told = NULL;
  GError *error = NULL;
  char buf[16];
  QIOChannelFile *file = qio_channel_file_new_path (path, O_RDWR | O_CREAT, 0600, &error);
  QIOChannel *ioc = QIO_CHANNEL (file);

  check_ok (error);
  told = qio_channel_file_get_path (file);
  check (strcmp (told, path) == 0);
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
  /* What bindings call knows no -2. */
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
  struct iovec room = { &byte, 1 };
  int pipe_fds[2], *fds = NULL;
  gsize nfds = 0;

  make_pair (&one, &other);
  check (pipe (pipe_fds) == 0);
  check (qio_channel_writev_full (QIO_CHANNEL (one), &iov, 1, &pipe_fds[1], 1, 0, &error) == 1);
  check (qio_channel_readv_full (QIO_CHANNEL (other), &room, 1, &fds, &nfds, 0, &error) == 1);
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
watches (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autoptr (GMainContext) private = g_main_context_new ();
  GSource *source;
  Seen seen = { 0 };
  char buf[4];

  make_pair (&one, &other);
  check (qio_channel_write_all (QIO_CHANNEL (other), "w", 1, &error) == 0);

  check (qio_channel_add_watch (QIO_CHANNEL (one), G_IO_IN, note, &seen, note_freed) != 0);
  run_until_called (&seen, NULL);
  check (seen.calls == 1 && seen.freed == 1);
  check (seen.ioc == QIO_CHANNEL (one) && seen.condition == G_IO_IN);

  /* On a private context: the default one has nothing to do with it. */
  seen = (Seen) { 0 };
  check (qio_channel_add_watch_full (QIO_CHANNEL (one), G_IO_IN, note, &seen, note_freed, private) != 0);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  check (seen.calls == 0);
  run_until_called (&seen, private);
  check (seen.condition == G_IO_IN && seen.freed == 1);

  /* A source of one's own, and one that is taken back. */
  seen = (Seen) { 0 };
  source = qio_channel_create_watch (QIO_CHANNEL (one), G_IO_IN);
  g_source_set_callback (source, G_SOURCE_FUNC (note), &seen, note_freed);
  g_source_attach (source, private);
  run_until_called (&seen, private);
  check (g_source_is_destroyed (source));
  g_source_unref (source);

  seen = (Seen) { 0 };
  source = qio_channel_create_watch_full (QIO_CHANNEL (one), G_IO_IN, note, &seen, note_freed);
  g_source_attach (source, NULL);
  run_until_called (&seen, NULL);
  g_source_unref (source);

  seen = (Seen) { 0 };
  source = qio_channel_add_watch_source (QIO_CHANNEL (one), G_IO_IN, note, &seen, note_freed, private);
  g_source_destroy (source);
  g_source_unref (source);
  check (seen.calls == 0 && seen.freed == 1);

  /* A hang-up is told, whatever was asked for. */
  check (qio_channel_read_all (QIO_CHANNEL (one), buf, 1, &error) == 0);
  check (qio_channel_close (QIO_CHANNEL (other), &error) == 0);
  seen = (Seen) { 0 };
  check (qio_channel_add_watch (QIO_CHANNEL (one), G_IO_IN, note, &seen, NULL) != 0);
  run_until_called (&seen, NULL);
  check (seen.condition & G_IO_HUP);
  check_ok (error);
}

static void
asynchronous (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GBytes) hello = g_bytes_new_static ("hello", 5);
  GAsyncResult *result = NULL;
  GBytes *bytes;

  make_pair (&one, &other);

  /* The read comes first, and waits. */
  qio_channel_read_bytes_all_async (QIO_CHANNEL (one), 5, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  check (result == NULL);
  {
    GAsyncResult *written = NULL;

    qio_channel_write_bytes_all_async (QIO_CHANNEL (other), hello, G_PRIORITY_DEFAULT, NULL, take_result, &written);
    check (qio_channel_write_bytes_all_finish (QIO_CHANNEL (other), await (&written), &error));
    g_clear_object (&written);
  }
  bytes = qio_channel_read_bytes_all_finish (QIO_CHANNEL (one), await (&result), &error);
  check_ok (error);
  check (holds (bytes, "hello"));
  g_bytes_unref (bytes);
  g_clear_object (&result);

  /* A read that somebody cancels loses no data. */
  qio_channel_read_bytes_async (QIO_CHANNEL (one), 5, G_PRIORITY_DEFAULT, cancellable, take_result, &result);
  g_cancellable_cancel (cancellable);
  check (qio_channel_read_bytes_finish (QIO_CHANNEL (one), await (&result), &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_object (&result);

  check (qio_channel_write_bytes_all (QIO_CHANNEL (other), hello, &error));
  qio_channel_ready_async (QIO_CHANNEL (one), G_IO_IN, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  check (qio_channel_ready_finish (QIO_CHANNEL (one), await (&result), &error) == G_IO_IN);
  g_clear_object (&result);
  qio_channel_read_bytes_async (QIO_CHANNEL (one), 2, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  bytes = qio_channel_read_bytes_finish (QIO_CHANNEL (one), await (&result), &error);
  check (holds (bytes, "he"));
  g_bytes_unref (bytes);
  g_clear_object (&result);

  /* The end, in the middle and at the start. */
  check (qio_channel_shutdown (QIO_CHANNEL (other), QIO_CHANNEL_SHUTDOWN_WRITE, &error) == 0);
  qio_channel_read_bytes_all_async (QIO_CHANNEL (one), 10, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  check (qio_channel_read_bytes_all_finish (QIO_CHANNEL (one), await (&result), &error) == NULL);
  check_error (error, QIO_CHANNEL_ERROR, QIO_CHANNEL_ERROR_TRUNCATED);
  g_clear_object (&result);
  qio_channel_read_bytes_all_eof_async (QIO_CHANNEL (one), 10, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  check (qio_channel_read_bytes_all_eof_finish (QIO_CHANNEL (one), await (&result), &error) == NULL);
  check_ok (error);
  g_clear_object (&result);

  qio_channel_close_async (QIO_CHANNEL (one), G_PRIORITY_DEFAULT, NULL, take_result, &result);
  check (qio_channel_close_finish (QIO_CHANNEL (one), await (&result), &error) == 0);
  check_ok (error);
  check (qio_channel_is_closed (QIO_CHANNEL (one)));
  g_clear_object (&result);
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

static void
derived_from_abstract (void)
{
  GError *error = NULL;
  g_autoptr (Echo) echo = g_object_new (TYPE_ECHO, "name", "echo", NULL);
  QIOChannel *ioc = QIO_CHANNEL (echo);
  g_autoptr (GBytes) bytes = g_bytes_new_static ("by bytes", 8);
  g_autoptr (GBytes) again = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  struct iovec iov[] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } };
  Seen seen = { 0 };
  char buf[16];

  check (qio_channel_read (ioc, buf, sizeof buf, &error) == QIO_CHANNEL_ERR_BLOCK);
  check (qio_channel_writev_all (ioc, iov, G_N_ELEMENTS (iov), &error) == 0);
  check (qio_channel_read_all (ioc, buf, 5, &error) == 0);
  check (memcmp (buf, "abcde", 5) == 0);

  /* The slots of iovecs serve the functions of bytes too. */
  check (qio_channel_write_bytes (ioc, bytes, &error) == 8);
  again = qio_channel_read_bytes_all (ioc, 8, &error);
  check (g_bytes_equal (bytes, again));
  g_clear_pointer (&again, g_bytes_unref);

  /* One small slot is enough to wait by a watch, and asynchronously. */
  check (qio_channel_add_watch (ioc, G_IO_IN, note, &seen, NULL) != 0);
  check (qio_channel_add_watch (ioc, G_IO_OUT, note, &seen, NULL) != 0);
  run_until_called (&seen, NULL);
  check (seen.condition == G_IO_OUT);
  seen = (Seen) { 0 };
  check (qio_channel_write (ioc, "x", 1, &error) == 1);
  run_until_called (&seen, NULL);
  check (seen.condition == G_IO_IN);
  check (qio_channel_read (ioc, buf, sizeof buf, &error) == 1);

  qio_channel_read_bytes_all_async (ioc, 8, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  check (qio_channel_write_bytes_all (ioc, bytes, &error));
  again = qio_channel_read_bytes_all_finish (ioc, await (&result), &error);
  check_ok (error);
  check (g_bytes_equal (bytes, again));

  /* What it does not do, the base class says. */
  check (qio_channel_io_seek (ioc, 0, SEEK_SET, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
  check (qio_channel_shutdown (ioc, QIO_CHANNEL_SHUTDOWN_BOTH, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
  qio_channel_set_cork (ioc, TRUE);
  check (qio_channel_close (ioc, &error) == 0);
  check (qio_channel_write (ioc, "x", 1, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
}

static void
derived_from_concrete (void)
{
  GError *error = NULL;
  g_autoptr (Upper) upper = g_object_new (TYPE_UPPER, NULL);
  g_autoptr (Counter) counter = g_object_new (TYPE_COUNTER, NULL);
  g_autoptr (QIOChannelSocket) peer = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  int fds[2];
  char buf[4];

  check (qio_channel_read (QIO_CHANNEL (upper), buf, 1, &error) == -1);
  g_clear_error (&error);
  check (pipe (fds) == 0);
  check (qio_channel_file_adopt_fd (QIO_CHANNEL_FILE (upper), fds[0], &error));
  check (write (fds[1], "abcdef", 6) == 6);
  check (qio_channel_read_all (QIO_CHANNEL (upper), buf, 3, &error) == 0);
  check (memcmp (buf, "ABC", 3) == 0);
  bytes = qio_channel_read_bytes (QIO_CHANNEL (upper), 10, &error);
  check (holds (bytes, "DEF"));
  g_clear_pointer (&bytes, g_bytes_unref);
  check (qio_channel_close (QIO_CHANNEL (upper), &error) == 0);
  check (qio_channel_close (QIO_CHANNEL (upper), &error) == 0);
  check (upper->closes == 1);
  close (fds[1]);

  /* The slots of bytes serve the functions of buffers too. */
  make_pair (&peer, &other);
  check (qio_channel_socket_adopt_fd (QIO_CHANNEL_SOCKET (counter),
                                      dup (qio_channel_socket_get_fd (other)), &error));
  check (qio_channel_write_all (QIO_CHANNEL (counter), "four", 4, &error) == 0);
  check (qio_channel_read_all (QIO_CHANNEL (peer), buf, 4, &error) == 0);
  check (qio_channel_write_all (QIO_CHANNEL (peer), "xyz", 3, &error) == 0);
  check (qio_channel_read_all (QIO_CHANNEL (counter), buf, 3, &error) == 0);
  check (memcmp (buf, "xyz", 3) == 0);
  check (counter->sent == 4 && counter->received == 3);
  check_ok (error);
}

static void
wrong_classes (void)
{
  GError *error = NULL;
  g_autoptr (Wrong) wrong = g_object_new (TYPE_WRONG, NULL);
  QIOChannel *ioc = QIO_CHANNEL (wrong);
  Seen seen = { 0 };
  char buf[4];

  /* An error, with whatever result. */
  wrong->read_sets_error = TRUE;
  wrong->read_result = -1;
  check (qio_channel_read (ioc, buf, sizeof buf, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
  wrong->read_result = 0;
  check (qio_channel_read_bytes (ioc, sizeof buf, &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);

  /* No error, with a result that cannot be. */
  wrong->read_sets_error = FALSE;
  wrong->read_result = -1;
  check (qio_channel_read (ioc, buf, sizeof buf, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_FAILED);
  wrong->read_result = 1000;
  check (qio_channel_read (ioc, buf, sizeof buf, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_FAILED);
  check (qio_channel_write (ioc, "x", 1, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_FAILED);

  /* A source of another kind calls the callback nevertheless, and no source at all says so. */
  wrong->watch = g_timeout_source_new (1);
  check (qio_channel_add_watch (ioc, G_IO_IN, note, &seen, note_freed) != 0);
  run_until_called (&seen, NULL);
  check (seen.ioc == ioc && seen.condition == G_IO_IN && seen.freed == 1);

  seen = (Seen) { 0 };
  check (qio_channel_add_watch (ioc, G_IO_IN, note, &seen, note_freed) != 0);
  run_until_called (&seen, NULL);
  check (seen.condition == G_IO_NVAL && seen.freed == 1);
}

int
main (int argc, char *argv[])
{
  GError *error = NULL;

  directory = g_dir_make_tmp ("qio-journey-XXXXXX", &error);
  check_ok (error);

  files ();
  pair ();
  descriptors ();
  loopback ();
  watches ();
  asynchronous ();
  properties ();
  /* Valgrind may not know the system calls that watch a child. */
  if (argc < 2 || strcmp (argv[1], "--without-child") != 0)
    command ();
  memory ();
  derived_from_abstract ();
  derived_from_concrete ();
  wrong_classes ();

  {
    g_autofree char *path = g_build_filename (directory, "file", NULL);

    check (unlink (path) == 0 && rmdir (directory) == 0);
    g_free (directory);
  }
  printf ("journey: ok\n");
  return 0;
}
