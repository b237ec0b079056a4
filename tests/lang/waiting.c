/* The part of the journey in C that waits: watches, and asynchronous calls. */
#include "journey.h"

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

  /* A hang-up is reported, whatever condition was requested. */
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

  /* The read starts first, and waits. */
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

  /* A cancelled read loses no data. */
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

int
main (void)
{
  watches ();
  asynchronous ();
  printf ("waiting: ok\n");
  return 0;
}
