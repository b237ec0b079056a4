/* A class like those of QEMU, whose io_create_watch makes a GSource of the class that calls a QIOChannelFunc:
 * closing the channel wakes everything that waits by it, although the source notices nothing. */
#include "check.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

G_DECLARE_FINAL_TYPE (Own, own, OWN, CHANNEL, QIOChannel)
struct _Own
{
  QIOChannel parent;
  int fd;
};
G_DEFINE_FINAL_TYPE (Own, own, QIO_TYPE_CHANNEL)

static gssize
result_of (gssize count, GError **error)
{
  if (count >= 0)
    return count;
  if (errno == EAGAIN)
    return QIO_CHANNEL_ERR_BLOCK;
  g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), g_strerror (errno));
  return -1;
}

static gssize
own_writev (QIOChannel *ioc, const struct iovec *iov, gsize niov, int *fds, gsize nfds, int flags,
            GError **error)
{
  return result_of (writev (OWN_CHANNEL (ioc)->fd, iov, niov), error);
}

static gssize
own_readv (QIOChannel *ioc, const struct iovec *iov, gsize niov, int **fds, gsize *nfds, int flags,
           GError **error)
{
  return result_of (readv (OWN_CHANNEL (ioc)->fd, iov, niov), error);
}

static int
own_close (QIOChannel *ioc, GError **error)
{
  return 0;
}

static int
own_set_blocking (QIOChannel *ioc, gboolean enabled, GError **error)
{
  return g_unix_set_fd_nonblocking (OWN_CHANNEL (ioc)->fd, !enabled, error) ? 0 : -1;
}

typedef struct
{
  GSource source;
  GPollFD poll;
  QIOChannel *ioc;
} Source;

static gboolean
source_prepare (GSource *source, int *timeout)
{
  *timeout = -1;
  return FALSE;
}

static gboolean
source_check (GSource *source)
{
  Source *self = (Source *) source;
  return (self->poll.revents & self->poll.events) != 0;
}

static gboolean
source_dispatch (GSource *source, GSourceFunc func, gpointer data)
{
  Source *self = (Source *) source;
  QIOChannelFunc call = (QIOChannelFunc) (void (*) (void)) func;
  return call (self->ioc, self->poll.revents & self->poll.events, data);
}

static void
source_finalize (GSource *source)
{
  g_object_unref (((Source *) source)->ioc);
}

static GSourceFuncs source_funcs = { source_prepare, source_check, source_dispatch,
                                     source_finalize, NULL, NULL };

static GSource *
own_create_watch (QIOChannel *ioc, GIOCondition condition)
{
  GSource *source = g_source_new (&source_funcs, sizeof (Source));
  Source *self = (Source *) source;
  self->ioc = g_object_ref (ioc);
  self->poll.fd = OWN_CHANNEL (ioc)->fd;
  self->poll.events = condition;
  g_source_add_poll (source, &self->poll);
  return source;
}

static void
own_init (Own *self)
{
}

static void
own_finalize (GObject *object)
{
  close (OWN_CHANNEL (object)->fd);
  G_OBJECT_CLASS (own_parent_class)->finalize (object);
}

static void
own_class_init (OwnClass *class)
{
  QIOChannelClass *channel = QIO_CHANNEL_CLASS (class);
  G_OBJECT_CLASS (class)->finalize = own_finalize;
  channel->io_writev = own_writev;
  channel->io_readv = own_readv;
  channel->io_close = own_close;
  channel->io_set_blocking = own_set_blocking;
  channel->io_create_watch = own_create_watch;
}

static void
make_pair (QIOChannel *ends[2])
{
  int fds[2];
  check (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  for (int i = 0; i < 2; i++)
    {
      ends[i] = g_object_new (own_get_type (), NULL);
      OWN_CHANNEL (ends[i])->fd = fds[i];
      check (qio_channel_set_blocking (ends[i], FALSE, NULL) == 0);
    }
}

static gpointer
wait_in_thread (gpointer ioc)
{
  qio_channel_wait (ioc, G_IO_IN);
  return NULL;
}

static gpointer
read_in_thread (gpointer ioc)
{
  GError *error = NULL;
  char byte;
  check (qio_channel_read_all (ioc, &byte, 1, &error) == -1);
  check_error (error, G_IO_ERROR, G_IO_ERROR_CLOSED);
  return NULL;
}

static GIOCondition got;
static QIOChannel *got_from;

static void
on_ready (GObject *object, GAsyncResult *result, gpointer data)
{
  GError *error = NULL;
  got = qio_channel_ready_finish (QIO_CHANNEL (object), result, &error);
  check_ok (error);
}

static gboolean
on_watch (QIOChannel *ioc, GIOCondition condition, gpointer data)
{
  got_from = ioc;
  got = condition;
  return G_SOURCE_REMOVE;
}

static void
run_until_got (GIOCondition condition)
{
  while (got == 0)
    g_main_context_iteration (NULL, TRUE);
  check (got == condition);
  got = 0;
}

int
main (void)
{
  QIOChannel *ends[2];
  GThreadFunc blocked[] = { wait_in_thread, read_in_thread };

  /* The source of the class works as before, and its conditions arrive. */
  make_pair (ends);
  qio_channel_add_watch (ends[0], G_IO_IN, on_watch, NULL, NULL);
  check (qio_channel_write (ends[1], "x", 1, NULL) == 1);
  run_until_got (G_IO_IN);
  check (got_from == ends[0]);
  for (int i = 0; i < 2; i++)
    g_object_unref (ends[i]);

  for (guint i = 0; i < G_N_ELEMENTS (blocked); i++)
    {
      make_pair (ends);
      GThread *thread = g_thread_new ("blocked", blocked[i], ends[0]);
      g_usleep (20000);
      check (qio_channel_close (ends[0], NULL) == 0);
      g_thread_join (thread);
      for (int j = 0; j < 2; j++)
        g_object_unref (ends[j]);
    }

  make_pair (ends);
  qio_channel_ready_async (ends[0], G_IO_IN, 0, NULL, on_ready, NULL);
  qio_channel_add_watch (ends[1], G_IO_IN, on_watch, NULL, NULL);
  for (int i = 0; i < 5; i++)
    g_main_context_iteration (NULL, FALSE);
  check (qio_channel_close (ends[0], NULL) == 0);
  run_until_got (G_IO_NVAL);
  check (qio_channel_close (ends[1], NULL) == 0);
  run_until_got (G_IO_NVAL);
  for (int i = 0; i < 2; i++)
    g_object_unref (ends[i]);

  printf ("own_source: ok\n");
  return 0;
}
