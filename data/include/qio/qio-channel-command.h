/* Child processes: what they read and write is the channel. */

#ifndef QIO_CHANNEL_COMMAND_H
#define QIO_CHANNEL_COMMAND_H

#include <qio/qio-channel-file.h>

G_BEGIN_DECLS

/**
 * QIOChannelCommandStderr:
 * @QIO_CHANNEL_COMMAND_STDERR_INHERIT: that of this process
 * @QIO_CHANNEL_COMMAND_STDERR_NULL: discarded, as by `/dev/null`
 * @QIO_CHANNEL_COMMAND_STDERR_MERGE: the standard output of the command
 * @QIO_CHANNEL_COMMAND_STDERR_PIPE: to a channel of its own, [method@Qio.ChannelCommand.get_stderr]
 *
 * The destination of the standard error of a command.
 *
 * Since: 0.1
 */
typedef enum
{
  QIO_CHANNEL_COMMAND_STDERR_INHERIT = 0,
  QIO_CHANNEL_COMMAND_STDERR_NULL = 1,
  QIO_CHANNEL_COMMAND_STDERR_MERGE = 2,
  QIO_CHANNEL_COMMAND_STDERR_PIPE = 3
} QIOChannelCommandStderr;

#define QIO_TYPE_CHANNEL_COMMAND_STDERR (qio_channel_command_stderr_get_type ())
GType qio_channel_command_stderr_get_type (void);

#define QIO_TYPE_CHANNEL_COMMAND (qio_channel_command_get_type ())

/**
 * QIOChannelCommand:
 *
 * A child process: its standard output is read, and its standard input is written.
 *
 * [ctor@Qio.ChannelCommand.new_spawn] starts a command, [ctor@Qio.ChannelCommand.new_full] one with
 * an environment and a directory of its own, and [ctor@Qio.ChannelCommand.new_pid] adopts a process
 * that was started elsewhere.
 *
 * A typical sequence:
 *
 * ```c
 * g_autoptr (GError) error = NULL;
 * const char *argv[] = { "/usr/bin/sort", "-r", NULL };
 * g_autoptr (QIOChannelCommand) sort = qio_channel_command_new_spawn (argv, O_RDWR, &error);
 * g_autoptr (GBytes) input = g_bytes_new_static ("a\nb\n", 4);
 * g_autoptr (GBytes) output = NULL;
 * int wait_status;
 *
 * if (sort == NULL
 *     || !qio_channel_command_communicate (sort, input, -1, &output, NULL, &wait_status, &error))
 *   g_printerr ("%s\n", error->message);
 * ```
 *
 * [method@Qio.Channel.shutdown] for writing ends the input of the command.
 * [method@Qio.Channel.close] ends both directions, waits in either mode until the command has
 * ended, and fails if the command failed. Terminate a command that may not end by itself before
 * ([method@Qio.ChannelCommand.terminate]), or wait for its pidfd.
 *
 * A caller that writes much before it reads may deadlock: the command stops reading when its output
 * is not read. [method@Qio.ChannelCommand.communicate] reads and writes at once.
 *
 * A channel that is finalized without being closed does not block: a thread gives a running command
 * a moment to end, then terminates it (`SIGTERM`), then kills it. Signals never reach another
 * process.
 *
 * ## Threads
 *
 * As of every [class@Qio.Channel].
 *
 * Since: 0.1
 */
G_DECLARE_DERIVABLE_TYPE (QIOChannelCommand, qio_channel_command, QIO, CHANNEL_COMMAND, QIOChannel)

/**
 * QIOChannelCommandClass:
 * @parent_class: the parent class
 *
 * The class of a [class@Qio.ChannelCommand].
 *
 * Since: 0.1
 */
struct _QIOChannelCommandClass
{
  QIOChannelClass parent_class;

  /*< private >*/
  gpointer padding[8];
};

/**
 * QIOChannelCommand:pid:
 *
 * The process id of the command, or 0.
 *
 * Since: 0.1
 */

/**
 * QIOChannelCommand:wait-status:
 *
 * The wait status of the command, as of `waitpid()`; -1 while it is not known.
 *
 * Since: 0.1
 */

