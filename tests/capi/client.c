/* A client of the library that is installed. */
#include <qio/qio.h>

#include <string.h>

#undef G_DISABLE_ASSERT

static gboolean
on_ready (QIOChannel *ioc, GIOCondition condition, gpointer user_data)
{
  char buf[16];

  g_assert_true (condition & G_IO_IN);
  g_assert_cmpint (qio_channel_read (ioc, buf, sizeof buf, NULL), ==, 5);
  g_assert_true (memcmp (buf, "hello", 5) == 0);
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

int
main (void)
{
  QIOChannelSocket *here, *there;
  GError *error = NULL;
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);
  char buf[16];

  g_assert_true (qio_channel_socket_new_pair (&here, &there, &error));
  g_assert_no_error (error);
  g_assert_cmpint (qio_channel_set_blocking (QIO_CHANNEL (here), FALSE, &error), ==, 0);
  g_assert_cmpint (qio_channel_read (QIO_CHANNEL (here), buf, sizeof buf, &error), ==, QIO_CHANNEL_ERR_BLOCK);

  qio_channel_add_watch (QIO_CHANNEL (here), G_IO_IN, on_ready, loop, NULL);
  g_assert_cmpint (qio_channel_write_all (QIO_CHANNEL (there), "hello", 5, &error), ==, 0);
  g_main_loop_run (loop);

  g_assert_cmpint (qio_channel_close (QIO_CHANNEL (here), &error), ==, 0);
  g_assert_cmpint (qio_channel_read (QIO_CHANNEL (here), buf, sizeof buf, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  g_clear_error (&error);

  g_object_unref (here);
  g_object_unref (there);
  g_main_loop_unref (loop);
  return 0;
}
