/* Contexts are torn down with all kinds of waits pending in them, while other threads close the
 * channels, write to them and wait for them. The argument is the duration in seconds. */
#include "check.h"

#define CHANNELS 4

typedef struct
{
  GMutex lock;
  QIOChannelSocket *ends[2];
} Pair;

static Pair pairs[CHANNELS];
static int stopped;
static int rounds;

static QIOChannel *
take (unsigned *seed, int end)
{
  Pair *pair = &pairs[rand_r (seed) % CHANNELS];
  g_mutex_lock (&pair->lock);
  QIOChannel *channel = QIO_CHANNEL (g_object_ref (pair->ends[end]));
  g_mutex_unlock (&pair->lock);
  return channel;
}

static void
make_pair (QIOChannelSocket *ends[2])
{
  GError *error = NULL;
  check (qio_channel_socket_new_pair (&ends[0], &ends[1], &error));
  check_ok (error);
  for (int i = 0; i < 2; i++)
    check (qio_channel_set_blocking (QIO_CHANNEL (ends[i]), FALSE, NULL) == 0);
}

static gpointer
renew (gpointer data)
{
  unsigned seed = 1;
  while (!g_atomic_int_get (&stopped))
    {
      QIOChannelSocket *old[2], *new[2];
      make_pair (new);
      Pair *pair = &pairs[rand_r (&seed) % CHANNELS];
      g_mutex_lock (&pair->lock);
      for (int i = 0; i < 2; i++)
        {
          old[i] = pair->ends[i];
          pair->ends[i] = new[i];
        }
      g_mutex_unlock (&pair->lock);
      for (int i = 0; i < 2; i++)
        {
          if (rand_r (&seed) & 1)
            qio_channel_close (QIO_CHANNEL (old[i]), NULL);
          g_object_unref (old[i]);
        }
    }
  return NULL;
}

static gpointer
write_on (gpointer data)
{
  unsigned seed = 2;
  while (!g_atomic_int_get (&stopped))
    {
      QIOChannel *channel = take (&seed, 1);
      qio_channel_write (channel, "hello", 1 + rand_r (&seed) % 5, NULL);
      g_object_unref (channel);
    }
  return NULL;
}

static gboolean
on_watch (QIOChannel *channel, GIOCondition condition, gpointer data)
{
  char buffer[64];
  qio_channel_read (channel, buffer, sizeof buffer, NULL);
  return !(condition & G_IO_NVAL);
}

static void
on_handler (void *channel)
{
  char buffer[64];
  qio_channel_read (channel, buffer, sizeof buffer, NULL);
}

static void
on_read (GObject *object, GAsyncResult *result, gpointer data)
{
  GBytes *bytes = qio_channel_read_bytes_finish (QIO_CHANNEL (object), result, NULL);
  g_clear_pointer (&bytes, g_bytes_unref);
}

/* Begins something in a context that is about to go. */
static void
begin (unsigned *seed, GMainContext *context)
{
  QIOChannel *channel = take (seed, 0);
  GIOCondition got;
  switch (rand_r (seed) % 6)
    {
    case 0:
      qio_channel_read_bytes_async (channel, 64, 0, NULL, on_read, NULL);
      break;
    case 1:
      qio_channel_set_aio_fd_handler (channel, context, on_handler, NULL, channel);
      break;
    case 2:
      qio_channel_wait_timeout (channel, G_IO_IN, 1000, &got, NULL);
      break;
    default:
      qio_channel_add_watch_full (channel, G_IO_IN, on_watch, NULL, NULL, context);
    }
  g_object_unref (channel);
}

static gpointer
make_contexts (gpointer data)
{
  unsigned seed = GPOINTER_TO_UINT (data);
  while (!g_atomic_int_get (&stopped))
    {
      GMainContext *context = g_main_context_new ();
      g_main_context_push_thread_default (context);
      for (int i = rand_r (&seed) % 4; i >= 0; i--)
        begin (&seed, context);
      /* Some watches become idle ones, which the hub waits for. */
      for (int i = rand_r (&seed) % 80; i >= 0; i--)
        {
          g_main_context_iteration (context, FALSE);
          if (rand_r (&seed) % 8 == 0)
            g_usleep (50);
        }
      g_main_context_pop_thread_default (context);
      g_main_context_unref (context);
      g_atomic_int_inc (&rounds);
    }
  return NULL;
}

int
main (int argc, char **argv)
{
  GThread *threads[5];
  check (argc > 1);
  for (int i = 0; i < CHANNELS; i++)
    make_pair (pairs[i].ends);
  threads[0] = g_thread_new ("renew", renew, NULL);
  threads[1] = g_thread_new ("write", write_on, NULL);
  for (guint i = 2; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("contexts", make_contexts, GUINT_TO_POINTER (i));
  g_usleep (atoi (argv[1]) * G_USEC_PER_SEC);
  g_atomic_int_set (&stopped, 1);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  for (int i = 0; i < CHANNELS; i++)
    for (int j = 0; j < 2; j++)
      g_object_unref (pairs[i].ends[j]);
  printf ("teardown: %d contexts\n", g_atomic_int_get (&rounds));
  printf ("teardown: ok\n");
  return 0;
}
