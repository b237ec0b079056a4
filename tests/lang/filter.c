/* A layer in C: it XORs the data with a byte, over TLS and under TLS. */
#include "tls.h"

#define XOR_TYPE (xor_get_type ())
G_DECLARE_FINAL_TYPE (Xor, xor, , XOR, QIOChannelFilter)

struct _Xor
{
  QIOChannelFilter parent_instance;
};

G_DEFINE_TYPE (Xor, xor, QIO_TYPE_CHANNEL_FILTER)

#define KEY 0x5a

static gssize
xor_readv (QIOChannel *ioc, const struct iovec *iov, gsize niov, int **fds, gsize *nfds, int flags, GError **error)
{
  gssize count = QIO_CHANNEL_CLASS (xor_parent_class)->io_readv (ioc, iov, niov, fds, nfds, flags, error);
  gsize left = MAX (count, 0);

  for (gsize i = 0; i < niov; i++)
    for (gsize j = 0; j < iov[i].iov_len && left > 0; j++, left--)
      ((guint8 *) iov[i].iov_base)[j] ^= KEY;
  return count;
}

static gssize
xor_writev (QIOChannel *ioc, const struct iovec *iov, gsize niov, int *fds, gsize nfds, int flags, GError **error)
{
  guint8 buf[4096];
  struct iovec changed = { buf, 0 };

  for (gsize i = 0; i < niov; i++)
    for (gsize j = 0; j < iov[i].iov_len && changed.iov_len < sizeof buf; j++)
      buf[changed.iov_len++] = ((const guint8 *) iov[i].iov_base)[j] ^ KEY;
  return QIO_CHANNEL_CLASS (xor_parent_class)->io_writev (ioc, &changed, 1, fds, nfds, flags, error);
}

static void
xor_class_init (XorClass *klass)
{
  QIO_CHANNEL_CLASS (klass)->io_readv = xor_readv;
  QIO_CHANNEL_CLASS (klass)->io_writev = xor_writev;
}

static void
xor_init (Xor *xor)
{
}

static QIOChannel *
xor_new (gpointer base)
{
  return g_object_new (XOR_TYPE, "base-channel", base, NULL);
}

/* Sends data from one end to the other by asynchronous calls, both ways. */
static void
transfer (gpointer one, gpointer other)
{
  GError *error = NULL;
  g_autofree char *text = g_strnfill (20000, 'q');
  g_autoptr (GBytes) data = g_bytes_new_static (text, 20000);
  gpointer ends[] = { one, other };

  for (guint i = 0; i < 2; i++)
    {
      GAsyncResult *written = NULL;
      GAsyncResult *read = NULL;
      GBytes *got;

      qio_channel_write_bytes_all_async (ends[i], data, G_PRIORITY_DEFAULT, NULL, take_result, &written);
      qio_channel_read_bytes_all_async (ends[!i], 20000, G_PRIORITY_DEFAULT, NULL, take_result, &read);
      await (&written);
      await (&read);
      check (qio_channel_write_bytes_all_finish (ends[i], written, &error));
      got = qio_channel_read_bytes_all_finish (ends[!i], read, &error);
      check_ok (error);
      check (g_bytes_equal (got, data));
      g_bytes_unref (got);
      g_object_unref (written);
      g_object_unref (read);
    }
}

static void
nonblocking (QIOChannel *ioc)
{
  GError *error = NULL;

  check (qio_channel_set_blocking (ioc, FALSE, &error) == 0);
  check_ok (error);
}

int
main (void)
{
  GError *error = NULL;
  g_autoptr (QIOTlsCreds) of_client = NULL;
  g_autoptr (QIOTlsCreds) of_server = NULL;

  make_certificate ();
  of_client = client_creds ();
  of_server = server_creds ();
  for (guint under = 0; under < 3; under++)
    {
      g_autoptr (QIOChannelSocket) here = NULL;
      g_autoptr (QIOChannelSocket) there = NULL;
      g_autoptr (QIOChannel) one = NULL;
      g_autoptr (QIOChannel) other = NULL;
      g_autoptr (QIOChannelTLS) client = NULL;
      g_autoptr (QIOChannelTLS) server = NULL;
      gpointer lower[2];

      make_pair (&here, &there);
      lower[0] = here;
      lower[1] = there;
      if (under != 1)
        {
          one = xor_new (here);
          other = xor_new (there);
          nonblocking (one);
          nonblocking (other);
          lower[0] = one;
          lower[1] = other;
        }
      if (under == 0)
        {
          check (qio_channel_filter_get_base_channel (QIO_CHANNEL_FILTER (one)) == QIO_CHANNEL (here));
          transfer (one, other);
          continue;
        }
      client = qio_channel_tls_new_client (lower[0], of_client, "localhost", &error);
      check_ok (error);
      server = qio_channel_tls_new_server (lower[1], of_server, &error);
      check_ok (error);
      if (under == 1)
        {
          one = xor_new (client);
          other = xor_new (server);
          nonblocking (one);
          nonblocking (other);
          transfer (one, other);
        }
      else
        transfer (client, server);
    }

  {
    g_autoptr (QIOChannelSocket) here = NULL;
    g_autoptr (QIOChannelSocket) there = NULL;
    g_autoptr (QIOChannelFilter) plain = NULL;

    make_pair (&here, &there);
    plain = qio_channel_filter_new (QIO_CHANNEL (here));
    check (qio_channel_write_all (QIO_CHANNEL (plain), "x", 1, &error) == 0);
    check (qio_channel_close (QIO_CHANNEL (plain), &error) == 0);
    check (qio_channel_is_closed (QIO_CHANNEL (here)));
  }
  remove_certificate ();
  puts ("filter: ok");
  return 0;
}
