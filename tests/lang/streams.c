/* The part of the journey in C with lines, frames, and channels as streams of GIO. */
#include "journey.h"

#define LIMIT 100

static void
write_text (QIOChannelSocket *socket, const char *text)
{
  GError *error = NULL;

  check (qio_channel_write_all (QIO_CHANNEL (socket), text, strlen (text), &error) == 0);
  check_ok (error);
}

/* Checks an item, and releases it. */
static void
expect (GBytes *item, GError *error, const char *expected)
{
  check_ok (error);
  check (item != NULL && holds (item, expected));
  g_bytes_unref (item);
}

static void
items (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autoptr (GBytes) content = g_bytes_new_static ("a frame", 7);
  QIOChannel *ioc;
  char buf[4];

  make_pair (&one, &other);
  ioc = QIO_CHANNEL (one);
  write_text (other, "one\r\ntwo;body");
  expect (qio_channel_read_line (ioc, LIMIT, &error), error, "one");
  expect (qio_channel_read_until (ioc, (const guint8 *) ";,", 2, LIMIT, &error), error, "two;");
  /* What was read ahead goes to the next reader. */
  check (qio_channel_read_all (ioc, buf, 4, &error) == 0 && memcmp (buf, "body", 4) == 0);

  check (qio_channel_push_back (ioc, content, &error));
  check (qio_channel_read_all (ioc, buf, 2, &error) == 0 && memcmp (buf, "a ", 2) == 0);
  expect (qio_channel_read_until (ioc, (const guint8 *) "e", 1, LIMIT, &error), error, "frame");

  check (qio_channel_write_frame (QIO_CHANNEL (other), QIO_CHANNEL_FRAMING_U32_BE, content, &error));
  expect (qio_channel_read_frame (ioc, QIO_CHANNEL_FRAMING_U32_BE, LIMIT, &error), error, "a frame");

  write_text (other, "too long\n");
  check (qio_channel_read_line (ioc, 3, &error) == NULL);
  check (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE));
  g_clear_error (&error);
  check (qio_channel_read_until (ioc, NULL, 0, LIMIT, &error) == NULL);
  check (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT));
  g_clear_error (&error);
  check (qio_channel_close (QIO_CHANNEL (other), &error) == 0);
  expect (qio_channel_read_to_end (ioc, LIMIT, &error), error, "too long\n");
  check (qio_channel_read_line (ioc, LIMIT, &error) == NULL);
  check_ok (error);
}

static void
items_asynchronously (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autoptr (GBytes) content = g_bytes_new_static ("frame", 5);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;
  QIOChannel *ioc;

  make_pair (&one, &other);
  ioc = QIO_CHANNEL (one);
  qio_channel_write_frame_async (QIO_CHANNEL (other), QIO_CHANNEL_FRAMING_U16_BE, content,
                                 G_PRIORITY_DEFAULT, NULL, take_result, &result);
  await (&result);
  check (qio_channel_write_frame_finish (QIO_CHANNEL (other), result, &error));
  g_clear_object (&result);
  qio_channel_read_frame_async (ioc, QIO_CHANNEL_FRAMING_U16_BE, LIMIT, G_PRIORITY_DEFAULT, NULL,
                                take_result, &result);
  await (&result);
  expect (qio_channel_read_frame_finish (ioc, result, &error), error, "frame");
  g_clear_object (&result);

  /* A cancelled read has consumed nothing. */
  write_text (other, "li");
  qio_channel_read_line_async (ioc, LIMIT, G_PRIORITY_DEFAULT, cancellable, take_result, &result);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_cancellable_cancel (cancellable);
  await (&result);
  check (qio_channel_read_line_finish (ioc, result, &error) == NULL);
  check (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
  g_clear_error (&error);
  g_clear_object (&result);
  write_text (other, "ne\nfield;rest");
  qio_channel_read_line_async (ioc, LIMIT, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  await (&result);
  expect (qio_channel_read_line_finish (ioc, result, &error), error, "line");
  g_clear_object (&result);
  qio_channel_read_until_async (ioc, (const guint8 *) ";", 1, LIMIT, G_PRIORITY_DEFAULT, NULL,
                                take_result, &result);
  await (&result);
  expect (qio_channel_read_until_finish (ioc, result, &error), error, "field;");
  g_clear_object (&result);
  check (qio_channel_close (QIO_CHANNEL (other), &error) == 0);
  qio_channel_read_to_end_async (ioc, LIMIT, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  await (&result);
  expect (qio_channel_read_to_end_finish (ioc, result, &error), error, "rest");
  g_clear_object (&result);
}

static void
streams (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autoptr (QIOIOStream) stream = NULL;
  g_autoptr (QIOIOStream) back = NULL;
  g_autoptr (GDataInputStream) lines = NULL;
  g_autofree char *line = NULL;
  GAsyncResult *result = NULL;
  GInputStream *input;
  GOutputStream *output;
  GOutputVector vectors[] = { { "on", 2 }, { "", 0 }, { "e\n", 2 } };
  gsize written;
  char buf[8];

  make_pair (&one, &other);
  stream = qio_io_stream_new (QIO_CHANNEL (one));
  back = qio_io_stream_new (QIO_CHANNEL (other));
  check (qio_io_stream_get_channel (stream) == QIO_CHANNEL (one));
  input = g_io_stream_get_input_stream (G_IO_STREAM (stream));
  output = g_io_stream_get_output_stream (G_IO_STREAM (back));
  check (QIO_IS_INPUT_STREAM (input) && QIO_IS_OUTPUT_STREAM (output));
  check (g_pollable_input_stream_can_poll (G_POLLABLE_INPUT_STREAM (input)));

  /* The channel is in blocking mode: that does not matter. */
  check (g_pollable_input_stream_read_nonblocking (G_POLLABLE_INPUT_STREAM (input), buf, 8, NULL, &error) == -1);
  check (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK));
  g_clear_error (&error);

  check (g_output_stream_writev_all (output, vectors, 3, &written, NULL, &error) && written == 4);
  lines = g_data_input_stream_new (input);
  g_filter_input_stream_set_close_base_stream (G_FILTER_INPUT_STREAM (lines), FALSE);
  line = g_data_input_stream_read_line (lines, NULL, NULL, &error);
  check (g_strcmp0 (line, "one") == 0);
  g_clear_pointer (&line, g_free);

  g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  check (g_output_stream_write_all (output, "two\n", 4, NULL, NULL, &error));
  await (&result);
  line = g_data_input_stream_read_line_finish (lines, result, NULL, &error);
  check (g_strcmp0 (line, "two") == 0);
  g_clear_object (&result);

  /* Releasing a stream leaves the channel open; closing it closes the channel. */
  g_clear_object (&lines);
  g_clear_object (&back);
  check (!qio_channel_is_closed (QIO_CHANNEL (other)));
  g_io_stream_close_async (G_IO_STREAM (stream), G_PRIORITY_DEFAULT, NULL, take_result, &result);
  await (&result);
  check (g_io_stream_close_finish (G_IO_STREAM (stream), result, &error));
  g_clear_object (&result);
  check (qio_channel_is_closed (QIO_CHANNEL (one)));
  check (qio_channel_read (QIO_CHANNEL (other), buf, 8, &error) == 0);
}

int
main (void)
{
  items ();
  items_asynchronously ();
  streams ();
  puts ("streams: ok");
  return 0;
}
