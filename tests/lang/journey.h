/* What the parts of the journey in C share. */
#pragma once

#include "check.h"

#include <string.h>

static inline gboolean
holds (GBytes *bytes, const char *expected)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size);

  return size == strlen (expected) && (size == 0 || memcmp (data, expected, size) == 0);
}

static inline void
make_pair (QIOChannelSocket **one, QIOChannelSocket **other)
{
  GError *error = NULL;

  check (qio_channel_socket_new_pair (one, other, &error));
  check_ok (error);
}

/* A watch notes what it was called with. */
typedef struct
{
  guint calls;
  guint freed;
  QIOChannel *ioc;
  GIOCondition condition;
} Seen;

static inline gboolean
note (QIOChannel *ioc, GIOCondition condition, gpointer user_data)
{
  Seen *seen = user_data;

  seen->calls++;
  seen->ioc = ioc;
  seen->condition = condition;
  return G_SOURCE_REMOVE;
}

static inline void
note_freed (gpointer user_data)
{
  ((Seen *) user_data)->freed++;
}

static inline void
run_until_called (Seen *seen, GMainContext *context)
{
  while (seen->calls == 0)
    g_main_context_iteration (context, TRUE);
}

/* Asynchronous calls store their result for the code that runs the main loop. */
static inline void
take_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **place = user_data;

  *place = g_object_ref (result);
}

static inline GAsyncResult *
await (GAsyncResult **place)
{
  while (*place == NULL)
    g_main_context_iteration (NULL, TRUE);
  return *place;
}

/* A connection to a port of the loopback interface. */
static inline QIOChannel *
client_of_port (guint port)
{
  GError *error = NULL;
  g_autofree char *text = g_strdup_printf ("tcp:127.0.0.1:%u", port);
  g_autoptr (QIONetAddress) address = qio_net_address_new_from_string (text, &error);
  QIOChannel *client = qio_net_address_connect_sync (address, &error);

  check_ok (error);
  return client;
}
