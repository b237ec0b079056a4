/* The part of the journey in C with TLS over a class in C without descriptors: see wire.h. */

#include "tls.h"
#include "wire.h"

/* More than fits anywhere on its way. */
#define BULK (192 * 1024)

static QIOTlsCreds *mine, *theirs;

/* Both ends of TLS over both ends of a cable; the wires are returned for tests that change their behavior. */
static void
make_ends_over_wires (Wire **here, Wire **there, QIOChannelTLS **client, QIOChannelTLS **server)
{
  make_wires (here, there);
  make_ends_over (*here, *there, mine, theirs, "localhost", client, server);
}

static GBytes *
make_bulk (void)
{
  guint8 *data = g_malloc (BULK);

  for (gsize i = 0; i < BULK; i++)
    data[i] = (i / 3) ^ (i >> 8);
  return g_bytes_new_take (data, BULK);
}

/* Blocking, with a thread at the other end. */

static gpointer
echo_all (gpointer data)
{
  GError *error = NULL;
  QIOChannel *server = data;
  g_autoptr (GBytes) bytes = NULL;
  char after;

  check (qio_channel_tls_handshake (QIO_CHANNEL_TLS (server), &error));
  bytes = qio_channel_read_bytes_all (server, BULK, &error);
  check_ok (error);
  check (qio_channel_write_bytes_all (server, bytes, &error));
  check (qio_channel_read (server, &after, 1, &error) == 0);
  check (qio_channel_close (server, &error) == 0);
  check_ok (error);
  return NULL;
}

static void
by_blocking (gsize most, gboolean reluctant)
{
  GError *error = NULL;
  g_autoptr (QIOChannelTLS) client = NULL;
  g_autoptr (QIOChannelTLS) server = NULL;
  g_autoptr (GBytes) bulk = make_bulk ();
  g_autoptr (GBytes) echo = NULL;
  g_autofree char *protocol = NULL;
  Wire *here, *there;
  GThread *peer;
  char after;

  make_ends_over_wires (&here, &there, &client, &server);
  /* The handshake arrives in single bytes, or a few at a time. */
  here->most = there->most = 5;
  here->reluctant = reluctant;
  peer = g_thread_new ("peer", echo_all, server);
  check (qio_channel_tls_handshake (client, &error));
  check_ok (error);
  protocol = qio_channel_tls_get_alpn_protocol (client);
  check (g_str_equal (protocol, "echo"));

  g_mutex_lock (&here->cable->lock);
  here->most = there->most = most;
  g_mutex_unlock (&here->cable->lock);
  check (qio_channel_write_bytes_all (QIO_CHANNEL (client), bulk, &error));
  echo = qio_channel_read_bytes_all (QIO_CHANNEL (client), BULK, &error);
  check_ok (error);
  check (g_bytes_equal (echo, bulk));
  check (qio_channel_tls_bye (client, &error));
  g_thread_join (peer);
  check (qio_channel_read (QIO_CHANNEL (client), &after, 1, &error) == 0);
  check (qio_channel_close (QIO_CHANNEL (client), &error) == 0);
  check_ok (error);
  check (here->closes == 1 && there->closes == 1);
  check ((here->refusals > 0) == reluctant);
}

/* By callbacks, both ends on one main loop. */

typedef struct
{
  GBytes *bulk;
  gsize written;
  GByteArray *got;
  guint vain;
} Transfer;

static gboolean
write_some (QIOChannel *ioc, GIOCondition condition, gpointer user_data)
{
  GError *error = NULL;
  Transfer *transfer = user_data;
  const char *data = g_bytes_get_data (transfer->bulk, NULL);
  gssize n;

  check (condition == G_IO_OUT);
  n = qio_channel_write (ioc, data + transfer->written, BULK - transfer->written, &error);
  check_ok (error);
  if (n == QIO_CHANNEL_ERR_BLOCK)
    transfer->vain++;
  else
    transfer->written += n;
  return transfer->written < BULK;
}

static gboolean
read_some (QIOChannel *ioc, GIOCondition condition, gpointer user_data)
{
  GError *error = NULL;
  Transfer *transfer = user_data;
  char buf[1000];
  gssize n;

  check (condition == G_IO_IN);
  n = qio_channel_read (ioc, buf, sizeof buf, &error);
  check_ok (error);
  check (n != 0);
  if (n == QIO_CHANNEL_ERR_BLOCK)
    transfer->vain++;
  else
    g_byte_array_append (transfer->got, (guint8 *) buf, n);
  return transfer->got->len < BULK;
}

/* All of it, from one to the other. */
static void
pour (QIOChannelTLS *from, QIOChannelTLS *to)
{
  Transfer transfer = { .bulk = make_bulk (), .got = g_byte_array_new () };

  check (qio_channel_add_watch (QIO_CHANNEL (from), G_IO_OUT, write_some, &transfer, NULL) != 0);
  check (qio_channel_add_watch (QIO_CHANNEL (to), G_IO_IN, read_some, &transfer, NULL) != 0);
  while (transfer.got->len < BULK)
    g_main_context_iteration (NULL, TRUE);
  check (transfer.got->len == BULK && memcmp (transfer.got->data, g_bytes_get_data (transfer.bulk, NULL), BULK) == 0);
  g_bytes_unref (transfer.bulk);
  g_byte_array_unref (transfer.got);
}

