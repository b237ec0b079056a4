/* Connecting again after failures, and serving on a pool of threads. */
#include "journey.h"

#include <unistd.h>

/* A server that listens later: attempts are counted by the signals of their ends. */
static void
count_attempts (QIOChannelSocket *socket, QIOChannelConnectStage stage, GSocketConnectable *connectable,
                GSocketAddress *address, gpointer user_data)
{
  *(guint *) user_data += stage == QIO_CHANNEL_CONNECT_STAGE_COMPLETE;
}

static void
connecting_again (void)
{
  GError *error = NULL;
  g_autoptr (QIOBackoff) backoff = qio_backoff_new ();
  g_autoptr (QIOBackoff) copy = NULL;
  g_autofree char *text = g_strdup_printf ("unix:@qio-again-%d", getpid ());
  g_autoptr (QIONetAddress) address = qio_net_address_new_from_string (text, &error);
  g_autoptr (GSocketConnectable) target = qio_net_address_get_connectable (address, &error);
  g_autoptr (GAsyncResult) refused = NULL;
  g_autoptr (GAsyncResult) cancelled = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (QIOChannelSocket) listener = NULL;
  g_autoptr (QIOChannelSocket) socket = qio_channel_socket_new ();
  guint attempts = 0;

  check_ok (error);
  check (qio_backoff_get_delay (backoff, 1) <= 100 && qio_backoff_get_delay (backoff, 100) <= 30000);
  qio_backoff_set_attempts (backoff, 3);
  qio_backoff_set_delays (backoff, 2, 7);
  qio_backoff_set_factor (backoff, 3);
  qio_backoff_set_jitter (backoff, FALSE);
  copy = qio_backoff_copy (backoff);
  check (qio_backoff_get_delay (copy, 1) == 2 && qio_backoff_get_delay (copy, 2) == 6);
  check (qio_backoff_get_delay (copy, 3) == 7);
  qio_backoff_free (qio_backoff_copy (copy));

  check (qio_channel_socket_connect_with_backoff_sync (socket, target, backoff, NULL, &error) == -1);
  check (g_str_has_suffix (error->message, "Connection refused (3 attempts)"));
  check_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
  qio_channel_socket_connect_with_backoff_async (socket, target, backoff, NULL, G_PRIORITY_DEFAULT, NULL, take_result,
                                                 &refused);
  check (!qio_channel_socket_connect_with_backoff_finish (socket, await (&refused), &error));
  check (g_str_has_suffix (error->message, "Connection refused (3 attempts)"));
  check_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);

  /* Cancelled in a delay that would last for weeks. */
  qio_backoff_set_attempts (backoff, 0);
  qio_backoff_set_delays (backoff, G_MAXUINT, G_MAXUINT);
  g_signal_connect (socket, "connect-progress", G_CALLBACK (count_attempts), &attempts);
  qio_channel_socket_connect_with_backoff_async (socket, target, backoff, NULL, G_PRIORITY_DEFAULT, cancellable,
                                                 take_result, &cancelled);
  while (attempts == 0)
    g_main_context_iteration (NULL, TRUE);
  g_cancellable_cancel (cancellable);
  check (!qio_channel_socket_connect_with_backoff_finish (socket, await (&cancelled), &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  check (qio_channel_socket_connect_with_backoff_sync (socket, target, backoff, cancellable, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  /* It listens after two failures. */
  attempts = 0;
  qio_backoff_set_delays (backoff, 1, 20);
  qio_channel_socket_connect_with_backoff_async (socket, target, backoff, NULL, G_PRIORITY_DEFAULT, NULL, take_result,
                                                 &result);
  while (attempts < 2)
    g_main_context_iteration (NULL, TRUE);
  listener = qio_net_address_listen_sync (address, 5, &error);
  check (qio_channel_socket_connect_with_backoff_finish (socket, await (&result), &error));
  check_ok (error);
  check (attempts >= 3);

  /* Another attempt would not do. */
  check (qio_channel_socket_connect_with_backoff_sync (socket, target, backoff, NULL, &error) == -1);
  check (g_str_has_suffix (error->message, "(1 attempt)"));
  check_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
}

/* Serves a client in a thread of a pool, and leaves it open. */
static void
greet (QIONetListener *listener, QIOChannelSocket *client, gpointer user_data)
{
  GMainContext *context = g_main_context_get_thread_default ();

  check (context != NULL && g_main_context_is_owner (context));
  check (qio_channel_write_all (QIO_CHANNEL (client), "hello", 5, NULL) == 0);
  g_async_queue_push (user_data, g_object_ref (client));
}

static void
serving_on_a_pool (void)
{
  GError *error = NULL;
  g_autoptr (QIOContextPool) pool = qio_context_pool_new (2, &error);
  g_autoptr (QIONetListener) listener = qio_net_listener_new ();
  g_autoptr (GAsyncQueue) served = g_async_queue_new_full (g_object_unref);
  g_autoptr (GAsyncResult) ended = NULL;
  QIOChannel *outside[4];
  char buf[5];
  guint port, n_threads;
  int in_use;

  check_ok (error);
  check (qio_context_pool_get_n_threads (pool) == 2);
  g_object_get (pool, "n-threads", &n_threads, NULL);
  check (n_threads == 2 && qio_context_pool_get_context (pool, 2) == NULL);
  check (qio_context_pool_get_context (pool, 0) != qio_context_pool_get_context (pool, 1));
  check (qio_net_listener_serve_on (listener, pool, greet, g_async_queue_ref (served),
                                    (GDestroyNotify) g_async_queue_unref, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);

  port = qio_net_listener_open_port (listener, 0, 5, &error);
  check (qio_net_listener_serve_on (listener, pool, greet, g_async_queue_ref (served),
                                    (GDestroyNotify) g_async_queue_unref, &error) == 0);
  check_ok (error);
  for (guint i = 0; i < G_N_ELEMENTS (outside); i++)
    {
      outside[i] = client_of_port (port);
      check (qio_channel_read_all (outside[i], buf, 5, &error) == 0 && memcmp (buf, "hello", 5) == 0);
    }

  /* Of four connections two are closed, one is released, and one is in use after the timeout. The end of the others
   * may not have been noticed by then. */
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (QIOChannel) client = g_async_queue_pop (served);

      check (i == 2 || qio_channel_close (client, &error) == 0);
    }
  qio_context_pool_shutdown_async (pool, 10000, G_PRIORITY_DEFAULT, NULL, take_result, &ended);
  in_use = qio_context_pool_shutdown_finish (pool, await (&ended), &error);
  check (in_use >= 1 && in_use <= 4);
  check (qio_context_pool_shutdown (pool, -1, &error) == in_use);
  check_ok (error);
  check (qio_net_listener_serve_on (listener, pool, greet, NULL, NULL, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  qio_net_listener_disconnect (listener);
  for (guint i = 0; i < G_N_ELEMENTS (outside); i++)
    g_object_unref (outside[i]);
}

int
main (void)
{
  connecting_again ();
  serving_on_a_pool ();
  printf ("serving: ok\n");
  return 0;
}
