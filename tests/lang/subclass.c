/* The part of the journey in C with classes in C: valid ones, and invalid ones. */
#include "journey.h"

#include <ctype.h>
#include <sys/eventfd.h>
#include <unistd.h>

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

/* Upper, derived from the class of files: reads return capital letters. */

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

/* The stages. */

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

  /* The base class reports what it does not implement. */
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

  /* A source of another kind calls the callback nevertheless, and a missing source is reported. */
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
main (void)
{
  derived_from_abstract ();
  derived_from_concrete ();
  wrong_classes ();
  printf ("subclass: ok\n");
  return 0;
}
