/* qio: channels for the GLib main loop. */

#ifndef QIO_H
#define QIO_H

#include <qio/qio-types.h>
#include <qio/qio-byte-counter.h>
#include <qio/qio-channel.h>
#include <qio/qio-channel-framing.h>
#include <qio/qio-coroutine.h>

#include <qio/qio-channel-buffer.h>
#include <qio/qio-channel-command.h>
#include <qio/qio-channel-file.h>
#include <qio/qio-channel-io-stream.h>
#include <qio/qio-channel-null.h>
#include <qio/qio-channel-socket.h>

#include <qio/qio-channel-filter.h>
#include <qio/qio-tls-creds.h>
#include <qio/qio-channel-tls.h>
#include <qio/qio-websock-options.h>
#include <qio/qio-channel-websock.h>

#include <qio/qio-net-address.h>
#include <qio/qio-backoff.h>
#include <qio/qio-activation.h>
#include <qio/qio-net-listener.h>
#include <qio/qio-context-pool.h>

#include <qio/qio-io-stream.h>

#include <qio/qio-monitor.h>

#endif
