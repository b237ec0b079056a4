/* The base class of all channels. */

#ifndef QIO_CHANNEL_H
#define QIO_CHANNEL_H

#include <qio/qio-types.h>
#include <qio/qio-byte-counter.h>

G_BEGIN_DECLS

#define QIO_TYPE_CHANNEL (qio_channel_get_type ())

/**
 * QIOChannel:
 *
 * The abstract base class of channels, which transfer bytes and file descriptors.
 *
 * A channel is made by a constructor of its class: [class@Qio.ChannelSocket],
 * [class@Qio.ChannelFile], [class@Qio.ChannelCommand], [class@Qio.ChannelBuffer],
 * [class@Qio.ChannelNull], or [class@Qio.ChannelTLS] and [class@Qio.ChannelWebsock] over any of
 * them. For a descriptor of unknown kind there is [ctor@Qio.Channel.new_fd]. Other classes derive
 * from this one, in any language: see [subclassing](subclassing.html).
 *
 * A new channel is in blocking mode, in which reads and writes wait. In non-blocking mode, which
 * [method@Qio.Channel.set_blocking] sets, a read or write that would have to wait fails with
 * would-block. Try first, and wait only then: by a watch ([method@Qio.Channel.create_watch]), an
 * asynchronous function, a coroutine or [method@Qio.Channel.wait].
 *
 * A typical sequence, after the channel was made:
 *
 * ```c
 * static gboolean
 * on_readable (QIOChannel *channel, GIOCondition condition, gpointer loop)
 * {
 *   g_autoptr (GError) error = NULL;
 *   char buf[4096];
 *   gssize count = qio_channel_read (channel, buf, sizeof buf, &error);
 *
 *   if (count == QIO_CHANNEL_ERR_BLOCK)
 *     return G_SOURCE_CONTINUE;
 *   if (count > 0)
 *     {
 *       fwrite (buf, 1, count, stdout);
 *       return G_SOURCE_CONTINUE;
 *     }
 *   if (error != NULL)
 *     g_warning ("%s", error->message);
 *   qio_channel_close (channel, NULL);
 *   g_main_loop_quit (loop);
 *   return G_SOURCE_REMOVE;
 * }
 *
 * qio_channel_set_blocking (channel, FALSE, NULL);
 * qio_channel_add_watch (channel, G_IO_IN, on_readable, loop, NULL);
 * g_main_loop_run (loop);
 * ```
 *
 * ## Threads
 *
 * Channels can be shared between threads. [method@Qio.Channel.shutdown] and
 * [method@Qio.Channel.close] may be called while another thread is blocked in a read: that read
 * returns. Closing the channel, a timeout or a [class@Gio.Cancellable] ends any wait. Threads must
 * not be ended by `pthread_cancel()` while they are in a function of this library: the forced
 * unwinding of the stack aborts the process.
 *
 * ## Signals
 *
 * The class has none of its own. [property@Qio.Channel:closed] and the other properties notify.
 *
 * Since: 0.1
 */
G_DECLARE_DERIVABLE_TYPE (QIOChannel, qio_channel, QIO, CHANNEL, GObject)

/**
 * QIOChannelFunc:
 * @ioc: the channel
 * @condition: the conditions that hold, at least one
 * @user_data: the user data of the callback
 *
 * The callback of a channel watch.
 *
 * Returns: %G_SOURCE_CONTINUE to be called again, or %G_SOURCE_REMOVE
 *
 * Since: 0.1
 */
typedef gboolean (*QIOChannelFunc) (QIOChannel *ioc,
                                    GIOCondition condition,
                                    gpointer user_data);

/**
 * QIOHandler:
 * @opaque: the user data of the handlers
 *
 * A handler of [method@Qio.Channel.set_aio_fd_handler].
 *
 * Since: 0.1
 */
typedef void (*QIOHandler) (gpointer opaque);

/**
 * QIOChannelClass:
 * @parent_class: the parent class
 * @io_writev: writes from a list of buffers, with descriptors; for classes in C
 * @io_readv: reads into a list of buffers, with descriptors; for classes in C
 * @io_close: closes, flushing pending output; called once
 * @io_create_watch: makes a source that calls a [callback@Qio.ChannelFunc]
 * @io_set_blocking: sets blocking or non-blocking mode
 * @io_shutdown: ends one direction, or both; quick, from any thread
 * @io_set_cork: holds written data back, or sends what was held back; a hint
 * @io_set_delay: allows small writes to be merged, or not; a hint
 * @io_seek: moves the position
 * @io_set_aio_fd_handler: calls handlers whenever the channel is ready
 * @io_wait_fd: returns the descriptor to wait for, and the condition of it
 * @io_preadv: reads at an offset
 * @io_pwritev: writes at an offset
 * @io_flush: sends buffered data
 * @io_get_credentials: returns the credentials of the peer
 * @io_read_bytes: reads bytes, with descriptors; for bindings, in place of @io_readv
 * @io_write_bytes: writes bytes, with descriptors; for bindings, in place of @io_writev
 *
 * The class of a channel. Every virtual function has a default, which fails with
 * %G_IO_ERROR_NOT_SUPPORTED, or does nothing for the hints. A class implements @io_readv or
 * @io_read_bytes, @io_writev or @io_write_bytes, @io_close, @io_set_blocking, and @io_wait_fd or
 * @io_create_watch.
 *
 * Since: 0.1
 */
struct _QIOChannelClass
{
  GObjectClass parent_class;

  /*< public >*/
  gssize (*io_writev) (QIOChannel *ioc,
                       const struct iovec *iov,
                       gsize niov,
                       int *fds,
                       gsize nfds,
                       int flags,
                       GError **error);
  gssize (*io_readv) (QIOChannel *ioc,
                      const struct iovec *iov,
                      gsize niov,
                      int **fds,
                      gsize *nfds,
                      int flags,
                      GError **error);
  int (*io_close) (QIOChannel *ioc,
                   GError **error);
  GSource *(*io_create_watch) (QIOChannel *ioc,
                               GIOCondition condition);
  int (*io_set_blocking) (QIOChannel *ioc,
                          gboolean enabled,
                          GError **error);
  int (*io_shutdown) (QIOChannel *ioc,
                      QIOChannelShutdown how,
                      GError **error);
  void (*io_set_cork) (QIOChannel *ioc,
                       gboolean enabled);
  void (*io_set_delay) (QIOChannel *ioc,
                        gboolean enabled);
  goffset (*io_seek) (QIOChannel *ioc,
                      goffset offset,
                      int whence,
                      GError **error);
  void (*io_set_aio_fd_handler) (QIOChannel *ioc,
                                 GMainContext *ctx,
                                 QIOHandler io_read,
                                 QIOHandler io_write,
                                 gpointer opaque);
  int (*io_wait_fd) (QIOChannel *ioc,
                     GIOCondition condition,
                     GIOCondition *fd_condition);
  gssize (*io_preadv) (QIOChannel *ioc,
                       const struct iovec *iov,
                       gsize niov,
                       goffset offset,
                       GError **error);
  gssize (*io_pwritev) (QIOChannel *ioc,
                        const struct iovec *iov,
                        gsize niov,
                        goffset offset,
                        GError **error);
  int (*io_flush) (QIOChannel *ioc,
                   GError **error);
  GCredentials *(*io_get_credentials) (QIOChannel *ioc,
                                       GError **error);
  GBytes *(*io_read_bytes) (QIOChannel *ioc,
                            gsize count,
                            GUnixFDList **fds,
                            QIOChannelReadFlags flags,
                            GError **error);
  gssize (*io_write_bytes) (QIOChannel *ioc,
                            GBytes *bytes,
                            GUnixFDList *fds,
                            QIOChannelWriteFlags flags,
                            GError **error);

  /*< private >*/
  gpointer padding[12];
};

