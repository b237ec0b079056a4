/* The cost of a channel in a C program, compared with the bare system calls, and a ping-pong of two watches.
 *
 * calls:       one line "NAME OURS_NS BARE_NS" for each pair, medians of rounds that take turns
 * watch COUNT: the nanoseconds of one round trip
 */

#include <qio/qio.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ROUNDS 301
#define CALLS 2000

static int fds[2];
static QIOChannel *ends[2];

static gint64
now (void)
{
  struct timespec time;
  clock_gettime (CLOCK_MONOTONIC, &time);
  return (gint64) time.tv_sec * 1000000000 + time.tv_nsec;
}

static void
check (gboolean is_so, const char *what)
{
  if (!is_so)
    {
      fprintf (stderr, "calls: %s\n", what);
      exit (1);
    }
}

static void
bare_byte (void)
{
  char byte = 'x';
  check (send (fds[0], &byte, 1, MSG_NOSIGNAL) == 1, "send");
  check (recv (fds[1], &byte, 1, 0) == 1, "recv");
}

static void
our_byte (void)
{
  char byte = 'x';
  check (qio_channel_write (ends[0], &byte, 1, NULL) == 1, "write");
  check (qio_channel_read (ends[1], &byte, 1, NULL) == 1, "read");
}

static void
bare_would_block (void)
{
  char byte;
  check (recv (fds[1], &byte, 1, 0) == -1, "recv of nothing");
}

static void
our_would_block (void)
{
  char byte;
  check (qio_channel_read (ends[1], &byte, 1, NULL) == QIO_CHANNEL_ERR_BLOCK, "read of nothing");
}

static int
compare (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

static double
round_of (void (*call) (void))
{
  gint64 begin = now ();
  for (int i = 0; i < CALLS; i++)
    call ();
  return (double) (now () - begin) / CALLS;
}

static void
compare_calls (const char *name, void (*ours) (void), void (*bare) (void))
{
  static double our_ns[ROUNDS], bare_ns[ROUNDS];
  for (int i = 0; i < ROUNDS; i++)
    {
      our_ns[i] = round_of (ours);
      bare_ns[i] = round_of (bare);
    }
  qsort (our_ns, ROUNDS, sizeof (double), compare);
  qsort (bare_ns, ROUNDS, sizeof (double), compare);
  printf ("%s %.1f %.1f\n", name, our_ns[ROUNDS / 2], bare_ns[ROUNDS / 2]);
}

static GMainLoop *loop;
static long left;

static gboolean
answer (QIOChannel *ioc, GIOCondition condition G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  char buf[64];
  gssize count = qio_channel_read (ioc, buf, sizeof buf, NULL);
  if (count > 0)
    check (qio_channel_write (ioc, buf, (gsize) count, NULL) == count, "answer");
  return G_SOURCE_CONTINUE;
}

static gboolean
send_request (QIOChannel *ioc, GIOCondition condition G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
  char buf[64];
  if (qio_channel_read (ioc, buf, sizeof buf, NULL) <= 0)
    return G_SOURCE_CONTINUE;
  if (--left == 0)
    g_main_loop_quit (loop);
  else
    check (qio_channel_write (ioc, "x", 1, NULL) == 1, "send_request");
  return G_SOURCE_CONTINUE;
}

static void
ping_pong (long count)
{
  loop = g_main_loop_new (NULL, FALSE);
  left = count;
  qio_channel_add_watch (ends[0], G_IO_IN, send_request, NULL, NULL);
  qio_channel_add_watch (ends[1], G_IO_IN, answer, NULL, NULL);
  gint64 begin = now ();
  check (qio_channel_write (ends[0], "x", 1, NULL) == 1, "first");
  g_main_loop_run (loop);
  printf ("%.1f\n", (double) (now () - begin) / (double) count);
}

int
main (int argc, char **argv)
{
  check (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0, "socketpair");
  for (int i = 0; i < 2; i++)
    {
      ends[i] = QIO_CHANNEL (qio_channel_socket_new_fd (fds[i], NULL));
      check (ends[i] != NULL, "channel");
    }
  if (argc == 3 && strcmp (argv[1], "watch") == 0)
    {
      ping_pong (atol (argv[2]));
      return 0;
    }
  compare_calls ("write+read", our_byte, bare_byte);
  compare_calls ("would-block", our_would_block, bare_would_block);
  return 0;
}
