/* Files, pipes, terminals. */

#ifndef QIO_CHANNEL_FILE_H
#define QIO_CHANNEL_FILE_H

#include <qio/qio-channel.h>

G_BEGIN_DECLS

#define QIO_TYPE_CHANNEL_FILE (qio_channel_file_get_type ())

/**
 * QIOChannelFile:
 *
 * A file, a pipe, a terminal: anything with a descriptor that is not a socket.
 *
 * [ctor@Qio.ChannelFile.new_path] opens a path, [ctor@Qio.ChannelFile.new_fd] takes a descriptor
 * over, [ctor@Qio.ChannelFile.new_dupfd] duplicates one, and [func@Qio.ChannelFile.new_pipe] makes
 * both ends of a pipe.
 *
 * A typical sequence:
 *
 * ```c
 * g_autoptr (GError) error = NULL;
 * g_autoptr (QIOChannelFile) file = NULL;
 * char buf[256];
 * gssize count = -1;
 *
 * file = qio_channel_file_new_path ("/etc/hostname", O_RDONLY, 0, &error);
 * if (file != NULL)
 *   count = qio_channel_pread (QIO_CHANNEL (file), buf, sizeof buf, 0, &error);
 * if (count < 0)
 *   g_printerr ("%s\n", error->message);
 * ```
 *
 * Regular files are always ready, although reading them can block on the disk; asynchronous
 * functions use a thread for them. A write to a pipe without a reader fails with
 * %G_IO_ERROR_BROKEN_PIPE and does not raise SIGPIPE.
 *
 * ## Threads
 *
 * As of every [class@Qio.Channel]. Reads and writes at offsets, as [method@Qio.Channel.pread], may
 * run in several threads at once; others share the position of the file.
 *
 * Since: 0.1
 */
G_DECLARE_DERIVABLE_TYPE (QIOChannelFile, qio_channel_file, QIO, CHANNEL_FILE, QIOChannel)

/**
 * QIOChannelFileClass:
 * @parent_class: the parent class
 *
 * The class of a [class@Qio.ChannelFile].
 *
 * Since: 0.1
 */
struct _QIOChannelFileClass
{
  QIOChannelClass parent_class;

  /*< private >*/
  gpointer padding[8];
};

/**
 * QIOChannelFile:fd:
 *
 * The number of the descriptor, or -1 when there is none.
 *
 * Since: 0.1
 */

/**
 * QIOChannelFile:path:
 *
 * The path that was opened, if any.
 *
 * Since: 0.1
 */

/**
 * qio_channel_file_new_fd: (constructor)
 * @fd: a descriptor
 * @error: where to report an error
 *
 * Creates a channel for a descriptor, and takes ownership of it. The blocking mode is that of the
 * descriptor. The only error is a number that is not open.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelFile *qio_channel_file_new_fd (int fd,
                                         GError **error);

/**
 * qio_channel_file_new_dupfd: (constructor)
 * @fd: a descriptor
 * @error: where to report an error
 *
 * Creates a channel for a duplicate of a descriptor, close-on-exec. The caller keeps @fd. The two
 * share the position and the blocking mode.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelFile *qio_channel_file_new_dupfd (int fd,
                                            GError **error);

/**
 * qio_channel_file_new_path: (constructor)
 * @path: (type filename): a path
 * @flags: flags of `open()`, such as `O_RDWR | O_CREAT`
 * @mode: the permissions of a file that this creates
 * @error: where to report an error
 *
 * Opens a file. Its descriptor is close-on-exec.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelFile *qio_channel_file_new_path (const char *path,
                                           int flags,
                                           guint mode,
                                           GError **error);

/**
 * qio_channel_file_new_pipe:
 * @reader: (out) (transfer full): the end to read from
 * @writer: (out) (transfer full): the end to write to
 * @error: where to report an error
 *
 * Creates a pipe. Neither end is set on failure.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_file_new_pipe (QIOChannelFile **reader,
                                    QIOChannelFile **writer,
                                    GError **error);

/**
 * qio_channel_file_adopt_fd:
 * @file: a channel
 * @fd: a descriptor
 * @error: where to report an error
 *
 * Sets the descriptor of a channel, which takes ownership of it; on failure the caller keeps it.
 * For derived classes, whose instances are created without a descriptor. %G_IO_ERROR_EXISTS if the
 * channel has one, %G_IO_ERROR_CLOSED if it was closed. A number that is not open is an error as
 * well.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_file_adopt_fd (QIOChannelFile *file,
                                    int fd,
                                    GError **error);

/**
 * qio_channel_file_get_fd:
 * @file: a channel
 *
 * Gets the descriptor, which the channel owns: do not close it.
 *
 * Returns: the number, or -1 when there is none
 *
 * Since: 0.1
 */
int qio_channel_file_get_fd (QIOChannelFile *file);

/**
 * qio_channel_file_get_path:
 * @file: a channel
 *
 * Gets the path that was opened.
 *
 * Returns: (transfer full) (nullable) (type filename): the path, or %NULL if the channel was
 * created without a path
 *
 * Since: 0.1
 */
char *qio_channel_file_get_path (QIOChannelFile *file);

G_END_DECLS

#endif