/**
 * QIOChannelClass::io_writev: (skip)
 * @ioc: the channel
 *
 * Writes from a list of buffers.
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_readv: (skip)
 * @ioc: the channel
 *
 * Reads into a list of buffers.
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_preadv: (skip)
 * @ioc: the channel
 *
 * Reads at an offset.
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_pwritev: (skip)
 * @ioc: the channel
 *
 * Writes at an offset.
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_set_aio_fd_handler: (skip)
 * @ioc: the channel
 *
 * Calls handlers whenever the channel is ready.
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_close:
 * @ioc: the channel
 * @error: where to report an error
 *
 * Closes the channel. Called once.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_create_watch:
 * @ioc: the channel
 * @condition: the condition to wait for
 *
 * Creates a source that waits for a condition. A GLib source of another type is wrapped, and so is
 * the watch of another channel: its conditions are reported for this one. Called `create_watch` in
 * Vala.
 *
 * Returns: (transfer full): a source
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_set_blocking:
 * @ioc: the channel
 * @enabled: whether to wait
 * @error: where to report an error
 *
 * Sets blocking or non-blocking mode. In non-blocking mode reads and writes that would wait fail
 * with %G_IO_ERROR_WOULD_BLOCK.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_shutdown:
 * @ioc: the channel
 * @how: the direction
 * @error: where to report an error
 *
 * Ends one direction, or both.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_set_cork:
 * @ioc: the channel
 * @enabled: whether to hold data back
 *
 * Holds written data back.
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_set_delay:
 * @ioc: the channel
 * @enabled: whether small writes may be merged
 *
 * Allows small writes to be merged.
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_seek:
 * @ioc: the channel
 * @offset: where to
 * @whence: 0: from the start, 1: from here, 2: from the end
 * @error: where to report an error
 *
 * Moves the position.
 *
 * Returns: the new position, or -1 with an error
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_wait_fd:
 * @ioc: the channel
 * @condition: %G_IO_IN or %G_IO_OUT
 * @fd_condition: (out): what to wait for on the descriptor
 *
 * Returns what to wait for before the next attempt. Never blocks.
 *
 * Returns: a descriptor, %QIO_CHANNEL_WAIT_NOW or %QIO_CHANNEL_WAIT_WATCH
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_flush:
 * @ioc: the channel
 * @error: where to report an error
 *
 * Sends the data that the channel has buffered, and waits for outstanding zero-copy writes. Returns
 * %G_IO_ERROR_WOULD_BLOCK as long as either is pending.
 *
 * Returns: 0, 1 if the data of all zero-copy writes was copied, or -1 with an error
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_get_credentials:
 * @ioc: the channel
 * @error: where to report an error
 *
 * Gets the credentials of the peer.
 *
 * Returns: (transfer full): credentials
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_read_bytes:
 * @ioc: the channel
 * @count: the most bytes
 * @fds: (out) (optional) (nullable) (transfer full): received descriptors
 * @flags: how to read
 * @error: where to report an error
 *
 * Reads. Fails with %G_IO_ERROR_WOULD_BLOCK if it would have to wait. Called `read_bytes_with_fds`
 * in Vala.
 *
 * Returns: (transfer full): the bytes, none at the end of the file
 *
 * Since: 0.1
 */

/**
 * QIOChannelClass::io_write_bytes:
 * @ioc: the channel
 * @bytes: what to write
 * @fds: (nullable): descriptors to send along
 * @flags: how to write
 * @error: where to report an error
 *
 * Writes. Fails with %G_IO_ERROR_WOULD_BLOCK if it would have to wait. Called
 * `write_bytes_with_fds` in Vala.
 *
 * Returns: how many bytes were written
 *
 * Since: 0.1
 */

/**
 * QIOChannel:name:
 *
 * The label of the channel in messages and in the names of its sources.
 *
 * Since: 0.1
 */

/**
 * QIOChannel:features:
 *
 * The features of the channel beyond reading and writing.
 *
 * Since: 0.1
 */

/**
 * QIOChannel:blocking:
 *
 * Whether reads and writes block until they can be done.
 *
 * Since: 0.1
 */

/**
 * QIOChannel:closed:
 *
 * Whether the channel has been closed.
 *
 * Since: 0.1
 */

/**
 * qio_channel_has_feature:
 * @ioc: a channel
 * @feature: a feature
 *
 * Gets whether a channel has a feature.
 *
 * Returns: %TRUE if it has
 *
 * Since: 0.1
 */
gboolean qio_channel_has_feature (QIOChannel *ioc,
                                  QIOChannelFeature feature);

/**
 * qio_channel_set_feature:
 * @ioc: a channel
 * @feature: a feature
 *
 * Adds a feature: for the class of the channel.
 *
 * Since: 0.1
 */
void qio_channel_set_feature (QIOChannel *ioc,
                              QIOChannelFeature feature);

/**
 * qio_channel_get_features:
 * @ioc: a channel
 *
 * Gets what a channel can do.
 *
 * Returns: its features
 *
 * Since: 0.1
 */
QIOChannelFeature qio_channel_get_features (QIOChannel *ioc);

/**
 * qio_channel_set_name:
 * @ioc: a channel
 * @name: (nullable): the name
 *
 * Names a channel, for messages and for the names of its sources.
 *
 * Since: 0.1
 */
void qio_channel_set_name (QIOChannel *ioc,
                           const char *name);

/**
 * qio_channel_get_name:
 * @ioc: a channel
 *
 * Gets the name of a channel.
 *
 * Returns: (transfer full) (nullable): the name
 *
 * Since: 0.1
 */
char *qio_channel_get_name (QIOChannel *ioc);

/**
 * qio_channel_readv_full: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @fds: (nullable): where to put the received descriptors, to be freed by [func@GLib.free]
 * @nfds: (nullable): location for their number; %NULL if @fds is
 * @flags: how to do it
 * @error: where to report an error
 *
 * Reads once, into several buffers. Needs %QIO_CHANNEL_FEATURE_FD_PASS where @fds is not %NULL; if
 * @fds is %NULL, received descriptors are closed.
 *
 * Returns: how many bytes, 0 at the end of the file, -1 with an error, or %QIO_CHANNEL_ERR_BLOCK
 *
 * Since: 0.1
 */
gssize qio_channel_readv_full (QIOChannel *ioc,
                               const struct iovec *iov,
                               gsize niov,
                               int **fds,
                               gsize *nfds,
                               int flags,
                               GError **error);

/**
 * qio_channel_writev_full: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @fds: (nullable): descriptors to send with the first byte; they stay open here
 * @nfds: how many there are
 * @flags: how to do it
 * @error: where to report an error
 *
 * Writes once, from several buffers. Needs %QIO_CHANNEL_FEATURE_FD_PASS where there are
 * descriptors.
 *
 * Returns: how many bytes, -1 with an error, or %QIO_CHANNEL_ERR_BLOCK
 *
 * Since: 0.1
 */
gssize qio_channel_writev_full (QIOChannel *ioc,
                                const struct iovec *iov,
                                gsize niov,
                                int *fds,
                                gsize nfds,
                                int flags,
                                GError **error);

/**
 * qio_channel_readv_all_eof: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @error: where to report an error
 *
 * Reads until all buffers are full, and waits if necessary; in a coroutine, suspends it.
 *
 * Returns: 1, or 0 if the file ended before the first byte, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_readv_all_eof (QIOChannel *ioc,
                               const struct iovec *iov,
                               gsize niov,
                               GError **error);

/**
 * qio_channel_readv_all: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @error: where to report an error
 *
 * As [method@Qio.Channel.readv_all_eof]; every end of the file is an error.
 *
 * Returns: 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_readv_all (QIOChannel *ioc,
                           const struct iovec *iov,
                           gsize niov,
                           GError **error);

/**
 * qio_channel_writev_all: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @error: where to report an error
 *
 * Writes all buffers, and waits if necessary.
 *
 * Returns: 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_writev_all (QIOChannel *ioc,
                            const struct iovec *iov,
                            gsize niov,
                            GError **error);

/**
 * qio_channel_readv: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @error: where to report an error
 *
 * As [method@Qio.Channel.readv_full], without descriptors and flags.
 *
 * Returns: how many bytes, 0 at the end of the file, -1 with an error, or %QIO_CHANNEL_ERR_BLOCK
 *
 * Since: 0.1
 */
gssize qio_channel_readv (QIOChannel *ioc,
                          const struct iovec *iov,
                          gsize niov,
                          GError **error);

