/* A list of the channels of the process, and warnings about them. */

#ifndef QIO_MONITOR_H
#define QIO_MONITOR_H

#include <qio/qio-types.h>

G_BEGIN_DECLS

/**
 * QIOMonitorState:
 * @QIO_MONITOR_STATE_OPEN: the channel is open, and has no connection, or none that is known
 * @QIO_MONITOR_STATE_HANDSHAKE: the channel performs the handshake of TLS or WebSocket
 * @QIO_MONITOR_STATE_CONNECTED: the connection is established
 * @QIO_MONITOR_STATE_CLOSED: the channel was closed, and still exists
 *
 * The state of a channel.
 *
 * Since: 0.1
 */
typedef enum {
  QIO_MONITOR_STATE_OPEN = 0,
  QIO_MONITOR_STATE_HANDSHAKE = 1,
  QIO_MONITOR_STATE_CONNECTED = 2,
  QIO_MONITOR_STATE_CLOSED = 3
} QIOMonitorState;

#define QIO_TYPE_MONITOR_STATE (qio_monitor_state_get_type ())
GType qio_monitor_state_get_type (void);

/**
 * QIOMonitorWarning:
 * @QIO_MONITOR_WARNING_BLOCKED_LOOP: a call has blocked a thread that runs a main context for
 * longer than [property@Qio.Monitor:blocked-threshold]
 * @QIO_MONITOR_WARNING_UNREAD_WATCH: a watch or an fd handler for input fires more than 1,000 times
 * a second, and the channel is not read
 * @QIO_MONITOR_WARNING_UNWRITTEN_WATCH: a watch or an fd handler for output fires more than 1,000
 * times a second, and the channel is not written
 * @QIO_MONITOR_WARNING_PENDING_OUTPUT: pending output has not made progress for a second
 * @QIO_MONITOR_WARNING_CLOSED_UNREAD: a channel was closed with input that was not read
 * @QIO_MONITOR_WARNING_SLOW_HANDSHAKE: a handshake takes longer than 10 seconds
 * @QIO_MONITOR_WARNING_BUSY_LOOP: a thread calls or polls a channel 10,000 times within a second
 * without waiting, and nothing is read or written: by that channel, or by any other in that thread
 *
 * What is wrong with a channel, or with its use.
 *
 * Since: 0.1
 */
typedef enum {
  QIO_MONITOR_WARNING_BLOCKED_LOOP = 0,
  QIO_MONITOR_WARNING_UNREAD_WATCH = 1,
  QIO_MONITOR_WARNING_UNWRITTEN_WATCH = 2,
  QIO_MONITOR_WARNING_PENDING_OUTPUT = 3,
  QIO_MONITOR_WARNING_CLOSED_UNREAD = 4,
  QIO_MONITOR_WARNING_SLOW_HANDSHAKE = 5,
  QIO_MONITOR_WARNING_BUSY_LOOP = 6
} QIOMonitorWarning;

#define QIO_TYPE_MONITOR_WARNING (qio_monitor_warning_get_type ())
GType qio_monitor_warning_get_type (void);

/**
 * QIOMonitorItem:
 *
 * A channel in the list of a [class@Qio.Monitor], as of the last update.
 *
 * Its properties are notified when an update changes them. After the channel was finalized the item
 * is no longer in the list, and stays as it was.
 *
 * Since: 0.1
 */
#define QIO_TYPE_MONITOR_ITEM (qio_monitor_item_get_type ())
G_DECLARE_FINAL_TYPE (QIOMonitorItem, qio_monitor_item, QIO, MONITOR_ITEM, GObject)

/**
 * QIOMonitorItem:id:
 *
 * A number that no other channel of the process has.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:class-name:
 *
 * The name of the class of the channel: `QIOChannelSocket`, for example.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:name:
 *
 * The name that the application has set.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:label:
 *
 * The label of the channel in messages: its class, and its name or what it is connected to, if
 * that is known.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:below:
 *
 * The id of the lower channel of a layered one, or 0.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:state:
 *
 * The state of the channel.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:opened:
 *
 * When the channel was created, or first listed if it existed before the first monitor: in
 * microseconds, as [func@GLib.get_real_time].
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:last-activity:
 *
 * When a read or a write was last made, in microseconds, as [func@GLib.get_real_time].
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:bytes-read:
 *
 * The number of bytes that were read.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:bytes-written:
 *
 * The number of bytes that were written.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:reads:
 *
 * The number of reads, also of those that moved nothing.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:writes:
 *
 * The number of writes, also of those that moved nothing.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:would-blocks:
 *
 * The number of reads and writes that would have blocked.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:waiters:
 *
 * The number of asynchronous calls, watches and threads that wait for the channel.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:pending-output:
 *
 * The output in bytes that the lower channel has not taken. 1 if that is not encoded.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:pushed-back:
 *
 * The number of bytes that were pushed back, and not read again.
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:slow-calls:
 *
 * The number of calls that have blocked a thread that runs a main context for longer than
 * [property@Qio.Monitor:blocked-threshold].
 *
 * Since: 0.1
 */

/**
 * QIOMonitorItem:last-error:
 *
 * The error of the last call that has failed.
 *
 * Since: 0.1
 */

