/* Addresses as programs and configuration write them. */

#ifndef QIO_NET_ADDRESS_H
#define QIO_NET_ADDRESS_H

#include <qio/qio-channel.h>
#include <qio/qio-channel-socket.h>

G_BEGIN_DECLS

#define QIO_TYPE_NET_ADDRESS (qio_net_address_get_type ())

/**
 * QIONetAddress:
 *
 * An address to connect to, or to listen on, as in command lines and configuration files.
 *
 * - `tcp:HOST:PORT`: TCP; a host name, an IPv4 address, or an IPv6 address in brackets, with a
 *   scope if there is one: `tcp:[fe80::1%eth0]:80`. No host, `tcp::80`, is every address of this
 *   machine, for listening.
 * - `unix:PATH`: a unix socket in the file system
 * - `unix:@NAME`: a unix socket in the abstract namespace
 * - `vsock:CID:PORT`: a socket between a virtual machine and its host; the CID is a number, `any`,
 *   `local` or `host`, the port a number or `any`
 * - `fd:N`: a descriptor that was inherited through exec
 *
 * In paths and names `%` with two hexadecimal digits stands for bytes that cannot be written
 * otherwise: control characters, invalid UTF-8, `%` itself, and an `@` at the start of a path.
 *
 * The result of [method@Qio.NetAddress.to_string] is parsed as the same address.
 *
 * Since: 0.1
 */
typedef struct _QIONetAddress QIONetAddress;

GType qio_net_address_get_type (void);

/**
 * qio_net_address_new_from_string: (constructor)
 * @text: an address
 * @error: where to report an error
 *
 * Parses an address, without name resolution. Fails with %G_IO_ERROR_INVALID_ARGUMENT and a message
 * that has the position of the parse error and what was expected there.
 *
 * Returns: (transfer full): the address
 *
 * Since: 0.1
 */
QIONetAddress *qio_net_address_new_from_string (const char *text,
                                                GError **error);

/**
 * qio_net_address_new_from_socket_address: (constructor)
 * @address: the address of a peer, or of a socket that listens
 * @error: where to report an error
 *
 * Creates an address from a GIO socket address. %G_IO_ERROR_NOT_SUPPORTED if it has no string
 * representation: an unnamed unix socket, or another family.
 *
 * Returns: (transfer full): the address
 *
 * Since: 0.1
 */
QIONetAddress *qio_net_address_new_from_socket_address (GSocketAddress *address,
                                                        GError **error);

/**
 * qio_net_address_copy:
 * @address: an address
 *
 * Copies an address.
 *
 * Returns: (transfer full): the copy
 *
 * Since: 0.1
 */
QIONetAddress *qio_net_address_copy (const QIONetAddress *address);

/**
 * qio_net_address_free: (skip)
 * @address: (transfer full): an address
 *
 * Frees an address.
 *
 * Since: 0.1
 */
void qio_net_address_free (QIONetAddress *address);

/**
 * qio_net_address_equal:
 * @one: an address
 * @other: an address
 *
 * Compares the string representations of two addresses. A host name and its IP address are
 * different.
 *
 * Returns: whether they are the same
 *
 * Since: 0.1
 */
gboolean qio_net_address_equal (const QIONetAddress *one,
                                const QIONetAddress *other);

/**
 * qio_net_address_to_string:
 * @address: an address
 *
 * Returns the string representation of an address.
 *
 * Returns: (transfer full): the text, in UTF-8
 *
 * Since: 0.1
 */
char *qio_net_address_to_string (const QIONetAddress *address);

/**
 * qio_net_address_get_scheme:
 * @address: an address
 *
 * Gets the scheme of the address.
 *
 * Returns: (transfer none): `tcp`, `unix`, `vsock` or `fd`
 *
 * Since: 0.1
 */
const char *qio_net_address_get_scheme (const QIONetAddress *address);

/**
 * qio_net_address_get_host:
 * @address: an address
 *
 * Gets the host of a TCP address as certificates and other protocols have it: a name, or an address
 * without brackets and without its scope.
 *
 * Returns: (transfer full) (nullable): the host, in UTF-8, or %NULL if there is none
 *
 * Since: 0.1
 */
char *qio_net_address_get_host (const QIONetAddress *address);

/**
 * qio_net_address_get_connectable:
 * @address: an address
 * @error: where to report an error
 *
 * Creates a connectable for functions of GIO. A host name becomes a [class@Gio.NetworkAddress],
 * without name resolution. %G_IO_ERROR_INVALID_ARGUMENT for `fd`, and for a scope that is not a
 * network interface of this machine.
 *
 * Returns: (transfer full): the address
 *
 * Since: 0.1
 */
GSocketConnectable *qio_net_address_get_connectable (const QIONetAddress *address,
                                                     GError **error);

/**
 * qio_net_address_connect_sync:
 * @address: where to
 * @error: where to report an error
 *
 * Connects. Blocks, also while a name is looked up. [method@Qio.ChannelSocket.connect_async] does
 * not, with what [method@Qio.NetAddress.get_connectable] returns.
 *
 * For `fd` the channel gets a duplicate of the descriptor, which stays open: a peer sees the end by
 * [method@Qio.Channel.shutdown], or once this process has ended. Only descriptors that this process
 * inherited through exec are accepted, which are those that are not close-on-exec.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannel *qio_net_address_connect_sync (const QIONetAddress *address,
                                          GError **error);

/**
 * qio_net_address_listen_sync:
 * @address: where
 * @backlog: how many connections may wait to be accepted
 * @error: where to report an error
 *
 * Listens. Blocks while a name is looked up; of several addresses of a name, the first that can be
 * bound is used. The path of a unix socket must not exist. For `fd` it is a listening socket.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelSocket *qio_net_address_listen_sync (const QIONetAddress *address,
                                               guint backlog,
                                               GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (QIONetAddress, qio_net_address_free)

G_END_DECLS

#endif
