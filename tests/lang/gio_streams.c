/* The part of the journey in C with streams of GIO as channels. */
#include "journey.h"

#include <gio/gunixconnection.h>
#include <signal.h>

/* An input stream that misbehaves. */
typedef enum
{
  TOO_MANY,
  NO_ERROR_SET,
  HELLO,
} Behavior;

#define ODD_TYPE (odd_get_type ())
G_DECLARE_FINAL_TYPE (Odd, odd, , ODD, GInputStream)

struct _Odd
{
  GInputStream parent_instance;
  Behavior behavior;
  gboolean can_poll;
  /* The thread that has called it, the last time. */
  GThread *thread;
};

static gssize
odd_read (GInputStream *stream, void *buffer, gsize count, GCancellable *cancellable, GError **error)
{
  Odd *odd = (Odd *) stream;

  odd->thread = g_thread_self ();
  switch (odd->behavior)
    {
    case TOO_MANY:
      return count + 1;
    case NO_ERROR_SET:
      return -1;
    default:
      memcpy (buffer, "hello", MIN (count, 5));
      return MIN (count, 5);
    }
}

static void
odd_class_init (OddClass *class)
{
  G_INPUT_STREAM_CLASS (class)->read_fn = odd_read;
}

static gboolean
odd_can_poll (GPollableInputStream *stream)
{
  return ((Odd *) stream)->can_poll;
}

static gboolean
odd_is_readable (GPollableInputStream *stream)
{
  return ((Odd *) stream)->behavior != HELLO;
}

/* It has none. */
static GSource *
odd_create_source (GPollableInputStream *stream, GCancellable *cancellable)
{
  return NULL;
}

static void
odd_pollable_init (GPollableInputStreamInterface *iface)
{
  iface->can_poll = odd_can_poll;
  iface->is_readable = odd_is_readable;
  iface->create_source = odd_create_source;
}

G_DEFINE_TYPE_WITH_CODE (Odd, odd, G_TYPE_INPUT_STREAM,
                         G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_INPUT_STREAM, odd_pollable_init))

static void
odd_init (Odd *odd)
{
}

static void
odd_streams (gboolean can_poll)
{
  GError *error = NULL;
  g_autoptr (Odd) odd = g_object_new (ODD_TYPE, NULL);
  g_autoptr (QIOChannelIOStream) channel = NULL;
  QIOChannel *ioc;
  char buf[8];

  odd->can_poll = can_poll;
  channel = qio_channel_io_stream_new_pair (G_INPUT_STREAM (odd), NULL, &error);
  check_ok (error);
  ioc = QIO_CHANNEL (channel);
  check (qio_channel_read (ioc, buf, 8, &error) == -1);
  check (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_FAILED));
  check (strstr (error->message, "9 bytes of 8") != NULL && strstr (error->message, "Odd") != NULL);
  g_clear_error (&error);
  odd->behavior = NO_ERROR_SET;
  check (qio_channel_read (ioc, buf, 8, &error) == -1);
  check (strstr (error->message, "without setting GError") != NULL);
  g_clear_error (&error);
  odd->behavior = HELLO;
  if (can_poll)
    {
      /* It is never readable, and has no source to wait for. */
      check (qio_channel_read (ioc, buf, 8, &error) == -1);
      check (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED));
      g_clear_error (&error);
    }
  else
    {
      check (qio_channel_read (ioc, buf, 8, &error) == 5 && memcmp (buf, "hello", 5) == 0);
      check (odd->thread != g_thread_self ());
    }
  check (qio_channel_close (ioc, &error) == 0);
  check (g_input_stream_is_closed (G_INPUT_STREAM (odd)));
}