/**
 * qio_channel_writev: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @error: where to report an error
 *
 * As [method@Qio.Channel.writev_full], without descriptors and flags.
 *
 * Returns: how many bytes, -1 with an error, or %QIO_CHANNEL_ERR_BLOCK
 *
 * Since: 0.1
 */
gssize qio_channel_writev (QIOChannel *ioc,
                           const struct iovec *iov,
                           gsize niov,
                           GError **error);

/**
 * qio_channel_read: (skip)
 * @ioc: a channel
 * @buf: the memory
 * @buflen: its size in bytes
 * @error: where to report an error
 *
 * Reads once.
 *
 * Returns: how many bytes, 0 at the end of the file, -1 with an error, or %QIO_CHANNEL_ERR_BLOCK
 *
 * Since: 0.1
 */
gssize qio_channel_read (QIOChannel *ioc,
                         void *buf,
                         gsize buflen,
                         GError **error);

/**
 * qio_channel_write: (skip)
 * @ioc: a channel
 * @buf: the memory
 * @buflen: its size in bytes
 * @error: where to report an error
 *
 * Writes once.
 *
 * Returns: how many bytes, -1 with an error, or %QIO_CHANNEL_ERR_BLOCK
 *
 * Since: 0.1
 */
gssize qio_channel_write (QIOChannel *ioc,
                          const void *buf,
                          gsize buflen,
                          GError **error);

/**
 * qio_channel_read_all_eof: (skip)
 * @ioc: a channel
 * @buf: the memory
 * @buflen: its size in bytes
 * @error: where to report an error
 *
 * As [method@Qio.Channel.readv_all_eof], into one buffer.
 *
 * Returns: 1, or 0 if the file ended before the first byte, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_read_all_eof (QIOChannel *ioc,
                              void *buf,
                              gsize buflen,
                              GError **error);

/**
 * qio_channel_read_all: (skip)
 * @ioc: a channel
 * @buf: the memory
 * @buflen: its size in bytes
 * @error: where to report an error
 *
 * As [method@Qio.Channel.readv_all], into one buffer.
 *
 * Returns: 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_read_all (QIOChannel *ioc,
                          void *buf,
                          gsize buflen,
                          GError **error);

/**
 * qio_channel_write_all: (skip)
 * @ioc: a channel
 * @buf: the memory
 * @buflen: its size in bytes
 * @error: where to report an error
 *
 * As [method@Qio.Channel.writev_all], from one buffer.
 *
 * Returns: 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_write_all (QIOChannel *ioc,
                           const void *buf,
                           gsize buflen,
                           GError **error);

/**
 * qio_channel_readv_full_all_eof: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @fds: (nullable): where to put the received descriptors, to be freed by [func@GLib.free]
 * @nfds: (nullable): location for their number; %NULL if @fds is
 * @error: where to report an error
 *
 * As [method@Qio.Channel.readv_all_eof], with descriptors.
 *
 * Returns: 1, or 0 if the file ended before the first byte, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_readv_full_all_eof (QIOChannel *ioc,
                                    const struct iovec *iov,
                                    gsize niov,
                                    int **fds,
                                    gsize *nfds,
                                    GError **error);

/**
 * qio_channel_readv_full_all_eof_with_flags: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @fds: (nullable): where to put the received descriptors, to be freed by [func@GLib.free]
 * @nfds: (nullable): location for their number; %NULL if @fds is
 * @flags: how to do it; %QIO_CHANNEL_READ_FLAG_MSG_PEEK is an error, as each peek gets the same
 * data
 * @error: where to report an error
 *
 * As [method@Qio.Channel.readv_full_all_eof], with flags, as QEMU's newer function of that name has
 * them.
 *
 * Returns: 1, or 0 if the file ended before the first byte, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_readv_full_all_eof_with_flags (QIOChannel *ioc,
                                               const struct iovec *iov,
                                               gsize niov,
                                               int **fds,
                                               gsize *nfds,
                                               int flags,
                                               GError **error);

/**
 * qio_channel_readv_full_all: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @fds: (nullable): where to put the received descriptors, to be freed by [func@GLib.free]
 * @nfds: (nullable): location for their number; %NULL if @fds is
 * @error: where to report an error
 *
 * As [method@Qio.Channel.readv_all], with descriptors.
 *
 * Returns: 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_readv_full_all (QIOChannel *ioc,
                                const struct iovec *iov,
                                gsize niov,
                                int **fds,
                                gsize *nfds,
                                GError **error);

/**
 * qio_channel_readv_full_all_with_flags: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @fds: (nullable): where to put the received descriptors, to be freed by [func@GLib.free]
 * @nfds: (nullable): location for their number; %NULL if @fds is
 * @flags: how to do it; %QIO_CHANNEL_READ_FLAG_MSG_PEEK is an error, as each peek gets the same
 * data
 * @error: where to report an error
 *
 * As [method@Qio.Channel.readv_full_all], with flags, as QEMU's newer function of that name has
 * them.
 *
 * Returns: 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_readv_full_all_with_flags (QIOChannel *ioc,
                                           const struct iovec *iov,
                                           gsize niov,
                                           int **fds,
                                           gsize *nfds,
                                           int flags,
                                           GError **error);

/**
 * qio_channel_writev_full_all: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @fds: (nullable): descriptors to send with the first byte; they stay open here
 * @nfds: how many there are
 * @error: where to report an error
 *
 * As [method@Qio.Channel.writev_all], with descriptors, which are passed with the first byte.
 *
 * Returns: 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_writev_full_all (QIOChannel *ioc,
                                 const struct iovec *iov,
                                 gsize niov,
                                 int *fds,
                                 gsize nfds,
                                 GError **error);

/**
 * qio_channel_writev_full_all_with_flags: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @fds: (nullable): descriptors to send with the first byte; they stay open here
 * @nfds: how many there are
 * @flags: [flags@Qio.ChannelWriteFlags]
 * @error: where to report an error
 *
 * As [method@Qio.Channel.writev_full_all], with flags for each of its writes. After
 * %QIO_CHANNEL_WRITE_FLAG_ZERO_COPY the memory must stay as it is until [method@Qio.Channel.flush]
 * has succeeded.
 *
 * Returns: 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_writev_full_all_with_flags (QIOChannel *ioc,
                                            const struct iovec *iov,
                                            gsize niov,
                                            int *fds,
                                            gsize nfds,
                                            int flags,
                                            GError **error);

/**
 * qio_channel_pread: (skip)
 * @ioc: a channel
 * @buf: the memory
 * @buflen: its size in bytes
 * @offset: where in the file
 * @error: where to report an error
 *
 * Reads once at an offset, and leaves the position alone. Needs %QIO_CHANNEL_FEATURE_SEEKABLE.
 *
 * Returns: how many bytes, 0 at the end of the file, -1 with an error, or %QIO_CHANNEL_ERR_BLOCK
 *
 * Since: 0.1
 */
gssize qio_channel_pread (QIOChannel *ioc,
                          void *buf,
                          gsize buflen,
                          goffset offset,
                          GError **error);

/**
 * qio_channel_pread_all: (skip)
 * @ioc: a channel
 * @buf: the memory
 * @buflen: its size in bytes
 * @offset: where in the file
 * @error: where to report an error
 *
 * As [method@Qio.Channel.pread], until all is done.
 *
 * Returns: 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_pread_all (QIOChannel *ioc,
                           void *buf,
                           gsize buflen,
                           goffset offset,
                           GError **error);

/**
 * qio_channel_preadv: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @offset: where in the file
 * @error: where to report an error
 *
 * Reads once at an offset, and leaves the position alone. Needs %QIO_CHANNEL_FEATURE_SEEKABLE.
 *
 * Returns: how many bytes, 0 at the end of the file, -1 with an error, or %QIO_CHANNEL_ERR_BLOCK
 *
 * Since: 0.1
 */
gssize qio_channel_preadv (QIOChannel *ioc,
                           const struct iovec *iov,
                           gsize niov,
                           goffset offset,
                           GError **error);

