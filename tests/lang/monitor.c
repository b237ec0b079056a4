/* The list of the channels of the process, and its warnings. */
#include "journey.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static QIOMonitorItem *
item_named (QIOMonitor *monitor, const char *name)
{
  qio_monitor_refresh (monitor);
  for (guint i = 0; i < g_list_model_get_n_items (G_LIST_MODEL (monitor)); i++)
    {
      g_autoptr (QIOMonitorItem) item = g_list_model_get_item (G_LIST_MODEL (monitor), i);
      g_autofree char *its_name = NULL;

      g_object_get (item, "name", &its_name, NULL);
      if (g_strcmp0 (its_name, name) == 0)
        return g_steal_pointer (&item);
    }
  return NULL;
}

static void
count_warning (QIOMonitor *monitor, QIOMonitorItem *item, QIOMonitorWarning kind, const char *message,
               gpointer user_data)
{
  check (QIO_IS_MONITOR_ITEM (item) && *message != '\0');
  *(guint *) user_data += kind == QIO_MONITOR_WARNING_CLOSED_UNREAD;
}

static void
listing (void)
{
  GError *error = NULL;
  g_autoptr (QIOMonitor) monitor = qio_monitor_new ();
  g_autoptr (QIOMonitorItem) item = NULL;
  g_autofree char *class_name = NULL;
  QIOChannelSocket *here = NULL, *there = NULL;
  QIOMonitorState state = QIO_MONITOR_STATE_CLOSED;
  guint64 written = 0, calls = 0;
  guint warnings = 0;

  check (g_list_model_get_item_type (G_LIST_MODEL (monitor)) == QIO_TYPE_MONITOR_ITEM);
  check (qio_monitor_get_interval (monitor) == 1000);
  qio_monitor_set_interval (monitor, 20);
  check (qio_monitor_get_interval (monitor) == 20);
  check (qio_monitor_get_blocked_threshold (monitor) == 5000);
  qio_monitor_set_blocked_threshold (monitor, 100000);
  check (qio_monitor_get_blocked_threshold (monitor) == 100000);
  g_signal_connect (monitor, "warning", G_CALLBACK (count_warning), &warnings);

  check (qio_channel_socket_new_pair (&here, &there, &error));
  check_ok (error);
  qio_channel_set_name (QIO_CHANNEL (here), "here");
  check (qio_channel_write (QIO_CHANNEL (here), "hello", 5, &error) == 5);
  item = item_named (monitor, "here");
  g_object_get (item, "class-name", &class_name, "bytes-written", &written, "writes", &calls, "state", &state, NULL);
  check (strcmp (class_name, "QIOChannelSocket") == 0 && written == 5 && calls == 1);
  check (state == QIO_MONITOR_STATE_CONNECTED);
  check (qio_channel_close (QIO_CHANNEL (there), &error) == 0);
  while (warnings == 0)
    g_main_context_iteration (NULL, TRUE);
  check (warnings == 1);
  g_object_unref (here);
  g_object_unref (there);
  qio_monitor_refresh (monitor);
  check (g_list_model_get_n_items (G_LIST_MODEL (monitor)) == 0);
}

static void
count_fires (QIOMonitor *monitor, QIOMonitorItem *item, QIOMonitorWarning kind, const char *message,
             gpointer user_data)
{
  check (kind == QIO_MONITOR_WARNING_UNREAD_WATCH && g_str_has_prefix (message, "its fd handler has fired 1000 times"));
  *(guint *) user_data += 1;
}

static void
read_nothing (gpointer opaque)
{
}

/* An fd handler that does not read is a warning. The channel existed before the monitor. */
static void
handling (void)
{
  GError *error = NULL;
  QIOChannelSocket *here = NULL, *there = NULL;
  g_autoptr (QIOMonitor) monitor = NULL;
  g_autoptr (QIOMonitorItem) item = NULL;
  guint warnings = 0;

  check (qio_channel_socket_new_pair (&here, &there, &error));
  check_ok (error);
  qio_channel_set_name (QIO_CHANNEL (there), "there");
  monitor = qio_monitor_new ();
  item = item_named (monitor, "there");
  check (item != NULL);
  g_signal_connect (monitor, "warning", G_CALLBACK (count_fires), &warnings);
  qio_monitor_set_interval (monitor, 20);
  check (qio_channel_write (QIO_CHANNEL (here), "hello", 5, &error) == 5);
  qio_channel_set_aio_fd_handler (QIO_CHANNEL (there), NULL, read_nothing, NULL, NULL);
  while (warnings == 0)
    g_main_context_iteration (NULL, TRUE);
  check (warnings == 1);
  qio_channel_set_aio_fd_handler (QIO_CHANNEL (there), NULL, NULL, NULL, NULL);
  g_object_unref (here);
  g_object_unref (there);
}

static void
listening (void)
{
  GError *error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("qio-XXXXXX", &error);
  g_autofree char *path = g_build_filename (folder, "monitor", NULL);
  g_autofree char *first = qio_monitor_listen (path, &error);
  g_autofree char *again = qio_monitor_listen (NULL, &error);
  g_autoptr (QIONetAddress) address = NULL;
  g_autoptr (GSocketConnectable) target = NULL;
  g_autofree char *text = g_strdup_printf ("unix:%s", path);
  g_autoptr (QIOChannelSocket) client = qio_channel_socket_new ();
  struct stat found;
  char buf[5];

  check_ok (error);
  check (strcmp (first, path) == 0 && strcmp (again, path) == 0);
  check (stat (path, &found) == 0 && (found.st_mode & 07777) == 0600);
  check (qio_monitor_listen ("/another", &error) == NULL);
  check_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  address = qio_net_address_new_from_string (text, &error);
  target = qio_net_address_get_connectable (address, &error);
  check_ok (error);
  check (qio_channel_socket_connect_sync (client, target, &error) == 0);
  check (qio_channel_read_all (QIO_CHANNEL (client), buf, sizeof buf, &error) == 0);
  check (memcmp (buf, "{\"pid", 5) == 0);
  unlink (path);
  rmdir (folder);
}

int
main (void)
{
  listing ();
  handling ();
  listening ();
  puts ("monitor: ok");
  return 0;
}