/**
 * qio_channel_command_new_spawn: (constructor)
 * @argv: (array zero-terminated=1) (element-type filename): the program and its arguments
 * @flags: `O_RDONLY`, `O_WRONLY` or `O_RDWR`: what the channel can do
 * @error: where to report an error
 *
 * Starts a command, which is looked up in `PATH`, with the environment and in the working directory
 * of this process. The output of a command that is not read from is discarded; one that is not
 * written to has no input.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelCommand *qio_channel_command_new_spawn (const char *const *argv,
                                                  int flags,
                                                  GError **error);

/**
 * qio_channel_command_new_full: (constructor)
 * @argv: (array zero-terminated=1) (element-type filename): the program and its arguments
 * @envp: (array zero-terminated=1) (element-type filename) (nullable): the environment, each
 * `NAME=VALUE`, or
 *   %NULL for that of this process
 * @directory: (type filename) (nullable): where to start, or %NULL for the directory of this
 * process
 * @flags: `O_RDONLY`, `O_WRONLY` or `O_RDWR`: what the channel can do
 * @stderr_policy: where the standard error goes
 * @error: where to report an error
 *
 * Starts a command. See [ctor@Qio.ChannelCommand.new_spawn]. The program is looked up in the `PATH`
 * of the environment that it gets.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelCommand *qio_channel_command_new_full (const char *const *argv,
                                                 const char *const *envp,
                                                 const char *directory,
                                                 int flags,
                                                 QIOChannelCommandStderr stderr_policy,
                                                 GError **error);

/**
 * qio_channel_command_new_with_fds: (constructor)
 * @argv: (array zero-terminated=1) (element-type filename): the program and its arguments
 * @envp: (array zero-terminated=1) (element-type filename) (nullable): the environment, each
 * `NAME=VALUE`, or
 *   %NULL for that of this process
 * @directory: (type filename) (nullable): where to start, or %NULL for the directory of this
 * process
 * @flags: `O_RDONLY`, `O_WRONLY` or `O_RDWR`: what the channel can do
 * @stderr_policy: where the standard error goes
 * @source_fds: (array length=n_fds) (nullable): descriptors to give to the command; they stay the
 * caller's
 * @target_fds: (array length=n_fds) (nullable): their numbers in the command, above 2
 * @n_fds: how many
 * @error: where to report an error
 *
 * Starts a command with additional descriptors. See [ctor@Qio.ChannelCommand.new_full].
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelCommand *qio_channel_command_new_with_fds (const char *const *argv,
                                                     const char *const *envp,
                                                     const char *directory,
                                                     int flags,
                                                     QIOChannelCommandStderr stderr_policy,
                                                     const int *source_fds,
                                                     const int *target_fds,
                                                     gsize n_fds,
                                                     GError **error);

/**
 * qio_channel_command_new_pid: (constructor)
 * @writefd: where the command reads its input from, or -1
 * @readfd: where the command's output is to be read, or -1; may be the same as @writefd
 * @pid: a child of this process that has not been waited for
 * @error: where to report an error
 *
 * Creates a channel for a child process that was started by other means. Takes ownership of the
 * descriptors, and no other code may wait for the child; on failure the caller keeps both. A number
 * that is not open is an error, as is a child that does not exist.
 *
 * Returns: (transfer full): a channel
 *
 * Since: 0.1
 */
QIOChannelCommand *qio_channel_command_new_pid (int writefd,
                                                int readfd,
                                                GPid pid,
                                                GError **error);

/**
 * qio_channel_command_get_stderr:
 * @command: a channel
 *
 * Returns the standard error of a command that was started with %QIO_CHANNEL_COMMAND_STDERR_PIPE,
 * to be read. It is in blocking mode at first, and closed with @command. A command that writes much
 * to it blocks until it is read.
 *
 * Returns: (transfer none) (nullable): a channel, or %NULL
 *
 * Since: 0.1
 */
QIOChannelFile *qio_channel_command_get_stderr (QIOChannelCommand *command);

/**
 * qio_channel_command_get_pid:
 * @command: a channel
 *
 * Returns the process id. It may be reused by another process once the command has ended: use
 * [method@Qio.ChannelCommand.send_signal], which never signals another process.
 *
 * Returns: the process id, or 0
 *
 * Since: 0.1
 */
GPid qio_channel_command_get_pid (QIOChannelCommand *command);

/**
 * qio_channel_command_get_pidfd:
 * @command: a channel
 * @error: where to report an error
 *
 * Creates a descriptor that becomes readable when the process has exited, independent of the
 * channel. The caller closes it. Where the system has no pidfds it is another kind of descriptor,
 * with the same behavior.
 *
 * Returns: a descriptor, or -1 with an error
 *
 * Since: 0.1
 */
int qio_channel_command_get_pidfd (QIOChannelCommand *command,
                                   GError **error);