/**
 * qio_channel_preadv_all: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @offset: where in the file
 * @error: where to report an error
 *
 * As [method@Qio.Channel.preadv], until all is done.
 *
 * Returns: 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_preadv_all (QIOChannel *ioc,
                            const struct iovec *iov,
                            gsize niov,
                            goffset offset,
                            GError **error);

/**
 * qio_channel_pread_all_eof: (skip)
 * @ioc: a channel
 * @buf: the memory
 * @buflen: its size in bytes
 * @offset: where in the file
 * @error: where to report an error
 *
 * As [method@Qio.Channel.read_all_eof], at an offset; the position stays.
 *
 * Returns: 1, or 0 if the file ended before the first byte, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_pread_all_eof (QIOChannel *ioc,
                               void *buf,
                               gsize buflen,
                               goffset offset,
                               GError **error);

/**
 * qio_channel_preadv_all_eof: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @offset: where in the file
 * @error: where to report an error
 *
 * As [method@Qio.Channel.readv_all_eof], at an offset; the position stays.
 *
 * Returns: 1, or 0 if the file ended before the first byte, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_preadv_all_eof (QIOChannel *ioc,
                                const struct iovec *iov,
                                gsize niov,
                                goffset offset,
                                GError **error);

/**
 * qio_channel_pwrite: (skip)
 * @ioc: a channel
 * @buf: the memory
 * @buflen: its size in bytes
 * @offset: where in the file
 * @error: where to report an error
 *
 * Writes once at an offset, and leaves the position alone. Needs %QIO_CHANNEL_FEATURE_SEEKABLE.
 *
 * Returns: how many bytes, -1 with an error, or %QIO_CHANNEL_ERR_BLOCK
 *
 * Since: 0.1
 */
gssize qio_channel_pwrite (QIOChannel *ioc,
                           const void *buf,
                           gsize buflen,
                           goffset offset,
                           GError **error);

/**
 * qio_channel_pwrite_all: (skip)
 * @ioc: a channel
 * @buf: the memory
 * @buflen: its size in bytes
 * @offset: where in the file
 * @error: where to report an error
 *
 * As [method@Qio.Channel.pwrite], until all is done.
 *
 * Returns: 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_pwrite_all (QIOChannel *ioc,
                            const void *buf,
                            gsize buflen,
                            goffset offset,
                            GError **error);

/**
 * qio_channel_pwritev: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @offset: where in the file
 * @error: where to report an error
 *
 * Writes once at an offset, and leaves the position alone. Needs %QIO_CHANNEL_FEATURE_SEEKABLE.
 *
 * Returns: how many bytes, -1 with an error, or %QIO_CHANNEL_ERR_BLOCK
 *
 * Since: 0.1
 */
gssize qio_channel_pwritev (QIOChannel *ioc,
                            const struct iovec *iov,
                            gsize niov,
                            goffset offset,
                            GError **error);

/**
 * qio_channel_pwritev_all: (skip)
 * @ioc: a channel
 * @iov: the buffers, in order
 * @niov: how many buffers there are
 * @offset: where in the file
 * @error: where to report an error
 *
 * As [method@Qio.Channel.pwritev], until all is done.
 *
 * Returns: 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_pwritev_all (QIOChannel *ioc,
                             const struct iovec *iov,
                             gsize niov,
                             goffset offset,
                             GError **error);

/**
 * qio_channel_set_blocking:
 * @ioc: a channel
 * @enabled: whether to do so
 * @error: where to report an error
 *
 * Sets blocking or non-blocking mode. In non-blocking mode reads and writes that would wait return
 * %QIO_CHANNEL_ERR_BLOCK, without an error.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_set_blocking (QIOChannel *ioc,
                              gboolean enabled,
                              GError **error);

/**
 * qio_channel_get_blocking:
 * @ioc: a channel
 *
 * Gets the mode of a channel.
 *
 * Returns: %TRUE if reads and writes wait
 *
 * Since: 0.1
 */
gboolean qio_channel_get_blocking (QIOChannel *ioc);

/**
 * qio_channel_close:
 * @ioc: a channel
 * @error: where to report an error
 *
 * Closes a channel, flushing pending output. All its waiters are woken. It counts as closed
 * afterwards even if there was an error; later calls do nothing.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_close (QIOChannel *ioc,
                       GError **error);

/**
 * qio_channel_abort:
 * @ioc: a channel
 *
 * Closes a channel as after a failure: nothing is flushed and nothing is sent, and it does not
 * block. The peer of a TCP connection sees a reset, so that truncated data does not look complete;
 * a TLS channel above it sends no close_notify. A command is killed. Unix sockets, pipes and files
 * have no way to report it to their readers. Does nothing on a closed channel.
 *
 * Since: 0.1
 */
void qio_channel_abort (QIOChannel *ioc);

/**
 * qio_channel_is_closed:
 * @ioc: a channel
 *
 * Gets whether a channel has been closed.
 *
 * Returns: %TRUE once it has
 *
 * Since: 0.1
 */
gboolean qio_channel_is_closed (QIOChannel *ioc);

/**
 * qio_channel_shutdown:
 * @ioc: a channel
 * @how: the direction
 * @error: where to report an error
 *
 * Ends one direction, or both. Quick, does not block, and may be called from any thread. Needs
 * %QIO_CHANNEL_FEATURE_SHUTDOWN.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_shutdown (QIOChannel *ioc,
                          QIOChannelShutdown how,
                          GError **error);

/**
 * qio_channel_flush:
 * @ioc: a channel
 * @error: where to report an error
 *
 * Sends buffered data, and waits, in either mode, until all zero-copy writes
 * (%QIO_CHANNEL_WRITE_FLAG_ZERO_COPY) have completed: after that the caller may change their
 * memory. It waits for a peer that does not read. Shutting both directions down, or closing the
 * channel, ends the wait with an error, and so does shutting down writing after the peer has shut
 * down its side: flush before that.
 *
 * Returns: 1 if there were zero-copy writes, and the kernel copied all of them; 0 otherwise; or -1
 * with an error
 *
 * Since: 0.1
 */
int qio_channel_flush (QIOChannel *ioc,
                       GError **error);

/**
 * qio_channel_set_delay:
 * @ioc: a channel
 * @enabled: whether to do so
 *
 * Allows small writes to be merged, or sends each at once. A hint.
 *
 * Since: 0.1
 */
void qio_channel_set_delay (QIOChannel *ioc,
                            gboolean enabled);

/**
 * qio_channel_set_cork:
 * @ioc: a channel
 * @enabled: whether to do so
 *
 * Holds written data back, or sends what was held back. A hint.
 *
 * Since: 0.1
 */
void qio_channel_set_cork (QIOChannel *ioc,
                           gboolean enabled);

/**
 * qio_channel_io_seek:
 * @ioc: a channel
 * @offset: where to
 * @whence: 0: from the start, 1: from here, 2: from the end
 * @error: where to report an error
 *
 * Moves the position. Needs %QIO_CHANNEL_FEATURE_SEEKABLE.
 *
 * Returns: the new position, or -1 with an error
 *
 * Since: 0.1
 */
goffset qio_channel_io_seek (QIOChannel *ioc,
                             goffset offset,
                             int whence,
                             GError **error);

/**
 * qio_channel_get_peerpid:
 * @ioc: a channel
 * @pid: (out): where to put the number
 * @error: where to report an error
 *
 * Gets the process id of the peer, as [method@Qio.Channel.get_credentials]. The process may have
 * exited, and the id may have been reused.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_get_peerpid (QIOChannel *ioc,
                             unsigned int *pid,
                             GError **error);

/**
 * qio_channel_get_credentials:
 * @ioc: a channel
 * @error: where to report an error
 *
 * Gets the credentials of the peer.
 *
 * Returns: (transfer full): the credentials
 *
 * Since: 0.1
 */
GCredentials *qio_channel_get_credentials (QIOChannel *ioc,
                                           GError **error);

/**
 * qio_channel_create_watch: (virtual io_create_watch)
 * @ioc: a channel
 * @condition: the condition to wait for
 *
 * Creates a source that waits for a condition; its callback is a [callback@Qio.ChannelFunc].
 * %G_IO_HUP, %G_IO_ERR and %G_IO_NVAL are always reported. %G_IO_NVAL is reported once and ends the
 * watch: the channel is closed.
 *
 * Returns: (transfer full): a source, which is not attached
 *
 * Since: 0.1
 */
