/* Uses every function of QEMU's channel header once: with its names, its order of arguments and its
 * results. The reading and writing is done twice: by an ordinary caller, and inside a coroutine. */
#include "check.h"

#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static QIOChannel *one, *other;

static void
make_pair (void)
{
  GError *error = NULL;
  QIOChannelSocket *a, *b;

  check (qio_channel_socket_new_pair (&a, &b, &error));
  one = QIO_CHANNEL (a);
  other = QIO_CHANNEL (b);
}

static void
drop_pair (void)
{
  GError *error = NULL;

  check (qio_channel_close (one, &error) == 0);
  check (qio_channel_close (other, &error) == 0);
  check_ok (error);
  g_clear_object (&one);
  g_clear_object (&other);
}

static void
features_and_names (void)
{
  QIOChannel *null = QIO_CHANNEL (qio_channel_null_new ());

  check (!qio_channel_has_feature (null, QIO_CHANNEL_FEATURE_SHUTDOWN));
  qio_channel_set_feature (null, QIO_CHANNEL_FEATURE_SHUTDOWN);
  check (qio_channel_has_feature (null, QIO_CHANNEL_FEATURE_SHUTDOWN));
  qio_channel_set_name (null, "nothing");
  g_object_unref (null);
}

/* Each function that moves data, between two ends of one pair. */
static void
data (void)
{
  GError *error = NULL;
  char a[4], b[8];
  struct iovec out[] = { { "abcd", 4 }, { "efghijkl", 8 } };
  struct iovec in[] = { { a, 4 }, { b, 8 } };
  int devnull = open ("/dev/null", O_RDONLY | O_CLOEXEC), *fds;
  gsize nfds;

  check (devnull >= 0);

  check (qio_channel_write (one, "w", 1, &error) == 1);
  check (qio_channel_read (other, a, sizeof a, &error) == 1 && a[0] == 'w');
  check (qio_channel_writev (one, out, 2, &error) == 12);
  check (qio_channel_readv (other, in, 2, &error) == 12);
  check (memcmp (a, "abcd", 4) == 0 && memcmp (b, "efghijkl", 8) == 0);

  check (qio_channel_writev_full (one, out, 2, &devnull, 1, 0, &error) == 12);
  fds = NULL;
  check (qio_channel_readv_full (other, in, 2, &fds, &nfds, 0, &error) == 12);
  check (nfds == 1 && fds[0] != devnull);
  close (fds[0]);
  g_free (fds);

  check (qio_channel_write_all (one, "all!", 4, &error) == 0);
  check (qio_channel_read_all (other, a, 4, &error) == 0);
  check (memcmp (a, "all!", 4) == 0);
  check (qio_channel_writev_all (one, out, 2, &error) == 0);
  check (qio_channel_readv_all (other, in, 2, &error) == 0);
  check (qio_channel_writev_all (one, out, 2, &error) == 0);
  check (qio_channel_readv_all_eof (other, in, 2, &error) == 1);
  check (memcmp (b, "efghijkl", 8) == 0);

  check (qio_channel_writev_full_all (one, out, 2, &devnull, 1, &error) == 0);
  check (qio_channel_readv_full_all (other, in, 2, &fds, &nfds, &error) == 0);
  check (nfds == 1);
  close (fds[0]);
  g_free (fds);
  check (qio_channel_writev_full_all (one, out, 2, &devnull, 1, &error) == 0);
  check (qio_channel_readv_full_all_with_flags (other, in, 2, &fds, &nfds, QIO_CHANNEL_READ_FLAG_FD_PRESERVE_BLOCKING,
                                                &error) == 0);
  check (nfds == 1);
  close (fds[0]);
  g_free (fds);
  check (qio_channel_writev_all (one, out, 2, &error) == 0);
  check (qio_channel_readv_full_all_eof_with_flags (other, in, 2, NULL, NULL, 0, &error) == 1);
  check_ok (error);
  check (qio_channel_readv_full_all_with_flags (other, in, 2, NULL, NULL, QIO_CHANNEL_READ_FLAG_MSG_PEEK, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  check (qio_channel_writev_full_all_with_flags (one, out, 2, &devnull, 1, 0, &error) == 0);
  check (qio_channel_readv_full_all_eof (other, in, 2, &fds, &nfds, &error) == 1);
  check (nfds == 1);
  close (fds[0]);
  g_free (fds);
  close (devnull);

  /* End-of-file, which is an error only where more was requested. */
  check (qio_channel_shutdown (one, QIO_CHANNEL_SHUTDOWN_WRITE, &error) == 0);
  check (qio_channel_read (other, a, sizeof a, &error) == 0);
  check (qio_channel_read_all_eof (other, a, sizeof a, &error) == 0);
  check (qio_channel_readv_all_eof (other, in, 2, &error) == 0);
  check (qio_channel_readv_full_all_eof (other, in, 2, &fds, &nfds, &error) == 0);
  check (nfds == 0 && fds == NULL);
  check_ok (error);
  check (qio_channel_readv_all (other, in, 2, &error) == -1);
  check_error (error, QIO_CHANNEL_ERROR, QIO_CHANNEL_ERROR_TRUNCATED);
}

static void
would_block (void)
{
  GError *error = NULL;
  char byte;
  struct iovec in = { &byte, 1 };

  check (qio_channel_set_blocking (one, FALSE, &error) == 0);
  check (qio_channel_read (one, &byte, 1, &error) == QIO_CHANNEL_ERR_BLOCK);
  check (qio_channel_readv (one, &in, 1, &error) == QIO_CHANNEL_ERR_BLOCK);
  check (qio_channel_readv_full (one, &in, 1, NULL, NULL, 0, &error) == QIO_CHANNEL_ERR_BLOCK);
  check_ok (error);
  check (qio_channel_set_blocking (one, TRUE, &error) == 0);
}

static void
hints_and_positions (void)
{
  GError *error = NULL;
  QIOChannel *buffer = QIO_CHANNEL (qio_channel_buffer_new (8));
  char c;

  qio_channel_set_delay (one, FALSE);
  qio_channel_set_cork (one, TRUE);
  qio_channel_set_cork (one, FALSE);

  check (qio_channel_write_all (buffer, "seek", 4, &error) == 0);
  check (qio_channel_io_seek (buffer, -2, SEEK_CUR, &error) == 2);
  check (qio_channel_read (buffer, &c, 1, &error) == 1 && c == 'e');
  check (qio_channel_io_seek (one, 0, SEEK_SET, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED);
  g_object_unref (buffer);
}

static gboolean
count_call (QIOChannel *ioc, GIOCondition condition, gpointer user_data)
{
  check (ioc == one && condition == G_IO_IN);
  ++*(guint *) user_data;
  return G_SOURCE_REMOVE;
}

static void
run_until (guint *calls, guint wanted, GMainContext *context)
{
  while (*calls < wanted)
    g_main_context_iteration (context, TRUE);
}

static void
watches (void)
{
  GError *error = NULL;
  GMainContext *context = g_main_context_new ();
  GSource *source;
  guint calls = 0;
  char byte;

  check (qio_channel_write (other, "w", 1, &error) == 1);
  qio_channel_wait (one, G_IO_IN);

  check (qio_channel_add_watch (one, G_IO_IN, count_call, &calls, NULL) != 0);
  run_until (&calls, 1, NULL);
  check (qio_channel_add_watch_full (one, G_IO_IN, count_call, &calls, NULL, context) != 0);
  run_until (&calls, 2, context);
  source = qio_channel_add_watch_source (one, G_IO_IN, count_call, &calls, NULL, context);
  run_until (&calls, 3, context);
  g_source_unref (source);
  source = qio_channel_create_watch (one, G_IO_IN);
  g_source_set_callback (source, G_SOURCE_FUNC (count_call), &calls, NULL);
  g_source_attach (source, context);
  run_until (&calls, 4, context);
  g_source_unref (source);

  check (qio_channel_read (one, &byte, 1, &error) == 1);
  g_main_context_unref (context);
}

static void
handler (gpointer opaque)
{
  GError *error = NULL;
  char byte;

  check (qio_channel_read (one, &byte, 1, &error) == 1);
  ++*(guint *) opaque;
}

static void
handlers (void)
{
  GError *error = NULL;
  GMainContext *context = g_main_context_new ();
  guint calls = 0;

  qio_channel_set_aio_fd_handler (one, context, handler, NULL, &calls);
  check (qio_channel_write (other, "a", 1, &error) == 1);
  run_until (&calls, 1, context);
  check (qio_channel_write (other, "b", 1, &error) == 1);
  run_until (&calls, 2, context);
  qio_channel_set_aio_fd_handler (one, context, NULL, NULL, NULL);
  g_main_context_unref (context);
}

/* The progress that a coroutine reports. */
typedef struct
{
  guint stage;
  guint freed;
} Progress;

static void
note_freed (gpointer user_data)
{
  ((Progress *) user_data)->freed++;
}

/* Suspended until something can be read: the main loop runs meanwhile. */
static void
yielding_reader (gpointer user_data)
{
  GError *error = NULL;
  Progress *progress = user_data;
  char buf[4];

  check (qio_in_coroutine ());
  check (qio_channel_set_blocking (one, FALSE, &error) == 0);
  progress->stage = 1;
  while (qio_channel_read (one, buf, 1, &error) == QIO_CHANNEL_ERR_BLOCK)
    qio_channel_yield (one, G_IO_IN);
  check (buf[0] == 'y');
  progress->stage = 2;
  check (qio_channel_read_all (one, buf, 4, &error) == 0);
  check (memcmp (buf, "1234", 4) == 0);
  check_ok (error);
  check (qio_channel_set_blocking (one, TRUE, &error) == 0);
  progress->stage = 3;
}

/* Waits for input that never arrives, until another thread ends the wait. */
static void
woken_reader (gpointer user_data)
{
  GError *error = NULL;
  Progress *progress = user_data;
  GIOCondition ready = G_IO_IN;

  progress->stage = 1;
  check (qio_channel_yield_full (one, G_IO_IN, &ready, &error) && ready == 0);
  check_ok (error);
  progress->stage = 2;
}

static gpointer
wakes_reader (gpointer channel)
{
  qio_channel_wake_read (channel);
  return NULL;
}

static void
wakes (void)
{
  Progress progress = { 0 };

  qio_channel_set_follow_coroutine_ctx (one, FALSE);
  qio_coroutine_start (woken_reader, &progress, note_freed);
  while (progress.stage < 1)
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (g_thread_new ("wakes", wakes_reader, one));
  while (progress.freed == 0)
    g_main_context_iteration (NULL, TRUE);
  check (progress.stage == 2);
  qio_channel_set_follow_coroutine_ctx (one, TRUE);
}

static void
yields (void)
{
  GError *error = NULL;
  Progress progress = { 0 };

  check (!qio_in_coroutine ());
  qio_channel_attach_aio_context (one, NULL);
  qio_coroutine_start (yielding_reader, &progress, note_freed);
  while (progress.stage < 1)
    g_main_context_iteration (NULL, TRUE);
  check (qio_channel_write (other, "y", 1, &error) == 1);
  while (progress.stage < 2)
    g_main_context_iteration (NULL, TRUE);
  check (qio_channel_write_all (other, "12", 2, &error) == 0);
  g_main_context_iteration (NULL, FALSE);
  check (progress.stage == 2);
  check (qio_channel_write_all (other, "34", 2, &error) == 0);
  while (progress.freed == 0)
    g_main_context_iteration (NULL, TRUE);
  check (progress.stage == 3 && progress.freed == 1);
  qio_channel_detach_aio_context (one);
}

static void
data_inside (gpointer user_data)
{
  data ();
  would_block ();
  qio_coroutine_yield ();
}

int
main (void)
{
  Progress progress = { 0 };

  features_and_names ();
  make_pair ();
  would_block ();
  hints_and_positions ();
  watches ();
  handlers ();
  yields ();
  wakes ();
  data ();
  drop_pair ();

  make_pair ();
  qio_coroutine_start (data_inside, &progress, note_freed);
  while (progress.freed == 0)
    g_main_context_iteration (NULL, TRUE);
  drop_pair ();

  printf ("seed: ok\n");
  return 0;
}
