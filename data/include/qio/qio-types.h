/* The small values of qio: features, flags, directions and errors. */

#ifndef QIO_TYPES_H
#define QIO_TYPES_H

#include <sys/types.h>
#include <sys/uio.h>

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

/**
 * QIO_CHANNEL_ERR_BLOCK:
 *
 * The result of reads and writes in non-blocking mode that would have to wait. No error is set
 * then.
 *
 * Since: 0.1
 */
#define QIO_CHANNEL_ERR_BLOCK (-2)

/**
 * QIO_CHANNEL_WAIT_WATCH:
 *
 * The result of [struct@Qio.ChannelClass].io_wait_fd if only the source of
 * [struct@Qio.ChannelClass].io_create_watch reports readiness.
 *
 * Since: 0.1
 */
#define QIO_CHANNEL_WAIT_WATCH (-1)

/**
 * QIO_CHANNEL_WAIT_NOW:
 *
 * The result of [struct@Qio.ChannelClass].io_wait_fd if the channel is ready.
 *
 * Since: 0.1
 */
#define QIO_CHANNEL_WAIT_NOW (-2)

/**
 * QIOChannelFeature:
 * @QIO_CHANNEL_FEATURE_FD_PASS: file descriptors can be passed with the data (`SCM_RIGHTS`)
 * @QIO_CHANNEL_FEATURE_SHUTDOWN: one direction, or both, can be shut down before the channel is
 * closed
 * @QIO_CHANNEL_FEATURE_LISTEN: the channel listens for connections
 * @QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY: writes can leave the data in the caller's memory until they
 * have been sent
 * @QIO_CHANNEL_FEATURE_READ_MSG_PEEK: reads can leave the data in the channel
 * @QIO_CHANNEL_FEATURE_SEEKABLE: the channel has positions: it can seek, read and write at an
 * offset
 *
 * Features of a channel beyond reading and writing.
 *
 * Since: 0.1
 */
typedef enum /*< flags >*/ {
  QIO_CHANNEL_FEATURE_FD_PASS = 1 << 0,
  QIO_CHANNEL_FEATURE_SHUTDOWN = 1 << 1,
  QIO_CHANNEL_FEATURE_LISTEN = 1 << 2,
  QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY = 1 << 3,
  QIO_CHANNEL_FEATURE_READ_MSG_PEEK = 1 << 4,
  QIO_CHANNEL_FEATURE_SEEKABLE = 1 << 5
} QIOChannelFeature;

#define QIO_TYPE_CHANNEL_FEATURE (qio_channel_feature_get_type ())
GType qio_channel_feature_get_type (void);

/**
 * QIOChannelReadFlags:
 * @QIO_CHANNEL_READ_FLAG_MSG_PEEK: leave the data in the channel, so that the next read returns
 * them again
 * @QIO_CHANNEL_READ_FLAG_RELAXED_EOF: a stream that ends without close_notify counts as ended, not
 * as truncated
 * @QIO_CHANNEL_READ_FLAG_FD_PRESERVE_BLOCKING: received descriptors stay in the mode in which they
 * were sent, which
 *   they always do: for code that has been written for QEMU
 *
 * Flags of a read.
 *
 * Since: 0.1
 */
typedef enum /*< flags >*/ {
  QIO_CHANNEL_READ_FLAG_MSG_PEEK = 1 << 0,
  QIO_CHANNEL_READ_FLAG_RELAXED_EOF = 1 << 1,
  QIO_CHANNEL_READ_FLAG_FD_PRESERVE_BLOCKING = 1 << 2
} QIOChannelReadFlags;

#define QIO_TYPE_CHANNEL_READ_FLAGS (qio_channel_read_flags_get_type ())
GType qio_channel_read_flags_get_type (void);

/**
 * QIOChannelWriteFlags:
 * @QIO_CHANNEL_WRITE_FLAG_ZERO_COPY: send from the caller's memory without a copy
 *
 * Flags of a write.
 *
 * Since: 0.1
 */
typedef enum /*< flags >*/ {
  QIO_CHANNEL_WRITE_FLAG_ZERO_COPY = 1 << 0
} QIOChannelWriteFlags;

#define QIO_TYPE_CHANNEL_WRITE_FLAGS (qio_channel_write_flags_get_type ())
GType qio_channel_write_flags_get_type (void);

/**
 * QIOChannelShutdown:
 * @QIO_CHANNEL_SHUTDOWN_READ: nothing more will be received
 * @QIO_CHANNEL_SHUTDOWN_WRITE: nothing more will be sent; the peer reads the end of the file
 * @QIO_CHANNEL_SHUTDOWN_BOTH: both directions
 *
 * The direction that [method@Qio.Channel.shutdown] ends.
 *
 * Since: 0.1
 */
typedef enum {
  QIO_CHANNEL_SHUTDOWN_READ = 1,
  QIO_CHANNEL_SHUTDOWN_WRITE = 2,
  QIO_CHANNEL_SHUTDOWN_BOTH = 3
} QIOChannelShutdown;

#define QIO_TYPE_CHANNEL_SHUTDOWN (qio_channel_shutdown_get_type ())
GType qio_channel_shutdown_get_type (void);

/**
 * QIO_CHANNEL_ERROR:
 *
 * The domain of errors without a code in GIO. All other errors are of GIO: see
 * [enum@Gio.IOErrorEnum].
 *
 * Since: 0.1
 */
#define QIO_CHANNEL_ERROR (qio_channel_error_quark ())

/**
 * QIOChannelError:
 * @QIO_CHANNEL_ERROR_TRUNCATED: the stream ended before all requested data was read
 * @QIO_CHANNEL_ERROR_TOO_MANY_FDS: more file descriptors than one message can carry
 * @QIO_CHANNEL_ERROR_FDS_LOST: file descriptors were sent that this process could not take in
 *
 * Errors without a code in GIO.
 *
 * Since: 0.1
 */
typedef enum {
  QIO_CHANNEL_ERROR_TRUNCATED = 0,
  QIO_CHANNEL_ERROR_TOO_MANY_FDS = 1,
  QIO_CHANNEL_ERROR_FDS_LOST = 2
} QIOChannelError;

#define QIO_TYPE_CHANNEL_ERROR (qio_channel_error_get_type ())
GType qio_channel_error_get_type (void);
GQuark qio_channel_error_quark (void);

G_END_DECLS

#endif