GSource *qio_channel_create_watch (QIOChannel *ioc,
                                   GIOCondition condition);

/**
 * qio_channel_create_watch_full: (rename-to qio_channel_create_watch)
 * @ioc: a channel
 * @condition: the condition to wait for
 * @func: (scope notified) (closure user_data) (destroy notify): what to call
 * @user_data: what to call @func with
 * @notify: (nullable): frees @user_data
 *
 * As [method@Qio.Channel.create_watch], with its callback.
 *
 * Returns: (transfer full): a source, which is not attached
 *
 * Since: 0.1
 */
GSource *qio_channel_create_watch_full (QIOChannel *ioc,
                                        GIOCondition condition,
                                        QIOChannelFunc func,
                                        gpointer user_data,
                                        GDestroyNotify notify);

/**
 * qio_channel_create_fd_watch:
 * @ioc: a channel
 * @fd: a descriptor
 * @condition: the condition to wait for
 *
 * Creates a watch of one descriptor: for [struct@Qio.ChannelClass].io_create_watch of classes. The
 * descriptor must stay open until the watch is destroyed.
 *
 * Returns: (transfer full): a source
 *
 * Since: 0.1
 */
GSource *qio_channel_create_fd_watch (QIOChannel *ioc,
                                      int fd,
                                      GIOCondition condition);

/**
 * qio_channel_create_child_watch:
 * @ioc: a channel
 * @condition: the condition to wait for
 * @source: a source that is new, and not attached
 *
 * Creates a watch that is ready when @source is, which becomes its child: for
 * [struct@Qio.ChannelClass].io_create_watch of classes that wait by a source of GLib, of GIO or of
 * the class. The callback of @source is replaced. If GLib can call a closure for it, as for all
 * sources of GLib and GIO, the watch reports @condition when it is ready; any other source must
 * call a [callback@Qio.ChannelFunc], and the watch reports the conditions that it passes.
 *
 * Closing the channel wakes the watch, whether or not that makes @source ready. The result of
 * io_create_watch becomes the child of a watch in any case.
 *
 * Returns: (transfer full): a source
 *
 * Since: 0.1
 */
GSource *qio_channel_create_child_watch (QIOChannel *ioc,
                                         GIOCondition condition,
                                         GSource *source);

/**
 * qio_channel_create_fd_pair_watch:
 * @ioc: a channel
 * @fdread: the descriptor to read from
 * @fdwrite: the descriptor to write to
 * @condition: the condition to wait for
 *
 * As [method@Qio.Channel.create_fd_watch], with one descriptor to read from and one to write to. A
 * negative descriptor reports a hang-up of its direction.
 *
 * Returns: (transfer full): a source
 *
 * Since: 0.1
 */
GSource *qio_channel_create_fd_pair_watch (QIOChannel *ioc,
                                           int fdread,
                                           int fdwrite,
                                           GIOCondition condition);

/**
 * qio_channel_add_watch:
 * @ioc: a channel
 * @condition: the condition to wait for
 * @func: (scope notified) (closure user_data) (destroy notify): what to call
 * @user_data: what to call @func with
 * @notify: (nullable): frees @user_data
 *
 * Calls @func from the default context whenever a condition holds, until it returns
 * %G_SOURCE_REMOVE.
 *
 * Returns: the id of the source, for [func@GLib.Source.remove]
 *
 * Since: 0.1
 */
guint qio_channel_add_watch (QIOChannel *ioc,
                             GIOCondition condition,
                             QIOChannelFunc func,
                             gpointer user_data,
                             GDestroyNotify notify);

/**
 * qio_channel_add_watch_full: (rename-to qio_channel_add_watch)
 * @ioc: a channel
 * @condition: the condition to wait for
 * @func: (scope notified) (closure user_data) (destroy notify): what to call
 * @user_data: what to call @func with
 * @notify: (nullable): frees @user_data
 * @context: (nullable): the context, or %NULL for the default one
 *
 * As [method@Qio.Channel.add_watch], in a context.
 *
 * Returns: the id of the source in its context
 *
 * Since: 0.1
 */
guint qio_channel_add_watch_full (QIOChannel *ioc,
                                  GIOCondition condition,
                                  QIOChannelFunc func,
                                  gpointer user_data,
                                  GDestroyNotify notify,
                                  GMainContext *context);

/**
 * qio_channel_add_watch_source:
 * @ioc: a channel
 * @condition: the condition to wait for
 * @func: (scope notified) (closure user_data) (destroy notify): what to call
 * @user_data: what to call @func with
 * @notify: (nullable): frees @user_data
 * @context: (nullable): the context, or %NULL for the default one
 *
 * As [method@Qio.Channel.add_watch_full], and returns the source.
 *
 * Returns: (transfer full): the source
 *
 * Since: 0.1
 */
GSource *qio_channel_add_watch_source (QIOChannel *ioc,
                                       GIOCondition condition,
                                       QIOChannelFunc func,
                                       gpointer user_data,
                                       GDestroyNotify notify,
                                       GMainContext *context);

/**
 * qio_channel_attach_aio_context:
 * @ioc: a channel
 * @ctx: (nullable): the context, or %NULL for the default one
 *
 * Makes asynchronous functions and coroutines wait for this channel in the given context, instead
 * of their own. Pending waits are moved to it.
 *
 * Since: 0.1
 */
void qio_channel_attach_aio_context (QIOChannel *ioc,
                                     GMainContext *ctx);

/**
 * qio_channel_detach_aio_context:
 * @ioc: a channel
 *
 * Reverts [method@Qio.Channel.attach_aio_context].
 *
 * Since: 0.1
 */
void qio_channel_detach_aio_context (QIOChannel *ioc);

/**
 * qio_channel_set_follow_coroutine_ctx:
 * @ioc: a channel
 * @enabled: whether coroutines wait in the context in which they run
 *
 * Sets whether coroutines and asynchronous functions wait for this channel in the context in which
 * they run, which is the default, or in the global default context, as with
 * [method@Qio.Channel.attach_aio_context]. The last call of these functions takes effect.
 *
 * Since: 0.1
 */
void qio_channel_set_follow_coroutine_ctx (QIOChannel *ioc,
                                           gboolean enabled);

/**
 * qio_channel_yield: (skip)
 * @ioc: a channel
 * @condition: the condition to wait for
 *
 * Suspends the calling coroutine until a condition holds. Only in a coroutine.
 *
 * Since: 0.1
 */
void qio_channel_yield (QIOChannel *ioc,
                        GIOCondition condition);

/**
 * qio_channel_yield_full: (skip)
 * @ioc: a channel
 * @condition: the condition to wait for
 * @ready: (out) (optional): the conditions that are there
 * @error: the reason for a failure
 *
 * As [method@Qio.Channel.yield], and reports the conditions that hold, or %G_IO_ERROR_CANCELLED if
 * the coroutine is being dropped. After [method@Qio.Channel.wake_read] @ready may be 0.
 *
 * Returns: whether the wait has ended without an error
 *
 * Since: 0.1
 */
gboolean qio_channel_yield_full (QIOChannel *ioc,
                                 GIOCondition condition,
                                 GIOCondition *ready,
                                 GError **error);

/**
 * qio_channel_wake_read: (skip)
 * @ioc: a channel
 *
 * Resumes the coroutines that wait in [method@Qio.Channel.yield] for the channel to become
 * readable, although it is not. May be called from any thread. Pending reads continue to wait, and
 * a coroutine that does not wait yet is not affected.
 *
 * Since: 0.1
 */
void qio_channel_wake_read (QIOChannel *ioc);

/**
 * qio_channel_wait:
 * @ioc: a channel
 * @condition: the condition to wait for
 *
 * Blocks this thread until a condition holds; in a coroutine, suspends it.
 *
 * Since: 0.1
 */
void qio_channel_wait (QIOChannel *ioc,
                       GIOCondition condition);