static void
memory (void)
{
  GError *error = NULL;
  g_autoptr (GInputStream) input = g_memory_input_stream_new_from_data ("one\ntwo", 7, NULL);
  g_autoptr (GOutputStream) output = g_memory_output_stream_new_resizable ();
  g_autoptr (GIOStream) stream = g_simple_io_stream_new (input, output);
  g_autoptr (QIOChannelIOStream) channel = qio_channel_io_stream_new (stream);
  g_autoptr (GBytes) line = NULL;
  g_autoptr (GBytes) written = NULL;
  GAsyncResult *result = NULL;
  QIOChannel *ioc = QIO_CHANNEL (channel);

  check (qio_channel_io_stream_get_io_stream (channel) == stream);
  check (qio_channel_io_stream_get_input_stream (channel) == input);
  check (qio_channel_io_stream_get_output_stream (channel) == output);
  check (qio_channel_has_feature (ioc, QIO_CHANNEL_FEATURE_SHUTDOWN));
  line = qio_channel_read_line (ioc, 100, &error);
  check_ok (error);
  check (holds (line, "one"));
  check (qio_channel_write_all (ioc, "abc", 3, &error) == 0);
  qio_channel_close_async (ioc, G_PRIORITY_DEFAULT, NULL, take_result, &result);
  await (&result);
  check (qio_channel_close_finish (ioc, result, &error) == 0);
  g_clear_object (&result);
  check (g_io_stream_is_closed (stream));
  written = g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (output));
  check (holds (written, "abc"));
  check (qio_channel_io_stream_new_pair (NULL, NULL, &error) == NULL);
  check (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT));
  g_clear_error (&error);
}

/* Reads and writes a file in the main loop: GIO cannot poll it. */
static void
file (void)
{
  GError *error = NULL;
  g_autoptr (GFileIOStream) stream = NULL;
  g_autoptr (GFile) file = g_file_new_tmp (NULL, &stream, &error);
  g_autoptr (QIOChannelIOStream) channel = NULL;
  g_autoptr (GFileInputStream) input = NULL;
  g_autoptr (QIOChannelIOStream) reader = NULL;
  g_autoptr (GBytes) data = g_bytes_new_static ("the content", 11);
  g_autoptr (GBytes) read = NULL;
  GAsyncResult *result = NULL;

  check_ok (error);
  channel = qio_channel_io_stream_new (G_IO_STREAM (stream));
  qio_channel_write_bytes_all_async (QIO_CHANNEL (channel), data, G_PRIORITY_DEFAULT, NULL,
                                     take_result, &result);
  await (&result);
  check (qio_channel_write_bytes_all_finish (QIO_CHANNEL (channel), result, &error));
  g_clear_object (&result);
  check (qio_channel_flush (QIO_CHANNEL (channel), &error) == 0);
  check (qio_channel_close (QIO_CHANNEL (channel), &error) == 0);
  input = g_file_read (file, NULL, &error);
  reader = qio_channel_io_stream_new_pair (G_INPUT_STREAM (input), NULL, &error);
  check_ok (error);
  qio_channel_read_to_end_async (QIO_CHANNEL (reader), 100, G_PRIORITY_DEFAULT, NULL, take_result,
                                 &result);
  await (&result);
  read = qio_channel_read_to_end_finish (QIO_CHANNEL (reader), result, &error);
  check_ok (error);
  check (holds (read, "the content"));
  g_clear_object (&result);
  check (g_file_delete (file, NULL, &error));
}

/* A write to a pipe without a reader is an error, and raises no signal. */
static void
no_reader (void)
{
  GError *error = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (QIOChannelIOStream) channel = NULL;

  signal (SIGPIPE, SIG_DFL);
  process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE, &error, "true", NULL);
  check_ok (error);
  check (g_subprocess_wait_check (process, NULL, &error));
  channel = qio_channel_io_stream_new_pair (NULL, g_subprocess_get_stdin_pipe (process), &error);
  check_ok (error);
  check (qio_channel_write_all (QIO_CHANNEL (channel), "unread", 6, &error) == -1);
  check (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE));
  g_clear_error (&error);
}

typedef struct
{
  QIOChannel *ioc;
  GString *text;
  guint calls;
} Reader;

static void
read_some (gpointer opaque)
{
  Reader *reader = opaque;
  GError *error = NULL;
  char buf[3];
  gssize count = qio_channel_read (reader->ioc, buf, sizeof buf, &error);

  check_ok (error);
  reader->calls++;
  if (count > 0)
    g_string_append_len (reader->text, buf, count);
  else
    check (count == QIO_CHANNEL_ERR_BLOCK);
}

