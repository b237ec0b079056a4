/* Threads that run main contexts. */

#ifndef QIO_CONTEXT_POOL_H
#define QIO_CONTEXT_POOL_H

#include <qio/qio-net-listener.h>

G_BEGIN_DECLS

/**
 * QIOContextPool:
 *
 * Threads, each of which runs a main context: for programs that use more than one processor.
 *
 * [method@Qio.NetListener.serve_on] serves the connections of a listener in them. Sources and
 * asynchronous calls are started in the context of a thread, which is its thread-default one:
 * [method@Qio.ContextPool.get_context].
 *
 * [method@Qio.ContextPool.shutdown_async] waits for the connections. When the last reference to the
 * pool is released the threads end at once, and this is waited for, unless it happens in one of
 * them.
 *
 * A pool can be used from any thread. A forked child has none of its threads. A program in
 * JavaScript cannot use it: GJS calls functions in the thread of its engine only.
 *
 * Since: 0.1
 */
#define QIO_TYPE_CONTEXT_POOL (qio_context_pool_get_type ())
G_DECLARE_FINAL_TYPE (QIOContextPool, qio_context_pool, QIO, CONTEXT_POOL, GObject)

/**
 * QIOContextPool:n-threads:
 *
 * The number of threads, each of which runs a main context.
 *
 * Since: 0.1
 */

/**
 * qio_context_pool_new: (constructor)
 * @n_threads: the number of threads, or 0 for one per processor that this process may use
 * @error: where to report an error
 *
 * Starts threads.
 *
 * Returns: (transfer full): a pool
 *
 * Since: 0.1
 */
QIOContextPool *qio_context_pool_new (guint n_threads,
                                      GError **error);

/**
 * qio_context_pool_get_n_threads:
 * @pool: a pool
 *
 * Gets the number of threads.
 *
 * Returns: the number of threads
 *
 * Since: 0.1
 */
guint qio_context_pool_get_n_threads (QIOContextPool *pool);

/**
 * qio_context_pool_get_context:
 * @pool: a pool
 * @thread: the number of a thread, from 0
 *
 * Gets the main context that a thread runs. Shutting the pool down does not wait for what was
 * started in it.
 *
 * Returns: (transfer none) (nullable): the context, or %NULL if there is no such thread
 *
 * Since: 0.1
 */
GMainContext *qio_context_pool_get_context (QIOContextPool *pool,
                                            guint thread);

/**
 * qio_context_pool_shutdown:
 * @pool: a pool
 * @timeout_us: the longest time to wait for connections, in microseconds; negative for no limit
 * @error: where to report an error
 *
 * Shuts the pool down as [method@Qio.ContextPool.shutdown_async]. Blocks; in a coroutine, suspends
 * that.
 *
 * Returns: how many connections were in use after the timeout, or -1 with an error
 *
 * Since: 0.1
 */
int qio_context_pool_shutdown (QIOContextPool *pool,
                               gint64 timeout_us,
                               GError **error);

/**
 * qio_context_pool_shutdown_async:
 * @pool: a pool
 * @timeout_us: the longest time to wait for connections, in microseconds; negative for no limit
 * @io_priority: the priority, %G_PRIORITY_DEFAULT for example
 * @cancellable: (nullable): ends waiting; the pool is shut down nevertheless
 * @callback: (scope async) (closure user_data): called when it is done
 * @user_data: what to call it with
 *
 * Shuts the pool down: no more connections are accepted, and the threads end when all that
 * [method@Qio.NetListener.serve_on] has accepted are closed, or after the timeout. A later call may
 * set an earlier end.
 *
 * Since: 0.1
 */
void qio_context_pool_shutdown_async (QIOContextPool *pool,
                                      gint64 timeout_us,
                                      int io_priority,
                                      GCancellable *cancellable,
                                      GAsyncReadyCallback callback,
                                      gpointer user_data);

/**
 * qio_context_pool_shutdown_finish:
 * @pool: a pool
 * @result: what the callback was given
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ContextPool.shutdown_async]. %G_IO_ERROR_NOT_SUPPORTED in a
 * thread of the pool, which cannot wait for its own end: the pool is shut down nevertheless.
 *
 * Returns: how many connections were in use after the timeout, or -1 with an error
 *
 * Since: 0.1
 */
int qio_context_pool_shutdown_finish (QIOContextPool *pool,
                                      GAsyncResult *result,
                                      GError **error);

/**
 * qio_net_listener_serve_on:
 * @listener: a listener that is open
 * @pool: a pool
 * @func: (scope notified) (closure user_data) (destroy notify): called with each client
 * @user_data: what to call @func with
 * @notify: (nullable): frees @user_data
 * @error: where to report an error
 *
 * Accepts connections in the threads of a pool, and calls a function with each, in the thread with
 * the fewest connections: that thread runs the context which is its thread-default one. Several
 * threads call @func at the same time. A connection counts until its channel is closed or released.
 *
 * This ends when the listener is disconnected, or the pool is shut down; until then the listener
 * stays alive. @user_data is freed after that, in any thread of the pool, or at once after an
 * error.
 *
 * Returns: (skip): 0, or -1 with an error
 *
 * Since: 0.1
 */
int qio_net_listener_serve_on (QIONetListener *listener,
                               QIOContextPool *pool,
                               QIONetListenerClientFunc func,
                               gpointer user_data,
                               GDestroyNotify notify,
                               GError **error);

G_END_DECLS

#endif