/**
 * qio_channel_wait_timeout:
 * @ioc: a channel
 * @condition: the condition to wait for
 * @timeout_us: the longest time to wait, in microseconds; negative for no limit
 * @ready: (out) (optional): the conditions that hold
 * @error: where to report an error
 *
 * As [method@Qio.Channel.wait], with a timeout. Fails with %G_IO_ERROR_TIMED_OUT after it.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_wait_timeout (QIOChannel *ioc,
                                   GIOCondition condition,
                                   gint64 timeout_us,
                                   GIOCondition *ready,
                                   GError **error);

/**
 * qio_channel_wait_cancellable:
 * @ioc: a channel
 * @condition: the condition to wait for
 * @cancellable: (nullable): cancels the operation
 * @ready: (out) (optional): the conditions that hold
 * @error: where to report an error
 *
 * As [method@Qio.Channel.wait], until @cancellable is cancelled. Fails with %G_IO_ERROR_CANCELLED
 * then.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_wait_cancellable (QIOChannel *ioc,
                                       GIOCondition condition,
                                       GCancellable *cancellable,
                                       GIOCondition *ready,
                                       GError **error);

/**
 * qio_channel_set_aio_fd_handler: (skip)
 * @ioc: a channel
 * @ctx: (nullable): the context, or %NULL for the default one
 * @io_read: (nullable): called when it can be read
 * @io_write: (nullable): called when it can be written
 * @opaque: the user data of the handlers
 *
 * Sets handlers that are called in a context whenever the channel is ready, replacing previous
 * ones; %NULL for none. A call may be spurious: reading or writing then fails with would-block, so
 * use it with a non-blocking channel.
 *
 * In the thread that runs @ctx the previous handlers are not called any more once this returns. If
 * another thread runs @ctx, one call of each may be in progress or about to begin: free @opaque in
 * a callback that @ctx dispatches.
 *
 * Since: 0.1
 */
void qio_channel_set_aio_fd_handler (QIOChannel *ioc,
                                     GMainContext *ctx,
                                     QIOHandler io_read,
                                     QIOHandler io_write,
                                     gpointer opaque);

/**
 * qio_channel_new_fd:
 * @fd: a descriptor
 * @error: where to report an error
 *
 * Creates a socket or file channel for a descriptor, by its kind, and takes ownership of it. On
 * failure the caller keeps the descriptor. A number that is not open is an error.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannel *qio_channel_new_fd (int fd,
                                GError **error);

/**
 * qio_channel_read_bytes:
 * @ioc: a channel
 * @count: the most bytes
 * @error: where to report an error
 *
 * Reads once. Fails with %G_IO_ERROR_WOULD_BLOCK if it would have to wait.
 *
 * Returns: (transfer full): the bytes, none at the end of the file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_bytes (QIOChannel *ioc,
                                gsize count,
                                GError **error);

/**
 * qio_channel_read_bytes_with_fds: (virtual io_read_bytes)
 * @ioc: a channel
 * @count: the most bytes
 * @fds: (out) (optional) (nullable) (transfer full): received descriptors
 * @flags: how to do it
 * @error: where to report an error
 *
 * As [method@Qio.Channel.read_bytes], with descriptors and flags. A channel without
 * %QIO_CHANNEL_FEATURE_FD_PASS has no descriptors: @fds is set to %NULL, as it is if none
 * were received.
 *
 * Returns: (transfer full): the bytes, none at the end of the file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_bytes_with_fds (QIOChannel *ioc,
                                         gsize count,
                                         GUnixFDList **fds,
                                         QIOChannelReadFlags flags,
                                         GError **error);

/**
 * qio_channel_read_bytes_all:
 * @ioc: a channel
 * @count: how many bytes
 * @error: where to report an error
 *
 * Reads exactly so many bytes, and waits if necessary. Fails with %QIO_CHANNEL_ERROR_TRUNCATED if
 * the file ends before.
 *
 * Returns: (transfer full): the bytes
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_bytes_all (QIOChannel *ioc,
                                    gsize count,
                                    GError **error);

/**
 * qio_channel_read_bytes_all_eof:
 * @ioc: a channel
 * @count: how many bytes
 * @error: where to report an error
 *
 * As [method@Qio.Channel.read_bytes_all]; the end of the file before the first byte is no error.
 *
 * Returns: (transfer full) (nullable): the bytes, or %NULL at the end of the file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_bytes_all_eof (QIOChannel *ioc,
                                        gsize count,
                                        GError **error);

/**
 * qio_channel_read_bytes_with_fds_all:
 * @ioc: a channel
 * @count: how many bytes
 * @fds: (out) (optional) (nullable) (transfer full): received descriptors
 * @error: where to report an error
 *
 * As [method@Qio.Channel.read_bytes_all], with descriptors: see
 * [method@Qio.Channel.read_bytes_with_fds].
 *
 * Returns: (transfer full): the bytes
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_bytes_with_fds_all (QIOChannel *ioc,
                                             gsize count,
                                             GUnixFDList **fds,
                                             GError **error);

/**
 * qio_channel_read_bytes_with_fds_all_eof:
 * @ioc: a channel
 * @count: how many bytes
 * @fds: (out) (optional) (nullable) (transfer full): received descriptors
 * @error: where to report an error
 *
 * As [method@Qio.Channel.read_bytes_all_eof], with descriptors: see
 * [method@Qio.Channel.read_bytes_with_fds].
 *
 * Returns: (transfer full) (nullable): the bytes, or %NULL at the end of the file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_bytes_with_fds_all_eof (QIOChannel *ioc,
                                                 gsize count,
                                                 GUnixFDList **fds,
                                                 GError **error);

/**
 * qio_channel_write_bytes:
 * @ioc: a channel
 * @bytes: what to write
 * @error: where to report an error
 *
 * Writes once. Fails with %G_IO_ERROR_WOULD_BLOCK if it would have to wait.
 *
 * Returns: how many bytes were written, or -1 with an error
 *
 * Since: 0.1
 */
gssize qio_channel_write_bytes (QIOChannel *ioc,
                                GBytes *bytes,
                                GError **error);

/**
 * qio_channel_write_bytes_with_fds: (virtual io_write_bytes)
 * @ioc: a channel
 * @bytes: what to write
 * @fds: (nullable): descriptors to send along; they stay open here
 * @flags: how to do it
 * @error: where to report an error
 *
 * As [method@Qio.Channel.write_bytes], with descriptors and flags.
 *
 * Returns: how many bytes were written, or -1 with an error
 *
 * Since: 0.1
 */
gssize qio_channel_write_bytes_with_fds (QIOChannel *ioc,
                                         GBytes *bytes,
                                         GUnixFDList *fds,
                                         QIOChannelWriteFlags flags,
                                         GError **error);

/**
 * qio_channel_write_bytes_all:
 * @ioc: a channel
 * @bytes: what to write
 * @error: where to report an error
 *
 * Writes all bytes, and waits if necessary.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_write_bytes_all (QIOChannel *ioc,
                                      GBytes *bytes,
                                      GError **error);

/**
 * qio_channel_write_bytes_with_fds_all:
 * @ioc: a channel
 * @bytes: what to write
 * @fds: (nullable): descriptors to send along; they stay open here
 * @flags: how to do it
 * @error: where to report an error
 *
 * As [method@Qio.Channel.write_bytes_all], with descriptors, which are passed with the first byte.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_write_bytes_with_fds_all (QIOChannel *ioc,
                                               GBytes *bytes,
                                               GUnixFDList *fds,
                                               QIOChannelWriteFlags flags,
                                               GError **error);

/**
 * qio_channel_pread_bytes:
 * @ioc: a channel
 * @count: the most bytes
 * @offset: where in the file
 * @error: where to report an error
 *
 * Reads once at an offset.
 *
 * Returns: (transfer full): the bytes, none at the end of the file
 *
 * Since: 0.1
 */
GBytes *qio_channel_pread_bytes (QIOChannel *ioc,
                                 gsize count,
                                 goffset offset,
                                 GError **error);