/**
 * qio_channel_command_get_exit_status:
 * @command: a channel
 * @wait_status: (out) (optional): its wait status, for [func@GLib.spawn_check_wait_status]; set
 * only with %TRUE
 * @error: where to report an error
 *
 * Returns the wait status of the command, if it has ended. Does not block. It is an error if the
 * status is unknown, because `SIGCHLD` is ignored in this process, which programs inherit, or
 * something else has waited for the command.
 *
 * Returns: %TRUE if it has ended; %FALSE if it runs, or with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_command_get_exit_status (QIOChannelCommand *command,
                                              int *wait_status,
                                              GError **error);

/**
 * qio_channel_command_wait_exit:
 * @command: a channel
 * @wait_status: (out) (optional): its wait status, for [func@GLib.spawn_check_wait_status]; set
 * only with %TRUE
 * @error: where to report an error
 *
 * Blocks until the command has ended, without closing the channel: its output can still be read. A
 * command whose output is not read may never end.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_command_wait_exit (QIOChannelCommand *command,
                                        int *wait_status,
                                        GError **error);

/**
 * qio_channel_command_wait_exit_async:
 * @command: a channel
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.ChannelCommand.wait_exit], without blocking: @callback is called from the
 * thread-default context. Cancelling it does not affect the command.
 *
 * Since: 0.1
 */
void qio_channel_command_wait_exit_async (QIOChannelCommand *command,
                                          int io_priority,
                                          GCancellable *cancellable,
                                          GAsyncReadyCallback callback,
                                          gpointer user_data);

/**
 * qio_channel_command_wait_exit_finish:
 * @command: a channel
 * @result: what @callback got
 * @wait_status: (out) (optional): its wait status, for [func@GLib.spawn_check_wait_status]; set
 * only with %TRUE
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelCommand.wait_exit_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_command_wait_exit_finish (QIOChannelCommand *command,
                                               GAsyncResult *result,
                                               int *wait_status,
                                               GError **error);

/**
 * qio_channel_command_communicate:
 * @command: a channel
 * @input: (nullable): the input of the command
 * @max: the most bytes of each output, or -1 for any number
 * @output: (out) (optional) (transfer full): its standard output
 * @errors: (out) (optional) (transfer full): its standard error, if that is a pipe
 * @wait_status: (out) (optional): its wait status, for [func@GLib.spawn_check_wait_status]
 * @error: where to report an error
 *
 * Writes the input of a command and ends it, reads its output and its standard error, as far as
 * they are pipes, to their ends, and waits until it has ended: all at once, so that neither side
 * waits for the other forever. Blocks whatever the mode of the channel is; the channel stays open.
 * A command that does not read all of its input is no error, nor is one that fails: @wait_status
 * has it. An output of more than @max bytes is %G_IO_ERROR_MESSAGE_TOO_LARGE; the command may run
 * on then. @input for a command that was not started for writing, or whose input has been ended, is
 * an error, as is a closed channel.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_command_communicate (QIOChannelCommand *command,
                                          GBytes *input,
                                          gint64 max,
                                          GBytes **output,
                                          GBytes **errors,
                                          int *wait_status,
                                          GError **error);

/**
 * qio_channel_command_communicate_async:
 * @command: a channel
 * @input: (nullable): the input of the command
 * @max: the most bytes of each output, or -1 for any number
 * @io_priority: the priority of the operation
 * @cancellable: (nullable): cancels the operation
 * @callback: (scope async) (closure user_data): what to call when it is done
 * @user_data: what to call @callback with
 *
 * As [method@Qio.ChannelCommand.communicate], without blocking: @callback is called from the
 * thread-default context. Data that a cancelled operation has read is lost.
 *
 * Since: 0.1
 */
void qio_channel_command_communicate_async (QIOChannelCommand *command,
                                            GBytes *input,
                                            gint64 max,
                                            int io_priority,
                                            GCancellable *cancellable,
                                            GAsyncReadyCallback callback,
                                            gpointer user_data);

/**
 * qio_channel_command_communicate_finish:
 * @command: a channel
 * @result: what @callback got
 * @output: (out) (optional) (transfer full): its standard output
 * @errors: (out) (optional) (transfer full): its standard error, if that is a pipe
 * @wait_status: (out) (optional): its wait status, for [func@GLib.spawn_check_wait_status]
 * @error: where to report an error
 *
 * Takes the result of [method@Qio.ChannelCommand.communicate_async].
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_command_communicate_finish (QIOChannelCommand *command,
                                                 GAsyncResult *result,
                                                 GBytes **output,
                                                 GBytes **errors,
                                                 int *wait_status,
                                                 GError **error);

/**
 * qio_channel_command_send_signal:
 * @command: a channel
 * @signum: the number of a signal
 * @error: where to report an error
 *
 * Sends a signal to the command. Does nothing if it has ended.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_command_send_signal (QIOChannelCommand *command,
                                          int signum,
                                          GError **error);

/**
 * qio_channel_command_terminate:
 * @command: a channel
 * @error: where to report an error
 *
 * Sends `SIGTERM` to the command.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_command_terminate (QIOChannelCommand *command,
                                        GError **error);

/**
 * qio_channel_command_kill:
 * @command: a channel
 * @error: where to report an error
 *
 * Sends `SIGKILL` to the command.
 *
 * Returns: (skip): %TRUE, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean qio_channel_command_kill (QIOChannelCommand *command,
                                   GError **error);

G_END_DECLS

#endif