/**
 * QIOMonitor:
 *
 * A list of the channels of the process, with what they have transferred and what they wait for,
 * and warnings about what is wrong with them.
 *
 * While a monitor exists the process is observed: calls of channels are counted. Otherwise nothing
 * is counted, and reads and writes are as fast as without this class. A channel is listed from its
 * creation on until it is finalized, also if it existed before the monitor; of calls before that
 * nothing is known, and of a layered channel its lower channel and its state are known after its
 * next call. With `QIO_MONITOR=1` in its environment a process is observed from the beginning, and
 * logs warnings.
 *
 * The list belongs to the thread that creates the monitor. A timer updates it in the thread-default
 * main context of the creation: items are added and removed, the properties of items change, and
 * [signal@Qio.Monitor::warning] is emitted. Channels of all threads are listed. The list has no
 * references to them.
 *
 * Nothing is visible to other processes, unless [func@Qio.Monitor.listen] is called.
 *
 * Implements [iface@Gio.ListModel] of [class@Qio.MonitorItem]: those that existed before, then from
 * the oldest channel to the newest.
 *
 * Since: 0.1
 */
#define QIO_TYPE_MONITOR (qio_monitor_get_type ())
G_DECLARE_FINAL_TYPE (QIOMonitor, qio_monitor, QIO, MONITOR, GObject)

/**
 * QIOMonitor:interval:
 *
 * The time between two updates of the list in milliseconds, at least 10. Default: 1000.
 *
 * Since: 0.1
 */

/**
 * QIOMonitor:blocked-threshold:
 *
 * How long a call may block a thread that runs a main context, in microseconds. Default: 5000.
 *
 * Calls are measured by the lowest threshold of all monitors; each emits the warnings of its own.
 *
 * Since: 0.1
 */

/**
 * QIOMonitor::warning:
 * @monitor: the monitor
 * @item: the channel
 * @kind: what is wrong
 * @message: a description for developers
 *
 * Something is wrong with a channel, or with its use. Emitted in the main context of the monitor.
 *
 * Warnings are logged as well, in the structured log of GLib: domain `Qio`, level "message", with
 * the fields `QIO_CLASS`, `QIO_CHANNEL` and `QIO_WARNING`. There is at most one of a kind per
 * channel and second, and one until a state that lasts has ended. The item of a channel that was
 * finalized before it was listed has only its id and its label.
 *
 * Since: 0.1
 */

/**
 * qio_monitor_new: (constructor)
 *
 * Creates a monitor. The process is observed for as long as it exists.
 *
 * Returns: (transfer full): a monitor
 *
 * Since: 0.1
 */
QIOMonitor *qio_monitor_new (void);

/**
 * qio_monitor_get_interval:
 * @monitor: a monitor
 *
 * Gets the time between two updates of the list.
 *
 * Returns: the time in milliseconds
 *
 * Since: 0.1
 */
guint qio_monitor_get_interval (QIOMonitor *monitor);

/**
 * qio_monitor_set_interval:
 * @monitor: a monitor
 * @interval_ms: the time in milliseconds, of at least 10
 *
 * Sets the time between two updates of the list.
 *
 * Since: 0.1
 */
void qio_monitor_set_interval (QIOMonitor *monitor,
                               guint interval_ms);

/**
 * qio_monitor_get_blocked_threshold:
 * @monitor: a monitor
 *
 * Gets how long a call may block a thread that runs a main context, before that is a
 * %QIO_MONITOR_WARNING_BLOCKED_LOOP.
 *
 * Returns: the time in microseconds
 *
 * Since: 0.1
 */
gint64 qio_monitor_get_blocked_threshold (QIOMonitor *monitor);

/**
 * qio_monitor_set_blocked_threshold:
 * @monitor: a monitor
 * @threshold_us: the time in microseconds; a negative one is 0
 *
 * Sets how long a call may block a thread that runs a main context.
 *
 * Since: 0.1
 */
void qio_monitor_set_blocked_threshold (QIOMonitor *monitor,
                                        gint64 threshold_us);

/**
 * qio_monitor_refresh:
 * @monitor: a monitor
 *
 * Updates the list now, and emits the warnings that there are.
 *
 * Since: 0.1
 */
void qio_monitor_refresh (QIOMonitor *monitor);

/**
 * qio_monitor_listen:
 * @path: (type filename) (nullable): a path for the socket, or %NULL
 * @error: where to report an error
 *
 * Listens on a unix socket that sends snapshots of the list and the warnings to other processes of
 * the same user, such as `qio top`.
 *
 * Each connection gets a snapshot at once and each second, as one line of JSON. Without a path it
 * is `$XDG_RUNTIME_DIR/qio-monitor/PID`, where programs find it by the process id. Only this user
 * can open the socket, and the credentials of each client are checked. Snapshots contain names of
 * channels, addresses and errors, and no data. The process is observed and listens until its end; a
 * forked child is observed, and does not listen. `QIO_MONITOR=listen` or `QIO_MONITOR=listen=PATH`
 * in the environment does the same. Any thread may call this.
 *
 * Returns: (type filename) (transfer full): the path of the socket
 *
 * Since: 0.1
 */
char *qio_monitor_listen (const char *path,
                          GError **error);

G_END_DECLS

#endif