/* Sends close_notify at one end, which the other one reads as its end. */
static void
part (QIOChannelTLS *one, QIOChannelTLS *other)
{
  GError *error = NULL;
  g_autoptr (GAsyncResult) left = NULL;
  g_autoptr (GAsyncResult) ended = NULL;
  g_autoptr (GBytes) nothing = NULL;

  qio_channel_read_bytes_async (QIO_CHANNEL (other), 1, G_PRIORITY_DEFAULT, NULL, take_result, &ended);
  qio_channel_tls_bye_async (one, G_PRIORITY_DEFAULT, NULL, take_result, &left);
  check (qio_channel_tls_bye_finish (one, await (&left), &error));
  nothing = qio_channel_read_bytes_finish (QIO_CHANNEL (other), await (&ended), &error);
  check_ok (error);
  check (g_bytes_get_size (nothing) == 0);
}

static void
make_non_blocking (QIOChannelTLS *client, QIOChannelTLS *server)
{
  GError *error = NULL;

  check (qio_channel_set_blocking (QIO_CHANNEL (client), FALSE, &error) == 0);
  check (qio_channel_set_blocking (QIO_CHANNEL (server), FALSE, &error) == 0);
  check_ok (error);
}

static void
by_callbacks (gsize most, gboolean reluctant)
{
  g_autoptr (QIOChannelTLS) client = NULL;
  g_autoptr (QIOChannelTLS) server = NULL;
  GError *error = NULL;
  Wire *here, *there;
  char buf[4];

  make_ends_over_wires (&here, &there, &client, &server);
  here->most = there->most = most;
  here->reluctant = there->reluctant = reluctant;
  make_non_blocking (client, server);
  /* Nothing is there yet, which is no error. */
  check (qio_channel_read (QIO_CHANNEL (client), buf, sizeof buf, &error) == QIO_CHANNEL_ERR_BLOCK);
  check (qio_channel_write (QIO_CHANNEL (client), "x", 1, &error) == QIO_CHANNEL_ERR_BLOCK);
  perform_the_handshake (client, server);
  check (qio_channel_read (QIO_CHANNEL (client), buf, sizeof buf, &error) == QIO_CHANNEL_ERR_BLOCK);
  check_ok (error);
  pour (client, server);
  pour (server, client);
  part (client, server);
  part (server, client);
  check ((here->refusals > 0) == reluctant && (there->refusals > 0) == reluctant);
}

static void
tls_in_tls (void)
{
  g_autoptr (QIOChannelTLS) client = NULL;
  g_autoptr (QIOChannelTLS) server = NULL;
  g_autoptr (QIOChannel) below = NULL;
  QIOChannelTLS *outer_client, *outer_server;
  Wire *here, *there;

  make_ends_over_wires (&here, &there, &outer_client, &outer_server);
  here->most = 3000;
  there->most = 7;
  make_ends_over (outer_client, outer_server, mine, theirs, "localhost", &client, &server);
  make_non_blocking (client, server);
  perform_the_handshake (client, server);
  check (qio_channel_tls_is_handshake_done (outer_client) && qio_channel_tls_is_handshake_done (outer_server));
  there->most = CABLE_CAPACITY;
  pour (client, server);
  pour (server, client);
  /* The inner end is not the outer one. */
  part (client, server);
  below = qio_channel_tls_get_master (client);
  check (below == QIO_CHANNEL (outer_client) && !qio_channel_is_closed (below));
  part (outer_client, outer_server);
}

/* Errors of the lower class are returned to the caller of the TLS channel. */

static GQuark
test_quark (void)
{
  return g_quark_from_static_string ("test-wire-quark");
}