/**
 * qio_channel_pwrite_bytes:
 * @ioc: a channel
 * @bytes: what to write
 * @offset: where in the file
 * @error: where to report an error
 *
 * Writes once at an offset.
 *
 * Returns: how many bytes were written, or -1 with an error
 *
 * Since: 0.1
 */
gssize qio_channel_pwrite_bytes (QIOChannel *ioc,
                                 GBytes *bytes,
                                 goffset offset,
                                 GError **error);

/**
 * qio_channel_read_bytes_async:
 * @ioc: a channel
 * @count: the most bytes
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.Channel.read_bytes], asynchronously and in either mode of the channel: @callback
 * is called from the thread-default context. Data that a cancelled operation has read is returned
 * by the next read.
 *
 * Since: 0.1
 */
void qio_channel_read_bytes_async (QIOChannel *ioc,
                                   gsize count,
                                   int io_priority,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data);

/**
 * qio_channel_read_bytes_finish:
 * @ioc: a channel
 * @result: what @callback got
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.read_bytes_async].
 *
 * Returns: (transfer full): the bytes, none at the end of the file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_bytes_finish (QIOChannel *ioc,
                                       GAsyncResult *result,
                                       GError **error);

/**
 * qio_channel_read_bytes_with_fds_async:
 * @ioc: a channel
 * @count: the most bytes
 * @flags: how to do it
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.Channel.read_bytes_with_fds], asynchronously and in either mode of the channel:
 * @callback is called from the thread-default context. Data that a cancelled operation has read is
 * returned by the next read.
 *
 * Since: 0.1
 */
void qio_channel_read_bytes_with_fds_async (QIOChannel *ioc,
                                            gsize count,
                                            QIOChannelReadFlags flags,
                                            int io_priority,
                                            GCancellable *cancellable,
                                            GAsyncReadyCallback callback,
                                            gpointer user_data);

/**
 * qio_channel_read_bytes_with_fds_finish:
 * @ioc: a channel
 * @result: what @callback got
 * @fds: (out) (optional) (nullable) (transfer full): received descriptors
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.read_bytes_with_fds_async].
 *
 * Returns: (transfer full): the bytes, none at the end of the file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_bytes_with_fds_finish (QIOChannel *ioc,
                                                GAsyncResult *result,
                                                GUnixFDList **fds,
                                                GError **error);

/**
 * qio_channel_read_bytes_all_async:
 * @ioc: a channel
 * @count: how many bytes
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.Channel.read_bytes_all], asynchronously and in either mode of the channel:
 * @callback is called from the thread-default context. Data that a cancelled operation has read is
 * returned by the next read.
 *
 * Since: 0.1
 */
void qio_channel_read_bytes_all_async (QIOChannel *ioc,
                                       gsize count,
                                       int io_priority,
                                       GCancellable *cancellable,
                                       GAsyncReadyCallback callback,
                                       gpointer user_data);

/**
 * qio_channel_read_bytes_all_finish:
 * @ioc: a channel
 * @result: what @callback got
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.read_bytes_all_async].
 *
 * Returns: (transfer full): the bytes
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_bytes_all_finish (QIOChannel *ioc,
                                           GAsyncResult *result,
                                           GError **error);

/**
 * qio_channel_read_bytes_all_eof_async:
 * @ioc: a channel
 * @count: how many bytes
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.Channel.read_bytes_all_eof], asynchronously and in either mode of the channel:
 * @callback is called from the thread-default context. Data that a cancelled operation has read is
 * returned by the next read.
 *
 * Since: 0.1
 */
void qio_channel_read_bytes_all_eof_async (QIOChannel *ioc,
                                           gsize count,
                                           int io_priority,
                                           GCancellable *cancellable,
                                           GAsyncReadyCallback callback,
                                           gpointer user_data);

/**
 * qio_channel_read_bytes_all_eof_finish:
 * @ioc: a channel
 * @result: what @callback got
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.read_bytes_all_eof_async].
 *
 * Returns: (transfer full) (nullable): the bytes, or %NULL at the end of the file
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_bytes_all_eof_finish (QIOChannel *ioc,
                                               GAsyncResult *result,
                                               GError **error);

/**
 * qio_channel_read_bytes_with_fds_all_async:
 * @ioc: a channel
 * @count: how many bytes
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.Channel.read_bytes_with_fds_all], asynchronously and in either mode of the
 * channel:
 * @callback is called from the thread-default context. Data that a cancelled operation has read is
 * returned by the next read.
 *
 * Since: 0.1
 */
void qio_channel_read_bytes_with_fds_all_async (QIOChannel *ioc,
                                                gsize count,
                                                int io_priority,
                                                GCancellable *cancellable,
                                                GAsyncReadyCallback callback,
                                                gpointer user_data);

/**
 * qio_channel_read_bytes_with_fds_all_finish:
 * @ioc: a channel
 * @result: what @callback got
 * @fds: (out) (optional) (nullable) (transfer full): received descriptors
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.read_bytes_with_fds_all_async].
 *
 * Returns: (transfer full): the bytes
 *
 * Since: 0.1
 */
GBytes *qio_channel_read_bytes_with_fds_all_finish (QIOChannel *ioc,
                                                    GAsyncResult *result,
                                                    GUnixFDList **fds,
                                                    GError **error);

/**
 * qio_channel_write_bytes_async:
 * @ioc: a channel
 * @bytes: what to write
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.Channel.write_bytes], asynchronously and in either mode of the channel: @callback
 * is called from the thread-default context. Data that a cancelled operation has written stays
 * written.
 *
 * Since: 0.1
 */
void qio_channel_write_bytes_async (QIOChannel *ioc,
                                    GBytes *bytes,
                                    int io_priority,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);

/**
 * qio_channel_write_bytes_finish:
 * @ioc: a channel
 * @result: what @callback got
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.write_bytes_async].
 *
 * Returns: how many bytes were written, or -1 with an error
 *
 * Since: 0.1
 */
gssize qio_channel_write_bytes_finish (QIOChannel *ioc,
                                       GAsyncResult *result,
                                       GError **error);

/**
 * qio_channel_write_bytes_with_fds_async:
 * @ioc: a channel
 * @bytes: what to write
 * @fds: (nullable): descriptors to send along; they stay open here
 * @flags: how to do it
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.Channel.write_bytes_with_fds], asynchronously and in either mode of the channel:
 * @callback is called from the thread-default context. Data that a cancelled operation has written
 * stays written.
 *
 * Since: 0.1
 */
void qio_channel_write_bytes_with_fds_async (QIOChannel *ioc,
                                             GBytes *bytes,
                                             GUnixFDList *fds,
                                             QIOChannelWriteFlags flags,
                                             int io_priority,
                                             GCancellable *cancellable,
                                             GAsyncReadyCallback callback,
                                             gpointer user_data);

/**
 * qio_channel_write_bytes_with_fds_finish:
 * @ioc: a channel
 * @result: what @callback got
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.write_bytes_with_fds_async].
 *
 * Returns: how many bytes were written, or -1 with an error
 *
 * Since: 0.1
 */
gssize qio_channel_write_bytes_with_fds_finish (QIOChannel *ioc,
                                                GAsyncResult *result,
                                                GError **error);

/**
 * qio_channel_write_bytes_all_async:
 * @ioc: a channel
 * @bytes: what to write
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.Channel.write_bytes_all], asynchronously and in either mode of the channel:
 * @callback is called from the thread-default context. Data that a cancelled operation has written
 * stays written.
 *
 * Since: 0.1
 */
void qio_channel_write_bytes_all_async (QIOChannel *ioc,
                                        GBytes *bytes,
                                        int io_priority,
                                        GCancellable *cancellable,
                                        GAsyncReadyCallback callback,
                                        gpointer user_data);

/**
 * qio_channel_write_bytes_all_finish:
 * @ioc: a channel
 * @result: what @callback got
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.write_bytes_all_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_write_bytes_all_finish (QIOChannel *ioc,
                                             GAsyncResult *result,
                                             GError **error);

/**
 * qio_channel_write_bytes_with_fds_all_async:
 * @ioc: a channel
 * @bytes: what to write
 * @fds: (nullable): descriptors to send along; they stay open here
 * @flags: how to do it
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.Channel.write_bytes_with_fds_all], asynchronously and in either mode of the
 * channel:
 * @callback is called from the thread-default context. Data that a cancelled operation has written
 * stays written.
 *
 * Since: 0.1
 */
