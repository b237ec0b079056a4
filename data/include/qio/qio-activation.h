/* Sockets that a service manager has opened. */

#ifndef QIO_ACTIVATION_H
#define QIO_ACTIVATION_H

#include <qio/qio-channel-socket.h>

G_BEGIN_DECLS

/**
 * qio_activation_sockets:
 * @error: where to report an error
 *
 * Takes the listening sockets that a service manager has opened for this process, and that have not
 * been taken yet. Each is named as there (`FileDescriptorName=` of systemd): see
 * qio_channel_get_name(). They are closed when this process runs another program.
 *
 * systemd passes them by the variables `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES`. If one of
 * them is not a socket that listens, or the variables make no sense, that is an error, and all is
 * left as it is.
 *
 * Returns: (element-type QIOChannelSocket) (transfer full): the sockets; %NULL is none, or an error
 * if that is set
 */
GList *qio_activation_sockets (GError **error);

/**
 * qio_activation_unset_environment:
 *
 * Takes the variables out of the environment, so that programs that this process becomes or starts
 * do not see them. As g_unsetenv() only for the beginning of a program: no other thread may use the
 * environment meanwhile. To be called after the sockets were taken.
 */
void qio_activation_unset_environment (void);

G_END_DECLS

#endif
