/* The part of the journey in C with TLS over a class that derives from another one, and in coroutines. */

#include "tls.h"
#include "wire.h"

#include <unistd.h>

#define SIZE 50000

/* A socket that counts the transferred bytes, and writes few at a time. */

#define TYPE_TAP (tap_get_type ())
G_DECLARE_FINAL_TYPE (Tap, tap, TEST, TAP, QIOChannelSocket)

struct _Tap
{
  QIOChannelSocket parent_instance;
  gsize sent;
  gsize received;
};

G_DEFINE_TYPE (Tap, tap, QIO_TYPE_CHANNEL_SOCKET)

static gssize
tap_writev (QIOChannel *ioc, const struct iovec *iov, gsize niov, int *fds, gsize nfds, int flags, GError **error)
{
  struct iovec part = { iov[0].iov_base, MIN (iov[0].iov_len, 1400) };
  gssize n = QIO_CHANNEL_CLASS (tap_parent_class)->io_writev (ioc, &part, 1, fds, nfds, flags, error);

  if (n > 0)
    TEST_TAP (ioc)->sent += n;
  return n;
}

static gssize
tap_readv (QIOChannel *ioc, const struct iovec *iov, gsize niov, int **fds, gsize *nfds, int flags, GError **error)
{
  struct iovec part = { iov[0].iov_base, MIN (iov[0].iov_len, 1000) };
  gssize n = QIO_CHANNEL_CLASS (tap_parent_class)->io_readv (ioc, &part, 1, fds, nfds, flags, error);

  if (n > 0)
    TEST_TAP (ioc)->received += n;
  return n;
}

static void
tap_class_init (TapClass *klass)
{
  QIO_CHANNEL_CLASS (klass)->io_writev = tap_writev;
  QIO_CHANNEL_CLASS (klass)->io_readv = tap_readv;
}

static void
tap_init (Tap *self)
{
}

/* Takes a socket over. */
static Tap *
tap_on (QIOChannelSocket *socket)
{
  GError *error = NULL;
  Tap *tap = g_object_new (TYPE_TAP, NULL);

  check (qio_channel_socket_adopt_fd (QIO_CHANNEL_SOCKET (tap), dup (qio_channel_socket_get_fd (socket)), &error));
  check_ok (error);
  g_object_unref (socket);
  return tap;
}

/* Two ends that talk, each in its coroutine; everything that waits in there suspends it. */
typedef struct
{
  QIOChannelTLS *client;
  QIOChannelTLS *server;
  guint ended;
} Talk;

static void
send_request (gpointer data)
{
  Talk *talk = data;
  QIOChannel *client = QIO_CHANNEL (talk->client);
  GError *error = NULL;
  g_autofree guint8 *sent = g_malloc (SIZE);
  g_autofree guint8 *got = g_malloc (SIZE);

  for (gsize i = 0; i < SIZE; i++)
    sent[i] = i / 3;
  check (qio_channel_tls_handshake (talk->client, &error));
  check_ok (error);
  check (qio_channel_write_all (client, (char *) sent, SIZE, &error) == 0);
  check (qio_channel_tls_update_keys (talk->client, TRUE, &error));
  check (qio_channel_read_all (client, (char *) got, SIZE, &error) == 0);
  check_ok (error);
  check (memcmp (sent, got, SIZE) == 0);
  check (qio_channel_tls_bye (talk->client, &error));
  check (qio_channel_read (client, (char *) got, 1, &error) == 0);
  check_ok (error);
  talk->ended++;
}

static void
answer (gpointer data)
{
  Talk *talk = data;
  QIOChannel *server = QIO_CHANNEL (talk->server);
  GError *error = NULL;
  g_autofree char *got = g_malloc (SIZE);

  /* The first read performs the handshake. */
  check (qio_channel_read_all (server, got, SIZE, &error) == 0);
  check (qio_channel_write_all (server, got, SIZE, &error) == 0);
  check (qio_channel_read (server, got, 1, &error) == 0);
  check (qio_channel_tls_bye (talk->server, &error));
  check_ok (error);
  talk->ended++;
}

static void
talk_over (gpointer here, gpointer there, QIOTlsCreds *mine, QIOTlsCreds *theirs)
{
  GError *error = NULL;
  Talk talk = { 0 };

  make_ends_over (g_object_ref (here), g_object_ref (there), mine, theirs, "localhost", &talk.client, &talk.server);
  qio_coroutine_start (send_request, &talk, NULL);
  qio_coroutine_start (answer, &talk, NULL);
  while (talk.ended < 2)
    g_main_context_iteration (NULL, TRUE);
  check (qio_channel_close (QIO_CHANNEL (talk.client), &error) == 0);
  check (qio_channel_close (QIO_CHANNEL (talk.server), &error) == 0);
  check_ok (error);
  check (qio_channel_is_closed (here) && qio_channel_is_closed (there));
  g_object_unref (talk.client);
  g_object_unref (talk.server);
}

int
main (void)
{
  g_autoptr (QIOTlsCreds) mine = NULL;
  g_autoptr (QIOTlsCreds) theirs = NULL;
  QIOChannelSocket *one, *other;
  g_autoptr (Tap) here = NULL;
  g_autoptr (Tap) there = NULL;
  g_autoptr (Wire) left = NULL;
  g_autoptr (Wire) right = NULL;

  make_certificate ();
  mine = client_creds ();
  theirs = server_creds ();

  make_pair (&one, &other);
  here = tap_on (one);
  there = tap_on (other);
  talk_over (here, there, mine, theirs);
  /* No data has bypassed the class, although it has a descriptor. */
  check (here->sent > SIZE && here->sent == there->received);
  check (there->sent > SIZE && there->sent == here->received);

  make_wires (&left, &right);
  left->reluctant = right->reluctant = TRUE;
  talk_over (left, right, mine, theirs);
  check (left->closes == 1 && right->closes == 1 && left->refusals > 0);

  remove_certificate ();
  printf ("tls_derived: ok\n");
  return 0;
}
