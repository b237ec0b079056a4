/* Coroutines: ordinary code with a stack of its own, on the main loop. */

#ifndef QIO_COROUTINE_H
#define QIO_COROUTINE_H

#include <qio/qio-types.h>

G_BEGIN_DECLS

/**
 * QIOCoroutineFunc: (skip)
 * @user_data: the user data of [func@Qio.coroutine_start]
 *
 * The code of a coroutine. The functions that wait for a channel suspend it in place of blocking.
 *
 * Since: 0.1
 */
typedef void (*QIOCoroutineFunc) (gpointer user_data);

/**
 * qio_coroutine_start: (skip)
 * @func: the code
 * @user_data: the user data of @func
 * @notify: (nullable): frees @user_data when the code has ended
 *
 * Runs code in a coroutine of the thread's default main context, on a stack of 256 KiB. It begins
 * when the context runs.
 *
 * If the context is destroyed before the code has ended, every wait in it fails at once, with
 * %G_IO_ERROR_CANCELLED, so that it can return: [func@Qio.coroutine_yield] and
 * [method@Qio.Channel.yield_full] return %FALSE. After a thousand further waits the code is never
 * resumed, and its stack is leaked.
 *
 * Since: 0.1
 */
void qio_coroutine_start (QIOCoroutineFunc func,
                          gpointer user_data,
                          GDestroyNotify notify);

/**
 * qio_in_coroutine:
 *
 * Gets whether the caller runs in a coroutine, and not in a main loop inside one.
 *
 * Returns: %TRUE in a coroutine
 *
 * Since: 0.1
 */
gboolean qio_in_coroutine (void);

/**
 * qio_coroutine_yield: (skip)
 *
 * Dispatches the other sources of the main loop. Only in a coroutine.
 *
 * Returns: %TRUE; %FALSE if the coroutine is being dropped, and must return
 *
 * Since: 0.1
 */
gboolean qio_coroutine_yield (void);

G_END_DECLS

#endif
