/* Sockets that a service manager has opened. */

#ifndef QIO_ACTIVATION_H
#define QIO_ACTIVATION_H

#include <qio/qio-channel-socket.h>

G_BEGIN_DECLS

/**
 * qio_activation_sockets:
 * @error: where to report an error
 *
 * Takes over the listening sockets that a service manager has passed to this process, once. Each is
 * named as there (`FileDescriptorName=` of systemd): see [method@Qio.Channel.get_name]. They are
 * close-on-exec.
 *
 * systemd passes them by the variables `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES`. A
 * descriptor that is not a listening socket, and malformed variables, are errors, and nothing is
 * changed.
 *
 * Returns: (element-type QIOChannelSocket) (transfer full): the sockets; %NULL is none, or an error
 * if that is set
 *
 * Since: 0.1
 */
GList *qio_activation_sockets (GError **error);

/**
 * qio_activation_unset_environment:
 *
 * Removes the variables from the environment, so that they are not inherited. Call it at the
 * beginning of a program, as [func@GLib.unsetenv]: no other thread may use the environment
 * meanwhile. To be called after the sockets were taken.
 *
 * Since: 0.1
 */
void qio_activation_unset_environment (void);

G_END_DECLS

#endif
