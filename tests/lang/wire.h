/* A class of the C programs: one end of a cable in memory. It has no descriptor, so that waiting
 * uses the sources of its io_create_watch. */
#pragma once

#include "check.h"

#include <string.h>

/* The capacity of one direction, after which a writer has to wait. */
#define CABLE_CAPACITY 4096

/* What both ends share. `way[0]` is what end 0 has written. */
typedef struct
{
  GMutex lock;
  GByteArray *way[2];
  gboolean over[2];
  /* The sources that wait, at either end; removed when they are freed. */
  GList *sources;
} Cable;

static inline void
cable_free (gpointer data)
{
  Cable *cable = data;

  g_assert (cable->sources == NULL);
  g_byte_array_unref (cable->way[0]);
  g_byte_array_unref (cable->way[1]);
  g_mutex_clear (&cable->lock);
}

#define TYPE_WIRE (wire_get_type ())
G_DECLARE_FINAL_TYPE (Wire, wire, TEST, WIRE, QIOChannel)

struct _Wire
{
  QIOChannel parent_instance;
  Cable *cable;
  int end;
  /* Reads and writes take one byte, two, and so on up to this, then one again. */
  gsize most;
  gsize turn[2];
  /* Every other read, and every other write, returns a spurious would-block. */
  gboolean reluctant;
  guint refusals;
  /* What every read, or every write, fails with. */
  GError *read_error;
  GError *write_error;
  guint closes;
};

G_DEFINE_TYPE (Wire, wire, QIO_TYPE_CHANNEL)

/* With the lock. */
static inline GIOCondition
wire_ready (Wire *self)
{
  Cable *cable = self->cable;
  GIOCondition ready = 0;

  if (cable->way[!self->end]->len > 0 || cable->over[!self->end] || self->read_error != NULL)
    ready |= G_IO_IN;
  if (cable->way[self->end]->len < CABLE_CAPACITY || cable->over[!self->end]
      || self->write_error != NULL)
    ready |= G_IO_OUT;
  return ready;
}

/* The source. It calls a QIOChannelFunc, as sources of a channel do. */

typedef struct
{
  GSource source;
  Wire *wire;
  GIOCondition condition;
  /* The one that runs it, once it does. */
  GMainContext *context;
} WireSource;

/* Wakes the contexts of all sources of this cable, in any thread. The caller holds the lock. */
static inline void
cable_changed (Cable *cable)
{
  for (GList *it = cable->sources; it != NULL; it = it->next)
    {
      WireSource *waiting = it->data;

      /* The source itself may be about to go. */
      if (waiting->context != NULL)
        g_main_context_wakeup (waiting->context);
    }
}

static inline GIOCondition
wire_source_ready (GSource *source)
{
  WireSource *self = (WireSource *) source;
  GIOCondition ready;

  g_mutex_lock (&self->wire->cable->lock);
  ready = wire_ready (self->wire) & self->condition;
  g_mutex_unlock (&self->wire->cable->lock);
  return ready;
}

static inline gboolean
wire_source_prepare (GSource *source, int *timeout)
{
  WireSource *self = (WireSource *) source;

  *timeout = -1;
  g_mutex_lock (&self->wire->cable->lock);
  if (self->context == NULL)
    self->context = g_main_context_ref (g_source_get_context (source));
  g_mutex_unlock (&self->wire->cable->lock);
  return wire_source_ready (source) != 0;
}

static inline gboolean
wire_source_check (GSource *source)
{
  return wire_source_ready (source) != 0;
}

static inline gboolean
wire_source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  QIOChannelFunc func = (QIOChannelFunc) (void (*) (void)) callback;
  GIOCondition ready = wire_source_ready (source);

  if (ready == 0 || func == NULL)
    return G_SOURCE_CONTINUE;
  return func (QIO_CHANNEL (((WireSource *) source)->wire), ready, user_data);
}

static inline void
wire_source_finalize (GSource *source)
{
  WireSource *self = (WireSource *) source;
  Cable *cable = self->wire->cable;

  g_mutex_lock (&cable->lock);
  cable->sources = g_list_remove (cable->sources, source);
  g_mutex_unlock (&cable->lock);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_object_unref (self->wire);
}

static inline GSource *
wire_create_watch (QIOChannel *ioc, GIOCondition condition)
{
  static GSourceFuncs funcs = {
    .prepare = wire_source_prepare,
    .check = wire_source_check,
    .dispatch = wire_source_dispatch,
    .finalize = wire_source_finalize,
  };
  GSource *source = g_source_new (&funcs, sizeof (WireSource));
  WireSource *self = (WireSource *) source;

  self->wire = g_object_ref (TEST_WIRE (ioc));
  self->condition = condition;
  g_mutex_lock (&self->wire->cable->lock);
  self->wire->cable->sources = g_list_prepend (self->wire->cable->sources, source);
  g_mutex_unlock (&self->wire->cable->lock);
  return source;
}