/* Handlers of QEMU, over a stream that can poll. */
static void
handlers (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autoptr (QIOIOStream) stream = NULL;
  g_autoptr (QIOChannelIOStream) channel = NULL;
  Reader reader = { NULL, g_string_new (NULL), 0 };

  make_pair (&one, &other);
  stream = qio_io_stream_new (QIO_CHANNEL (one));
  channel = qio_channel_io_stream_new (G_IO_STREAM (stream));
  reader.ioc = QIO_CHANNEL (channel);
  check (qio_channel_set_blocking (reader.ioc, FALSE, &error) == 0);
  qio_channel_set_aio_fd_handler (reader.ioc, NULL, read_some, NULL, &reader);
  check (qio_channel_write_all (QIO_CHANNEL (other), "hello", 5, &error) == 0);
  while (reader.text->len < 5)
    g_main_context_iteration (NULL, TRUE);
  check (strcmp (reader.text->str, "hello") == 0 && reader.calls < 10);
  qio_channel_set_aio_fd_handler (reader.ioc, NULL, NULL, NULL, NULL);
  /* In non-blocking mode a thread would close the stream. */
  check (qio_channel_set_blocking (reader.ioc, TRUE, &error) == 0);
  check (qio_channel_close (reader.ioc, &error) == 0);
  check (qio_channel_is_closed (QIO_CHANNEL (one)));
  g_string_free (reader.text, TRUE);
}

static void
connections (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autoptr (GSocketConnection) connection = NULL;
  g_autoptr (QIOChannelSocket) back = NULL;
  g_autoptr (QIOChannel) seen = NULL;
  g_autoptr (QIOIOStream) stream = NULL;
  g_autoptr (QIOChannel) same = NULL;
  GOutputStream *output;
  char buf[4];

  make_pair (&one, &other);
  connection = qio_channel_socket_to_connection (one, &error);
  check_ok (error);
  check (G_IS_UNIX_CONNECTION (connection));
  check (!qio_channel_get_blocking (QIO_CHANNEL (one)));
  output = g_io_stream_get_output_stream (G_IO_STREAM (connection));
  check (g_output_stream_write_all (output, "ping", 4, NULL, NULL, &error));
  check (qio_channel_read_all (QIO_CHANNEL (other), buf, 4, &error) == 0);
  back = qio_channel_socket_new_from_connection (connection, &error);
  check (back != NULL && QIO_IS_CHANNEL_SOCKET (back));
  seen = qio_channel_for_stream (G_IO_STREAM (connection), &error);
  check (QIO_IS_CHANNEL_SOCKET (seen));
  stream = qio_io_stream_new (QIO_CHANNEL (other));
  same = qio_channel_for_stream (G_IO_STREAM (stream), &error);
  check (same == QIO_CHANNEL (other));
}

/* Calls work as before once the exit is prepared, also by threads of the pool. */
static void
prepared_exit (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelSocket) one = NULL;
  g_autoptr (QIOChannelSocket) other = NULL;
  g_autoptr (GInputStream) input = g_memory_input_stream_new_from_data ("data", 4, NULL);
  g_autoptr (QIOChannelIOStream) channel = NULL;
  char buf[4];

  qio_prepare_exit ();
  qio_prepare_exit ();
  make_pair (&one, &other);
  check (qio_channel_write_all (QIO_CHANNEL (one), "ping", 4, &error) == 0);
  check (qio_channel_read_all (QIO_CHANNEL (other), buf, 4, &error) == 0);
  channel = qio_channel_io_stream_new_pair (input, NULL, &error);
  check_ok (error);
  check (qio_channel_read_all (QIO_CHANNEL (channel), buf, 4, &error) == 0);
  check (memcmp (buf, "data", 4) == 0);
  check (qio_channel_close (QIO_CHANNEL (channel), &error) == 0);
}

int
main (void)
{
  odd_streams (FALSE);
  odd_streams (TRUE);
  memory ();
  file ();
  no_reader ();
  handlers ();
  connections ();
  prepared_exit ();
  puts ("gio_streams: ok");
  return 0;
}