static void
errors_are_returned (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelTLS) client = NULL;
  g_autoptr (QIOChannelTLS) server = NULL;
  g_autoptr (GAsyncResult) client_done = NULL;
  g_autoptr (GAsyncResult) read = NULL;
  Wire *here, *there;
  char buf[8];

  /* In mid-handshake, with a pending operation. */
  make_ends_over_wires (&here, &there, &client, &server);
  qio_channel_tls_handshake_async (client, G_PRIORITY_DEFAULT, NULL, take_result, &client_done);
  while (here->cable->way[0]->len == 0)
    g_main_context_iteration (NULL, TRUE);
  wire_break (here, &here->read_error, g_error_new_literal (test_quark (), 7, "A mouse has bitten the cable"));
  check (!qio_channel_tls_handshake_finish (client, await (&client_done), &error));
  check (strstr (error->message, "Unable to perform the TLS handshake with localhost: A mouse has bitten the cable") != NULL);
  check_error (error, test_quark (), 7);
  /* That is final, also where the class has thought better of it. */
  g_clear_error (&here->read_error);
  check (qio_channel_write (QIO_CHANNEL (client), "x", 1, &error) == -1);
  check_error (error, test_quark (), 7);
  check (!qio_channel_tls_handshake (client, &error));
  check_error (error, test_quark (), 7);
  g_clear_object (&client);
  g_clear_object (&server);

  /* Later, in reads, which get what came before, and in writes. */
  make_ends_over_wires (&here, &there, &client, &server);
  make_non_blocking (client, server);
  perform_the_handshake (client, server);
  check (qio_channel_read (QIO_CHANNEL (client), buf, sizeof buf, &error) == QIO_CHANNEL_ERR_BLOCK);
  qio_channel_read_bytes_async (QIO_CHANNEL (client), 8, G_PRIORITY_DEFAULT, NULL, take_result, &read);
  wire_break (here, &here->read_error, g_error_new_literal (test_quark (), 8, "Another mouse"));
  check (qio_channel_read_bytes_finish (QIO_CHANNEL (client), await (&read), &error) == NULL);
  check_error (error, test_quark (), 8);
  check (qio_channel_write (QIO_CHANNEL (client), "still", 5, &error) == 5);
  wire_break (here, &here->write_error, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_NO_SPACE, "The cable is full"));
  check (qio_channel_write (QIO_CHANNEL (client), "x", 1, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  check (qio_channel_read_all (QIO_CHANNEL (server), buf, 5, &error) == 0);
  check (memcmp (buf, "still", 5) == 0);
  check_ok (error);
}

/* Closing. */

static gpointer
handshake_in_vain (gpointer data)
{
  GError *error = NULL;

  check (!qio_channel_tls_handshake (data, &error));
  return error;
}

static void
closed_in_mid_handshake (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelTLS) client = NULL;
  g_autoptr (QIOChannelTLS) server = NULL;
  g_autoptr (GAsyncResult) client_done = NULL;
  Wire *here, *there;
  GThread *thread;

  /* On the main loop. */
  make_ends_over_wires (&here, &there, &client, &server);
  qio_channel_tls_handshake_async (client, G_PRIORITY_DEFAULT, NULL, take_result, &client_done);
  while (here->cable->way[0]->len == 0)
    g_main_context_iteration (NULL, TRUE);
  check (client_done == NULL);
  check (qio_channel_close (QIO_CHANNEL (client), &error) == 0);
  check_ok (error);
  check (!qio_channel_tls_handshake_finish (client, await (&client_done), &error));
  check_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  check (here->closes == 1);
  /* No source of the cable is left. */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  check (here->cable->sources == NULL);
  /* To the peer that is no close_notify. */
  check (!qio_channel_tls_handshake (server, &error));
  check_error (error, G_TLS_ERROR, G_TLS_ERROR_EOF);
  g_clear_object (&client);
  g_clear_object (&server);

  /* In a blocked thread. The peer detects when it is blocked. */
  make_ends_over_wires (&here, &there, &client, &server);
  thread = g_thread_new ("vain", handshake_in_vain, client);
  qio_channel_wait (QIO_CHANNEL (there), G_IO_IN);
  check (qio_channel_close (QIO_CHANNEL (client), &error) == 0);
  check_ok (error);
  error = g_thread_join (thread);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  check (here->closes == 1);
}

static void
cut (void)
{
  GError *error = NULL;
  g_autoptr (QIOChannelTLS) client = NULL;
  g_autoptr (QIOChannelTLS) server = NULL;
  g_autoptr (GAsyncResult) read = NULL;
  Wire *here, *there;
  char buf[8];

  make_ends_over_wires (&here, &there, &client, &server);
  make_non_blocking (client, server);
  perform_the_handshake (client, server);
  check (qio_channel_write (QIO_CHANNEL (server), "last", 4, &error) == 4);
  check (qio_channel_close (QIO_CHANNEL (there), &error) == 0);
  check (qio_channel_read (QIO_CHANNEL (client), buf, sizeof buf, &error) == 4);
  qio_channel_read_bytes_async (QIO_CHANNEL (client), 8, G_PRIORITY_DEFAULT, NULL, take_result, &read);
  check (qio_channel_read_bytes_finish (QIO_CHANNEL (client), await (&read), &error) == NULL);
  check_error (error, G_TLS_ERROR, G_TLS_ERROR_EOF);
  check (qio_channel_tls_get_require_close_notify (client));
  qio_channel_tls_set_require_close_notify (client, FALSE);
  check (qio_channel_read (QIO_CHANNEL (client), buf, sizeof buf, &error) == 0);
}

int
main (void)
{
  make_certificate ();
  mine = client_creds ();
  theirs = server_creds ();
  by_blocking (CABLE_CAPACITY, FALSE);
  by_blocking (700, TRUE);
  by_callbacks (CABLE_CAPACITY, FALSE);
  by_callbacks (900, TRUE);
  tls_in_tls ();
  errors_are_returned ();
  closed_in_mid_handshake ();
  cut ();
  g_object_unref (mine);
  g_object_unref (theirs);
  remove_certificate ();
  printf ("tls_class: ok\n");
  return 0;
}
