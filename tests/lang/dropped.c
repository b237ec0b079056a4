/* Coroutines whose context is destroyed: one that returns, one in a wait, and one that continues to wait. */
#include "check.h"

static QIOChannelSocket *one, *other;
static int yields, ended, waits, freed;

static void
count_free (gpointer data)
{
  ++*(int *) data;
}

static void
yielding (gpointer data)
{
  while (qio_coroutine_yield ())
    yields++;
  ended++;
}

static void
waiting (gpointer data)
{
  GError *error = NULL;
  GIOCondition ready = 0;
  check (qio_channel_yield_full (QIO_CHANNEL (one), G_IO_OUT, &ready, &error));
  check_ok (error);
  check (ready == G_IO_OUT);
  check (!qio_channel_yield_full (QIO_CHANNEL (one), G_IO_IN, &ready, &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  ended++;
}

static void
stubborn (gpointer data)
{
  for (;;)
    {
      waits++;
      qio_coroutine_yield ();
    }
}

int
main (void)
{
  GError *error = NULL;
  GMainContext *context = g_main_context_new ();
  check (qio_channel_socket_new_pair (&one, &other, &error));
  check_ok (error);
  g_main_context_push_thread_default (context);
  qio_coroutine_start (yielding, &freed, count_free);
  qio_coroutine_start (waiting, &freed, count_free);
  qio_coroutine_start (stubborn, NULL, NULL);
  for (int i = 0; i < 10; i++)
    g_main_context_iteration (context, FALSE);
  g_main_context_pop_thread_default (context);
  check (yields > 0 && waits > 0 && ended == 0);
  g_main_context_unref (context);
  check (ended == 2 && freed == 2);
  g_object_unref (one);
  g_object_unref (other);
  printf ("dropped: ok\n");
  return 0;
}