/* The slots. */

/* How much the next write (1) or read (0) may transfer; 0 for a spurious would-block. The caller
 * holds the lock. */
static inline gsize
wire_next (Wire *self, int writes)
{
  gsize turn = self->turn[writes]++;

  if (self->reluctant && turn % 2 == 0)
    {
      self->refusals++;
      return 0;
    }
  return 1 + turn % self->most;
}

static inline gssize
wire_writev (QIOChannel *ioc, const struct iovec *iov, gsize niov, int *fds, gsize nfds, int flags,
             GError **error)
{
  Wire *self = TEST_WIRE (ioc);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->cable->lock);
  GByteArray *way = self->cable->way[self->end];
  gsize left = wire_next (self, 1);
  gssize total = 0;

  if (self->write_error != NULL)
    {
      g_propagate_error (error, g_error_copy (self->write_error));
      return -1;
    }
  if (self->cable->over[!self->end])
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE, "The other end is closed");
      return -1;
    }
  left = MIN (left, CABLE_CAPACITY - way->len);
  if (left == 0)
    return QIO_CHANNEL_ERR_BLOCK;
  for (gsize i = 0; i < niov && left > 0; i++)
    {
      gsize n = MIN (iov[i].iov_len, left);

      g_byte_array_append (way, iov[i].iov_base, n);
      left -= n;
      total += n;
    }
  cable_changed (self->cable);
  return total;
}

static inline gssize
wire_readv (QIOChannel *ioc, const struct iovec *iov, gsize niov, int **fds, gsize *nfds, int flags,
            GError **error)
{
  Wire *self = TEST_WIRE (ioc);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->cable->lock);
  GByteArray *way = self->cable->way[!self->end];
  gsize left = wire_next (self, 0);
  gssize total = 0;

  if (self->read_error != NULL)
    {
      g_propagate_error (error, g_error_copy (self->read_error));
      return -1;
    }
  if (left == 0)
    return QIO_CHANNEL_ERR_BLOCK;
  if (way->len == 0)
    return self->cable->over[!self->end] ? 0 : QIO_CHANNEL_ERR_BLOCK;
  left = MIN (left, way->len);
  for (gsize i = 0; i < niov && left > 0; i++)
    {
      gsize n = MIN (iov[i].iov_len, left);

      memcpy (iov[i].iov_base, way->data, n);
      g_byte_array_remove_range (way, 0, n);
      left -= n;
      total += n;
    }
  cable_changed (self->cable);
  return total;
}

static inline int
wire_set_blocking (QIOChannel *ioc, gboolean enabled, GError **error)
{
  /* It never blocks. */
  return 0;
}

static inline int
wire_close (QIOChannel *ioc, GError **error)
{
  Wire *self = TEST_WIRE (ioc);

  g_mutex_lock (&self->cable->lock);
  self->closes++;
  self->cable->over[self->end] = TRUE;
  cable_changed (self->cable);
  g_mutex_unlock (&self->cable->lock);
  return 0;
}

/* Makes every read, or every write, fail from now on, and wakes the waiting sources. Takes the
 * error. */
static inline void
wire_break (Wire *self, GError **place, GError *error)
{
  g_mutex_lock (&self->cable->lock);
  *place = error;
  cable_changed (self->cable);
  g_mutex_unlock (&self->cable->lock);
}

static inline void
wire_finalize (GObject *object)
{
  Wire *self = TEST_WIRE (object);

  g_clear_error (&self->read_error);
  g_clear_error (&self->write_error);
  g_atomic_rc_box_release_full (self->cable, cable_free);
  G_OBJECT_CLASS (wire_parent_class)->finalize (object);
}

static inline void
wire_class_init (WireClass *klass)
{
  QIOChannelClass *channel_class = QIO_CHANNEL_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = wire_finalize;
  channel_class->io_writev = wire_writev;
  channel_class->io_readv = wire_readv;
  channel_class->io_close = wire_close;
  channel_class->io_set_blocking = wire_set_blocking;
  channel_class->io_create_watch = wire_create_watch;
}

static inline void
wire_init (Wire *self)
{
  self->most = CABLE_CAPACITY;
}

/* Both ends of a new cable. */
static inline void
make_wires (Wire **one, Wire **other)
{
  Cable *cable = g_atomic_rc_box_new0 (Cable);

  g_mutex_init (&cable->lock);
  cable->way[0] = g_byte_array_new ();
  cable->way[1] = g_byte_array_new ();
  *one = g_object_new (TYPE_WIRE, "name", "one end", NULL);
  *other = g_object_new (TYPE_WIRE, "name", "the other end", NULL);
  (*other)->end = 1;
  (*one)->cable = cable;
  (*other)->cable = g_atomic_rc_box_acquire (cable);
}
