/* An echo server on one main loop: every client gets back what it sends.
 *
 *   cc -o echo examples/c/echo.c $(pkg-config --cflags --libs qio-1.0)
 *   ./echo [PORT]
 *
 * Each client is served by a coroutine, which reads and writes in blocking style: where it would block, it is
 * suspended and the main loop runs the others.
 * With QIO_MONITOR=listen in its environment, qio top shows its channels. */

#include <stdio.h>
#include <stdlib.h>

#include <qio/qio.h>

static void
serve (gpointer user_data)
{
  QIOChannel *client = user_data;
  GError *error = NULL;
  char buf[4096];
  gssize n;

  while ((n = qio_channel_read (client, buf, sizeof buf, &error)) != 0)
    {
      if (n == QIO_CHANNEL_ERR_BLOCK)
        qio_channel_yield (client, G_IO_IN); /* the others' turn */
      else if (n < 0 || qio_channel_write_all (client, buf, n, &error) < 0)
        break;
    }
  if (error != NULL)
    {
      fprintf (stderr, "echo: %s\n", error->message);
      g_error_free (error);
    }
  qio_channel_close (client, NULL);
}

static gboolean
accept_clients (QIOChannel *listener, GIOCondition condition, gpointer user_data)
{
  GError *error = NULL;
  QIOChannelSocket *client = qio_channel_socket_accept (QIO_CHANNEL_SOCKET (listener), &error);

  if (client != NULL && qio_channel_set_blocking (QIO_CHANNEL (client), FALSE, &error) == 0)
    qio_coroutine_start (serve, client, g_object_unref); /* released at the end */
  else
    g_clear_object (&client);

  /* A client that has disconnected is not reported. */
  if (error != NULL && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    fprintf (stderr, "echo: %s\n", error->message);
  g_clear_error (&error);
  return G_SOURCE_CONTINUE;
}

int
main (int argc, char *argv[])
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (QIOChannelSocket) listener = qio_channel_socket_new ();
  g_autoptr (GSocketAddress) wanted = NULL;
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GError) error = NULL;
  int port = argc > 1 ? atoi (argv[1]) : 0; /* 0: one that is free */

  wanted = g_inet_socket_address_new_from_string ("127.0.0.1", port);
  if (qio_channel_socket_listen_sync (listener, wanted, 128, &error) == 0 &&
      qio_channel_set_blocking (QIO_CHANNEL (listener), FALSE, &error) == 0)
    address = qio_channel_socket_get_local_address (listener, &error);
  if (address == NULL)
    {
      fprintf (stderr, "echo: %s\n", error->message);
      return 1;
    }
  printf ("echo: listening on 127.0.0.1:%u\n",
          g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)));
  fflush (stdout);

  qio_channel_add_watch (QIO_CHANNEL (listener), G_IO_IN, accept_clients, NULL, NULL);
  g_main_loop_run (loop);
  return 0;
}