void qio_channel_write_bytes_with_fds_all_async (QIOChannel *ioc,
                                                 GBytes *bytes,
                                                 GUnixFDList *fds,
                                                 QIOChannelWriteFlags flags,
                                                 int io_priority,
                                                 GCancellable *cancellable,
                                                 GAsyncReadyCallback callback,
                                                 gpointer user_data);

/**
 * qio_channel_write_bytes_with_fds_all_finish:
 * @ioc: a channel
 * @result: what @callback got
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.write_bytes_with_fds_all_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_write_bytes_with_fds_all_finish (QIOChannel *ioc,
                                                      GAsyncResult *result,
                                                      GError **error);

/**
 * qio_channel_ready_async:
 * @ioc: a channel
 * @condition: the condition to wait for
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * Waits until a condition holds, without blocking.
 *
 * Since: 0.1
 */
void qio_channel_ready_async (QIOChannel *ioc,
                              GIOCondition condition,
                              int io_priority,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data);

/**
 * qio_channel_ready_finish:
 * @ioc: a channel
 * @result: what @callback got
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.ready_async].
 *
 * Returns: the conditions that hold; 0 with an error
 *
 * Since: 0.1
 */
GIOCondition qio_channel_ready_finish (QIOChannel *ioc,
                                       GAsyncResult *result,
                                       GError **error);

/**
 * qio_channel_close_async:
 * @ioc: a channel
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.Channel.close], asynchronously and in either mode of the channel: @callback is
 * called from the thread-default context.
 *
 * Since: 0.1
 */
void qio_channel_close_async (QIOChannel *ioc,
                              int io_priority,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data);

/**
 * qio_channel_close_finish:
 * @ioc: a channel
 * @result: what @callback got
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.close_async].
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_close_finish (QIOChannel *ioc,
                              GAsyncResult *result,
                              GError **error);

/**
 * qio_channel_flush_async:
 * @ioc: a channel
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.Channel.flush], asynchronously and in either mode of the channel: @callback is
 * called from the thread-default context.
 *
 * Since: 0.1
 */
void qio_channel_flush_async (QIOChannel *ioc,
                              int io_priority,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data);

/**
 * qio_channel_flush_finish:
 * @ioc: a channel
 * @result: what @callback got
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.flush_async].
 *
 * Returns: as [method@Qio.Channel.flush]
 *
 * Since: 0.1
 */
int qio_channel_flush_finish (QIOChannel *ioc,
                              GAsyncResult *result,
                              GError **error);

/**
 * qio_channel_splice_to:
 * @ioc: where to read
 * @target: where to write
 * @count: how many bytes at most, or -1 for all until the end of @ioc
 * @counter: (nullable): counts the bytes while they are moved
 * @error: where to report an error
 *
 * Moves bytes from one channel to another, and waits, in either mode of the two. @target is not
 * shut down at the end: [method@Qio.Channel.relay] does that.
 *
 * Between sockets, pipes and files the kernel moves them; otherwise, and from unix sockets, whose
 * data may have descriptors, they go through one buffer of at most 256 KiB. No more is read than
 * @target accepts. Do not change a file while it is sent to a socket: the peer may get the changed
 * data. If @ioc preserves message boundaries, each message is written at once, up to @count: the
 * rest of it becomes the next message. Empty messages are skipped.
 *
 * After an error @counter and the error message have the number of bytes that were written to
 * @target. No byte is lost: data that was read and could not be written is pushed back to @ioc, or
 * its position is moved back. Descriptors that were passed with the data cannot be moved: they are
 * an error, and stay in the channel, with the data, for a reader that requests them.
 *
 * Returns: how many bytes were moved, or -1 with an error
 *
 * Since: 0.1
 */
gint64 qio_channel_splice_to (QIOChannel *ioc,
                              QIOChannel *target,
                              gint64 count,
                              QIOByteCounter *counter,
                              GError **error);

/**
 * qio_channel_splice_to_async:
 * @ioc: where to read
 * @target: where to write
 * @count: how many bytes at most, or -1 for all until the end of @ioc
 * @counter: (nullable): counts the bytes while they are moved
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.Channel.splice_to], asynchronously and in either mode of the channels: @callback
 * is called from the thread-default context; between sockets in blocking mode bytes go through
 * memory. Data that a cancelled operation has read and not written is pushed back to @ioc.
 *
 * Since: 0.1
 */
void qio_channel_splice_to_async (QIOChannel *ioc,
                                  QIOChannel *target,
                                  gint64 count,
                                  QIOByteCounter *counter,
                                  int io_priority,
                                  GCancellable *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer user_data);

/**
 * qio_channel_splice_to_finish:
 * @ioc: where to read
 * @result: what @callback got
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.splice_to_async].
 *
 * Returns: how many bytes were moved, or -1 with an error
 *
 * Since: 0.1
 */
gint64 qio_channel_splice_to_finish (QIOChannel *ioc,
                                     GAsyncResult *result,
                                     GError **error);

/**
 * qio_channel_relay:
 * @ioc: a channel
 * @other: another one
 * @sent: (nullable): counts the bytes from @ioc to @other
 * @received: (nullable): counts the bytes from @other to @ioc
 * @error: where to report an error
 *
 * Moves bytes between two channels, in both directions, until both have ended. Waits in either mode
 * of the channels, in a private main context, or in the running coroutine.
 *
 * Where one channel ends, the other one is shut down for writing once everything has been written
 * to it, and the other direction continues. A channel without %QIO_CHANNEL_FEATURE_SHUTDOWN cannot
 * be shut down: its reader gets end-of-file when the channel is closed. The last direction also
 * ends when the connection that it writes to is disconnected, or the command has exited, and no
 * data is left to be written. The channels stay open.
 *
 * The first error of either direction ends both at once. Bytes are moved, and pushed back after
 * errors, as by [method@Qio.Channel.splice_to].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_relay (QIOChannel *ioc,
                            QIOChannel *other,
                            QIOByteCounter *sent,
                            QIOByteCounter *received,
                            GError **error);

/**
 * qio_channel_relay_async:
 * @ioc: a channel
 * @other: another one
 * @sent: (nullable): counts the bytes from @ioc to @other
 * @received: (nullable): counts the bytes from @other to @ioc
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.Channel.relay], asynchronously and in either mode of the channels: @callback is
 * called from the thread-default context. Data that a cancelled operation has read and not written
 * is pushed back to the channels.
 *
 * Since: 0.1
 */
void qio_channel_relay_async (QIOChannel *ioc,
                              QIOChannel *other,
                              QIOByteCounter *sent,
                              QIOByteCounter *received,
                              int io_priority,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data);

/**
 * qio_channel_relay_finish:
 * @ioc: a channel
 * @result: what @callback got
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.Channel.relay_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_relay_finish (QIOChannel *ioc,
                                   GAsyncResult *result,
                                   GError **error);

/**
 * qio_context_set_busy_poll:
 * @context: (nullable): the context, or %NULL for the default one
 * @io_priority: the priority of the operations
 * @spin_us: how long, in microseconds
 * @error: where to report an error
 *
 * Makes the operations of a context poll for events for some time before the thread sleeps. Zero,
 * the default, turns that off.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_context_set_busy_poll (GMainContext *context,
                                    int io_priority,
                                    gint64 spin_us,
                                    GError **error);

/**
 * qio_prepare_exit:
 *
 * Prepares for the exit of the process: from now on the threads of this library release nothing
 * that belongs to the application, and leak what they would have released.
 *
 * A release calls code of the application, such as a #GDestroyNotify or the disposal of an object,
 * and that fails once the runtime of its language is finalized. Call this before, where that leaves
 * the threads of the process running. The overrides for Python do so by `atexit`.
 *
 * Returns when no such thread is in a release, or after a second. Calls of channels, and the
 * functions and classes of the application that they call, work as before.
 *
 * Since: 0.2
 */
void qio_prepare_exit (void);

G_END_DECLS

#endif
