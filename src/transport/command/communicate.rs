//! All that a command reads and writes, at once.

use std::{
    future::{Future, poll_fn},
    io,
    pin::Pin,
    process::Output,
    task::Poll,
};

use gio::prelude::*;
use glib::subclass::prelude::*;

use super::{super::buffer::ChannelBuffer, ChannelCommand};
use crate::{
    channel::{Channel, ChannelExt as _, splice_in},
    coroutine,
    error::{closed, io_error, is_disconnected, with_context},
    hub::block_on,
    types::Shutdown,
};

impl ChannelCommand {
    /// Writes the command's input and ends it, reads its output and its standard error, as far as
    /// they are pipes, to their ends, and waits until it has ended: all at once, so that neither
    /// side waits for the other forever. Waits whatever the mode of the channel is; the channel
    /// stays open. A command that does not read all of its input is no error, nor is one that
    /// fails: see the status.
    ///
    /// # Errors
    ///
    /// On a closed channel `G_IO_ERROR_CLOSED`. Where there is input, unsupported if the command
    /// was not started for writing, and [`BrokenPipe`](io::ErrorKind::BrokenPipe) if its input has
    /// been ended before.
    ///
    /// `G_IO_ERROR_MESSAGE_TOO_LARGE` if one of the outputs has more than `max` bytes; the command
    /// may run on then. Otherwise as for reading, and as [`exit_status`](Self::exit_status).
    ///
    /// # Examples
    ///
    /// ```
    /// use qio::{ChannelCommand, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let sort = ChannelCommand::builder(["sort", "-n"]).spawn()?;
    /// let output = sort.communicate(b"10\n9\n", Some(1_000))?;
    /// assert!(output.status.success());
    /// assert_eq!(output.stdout, b"9\n10\n");
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "qio_channel_command_communicate")]
    pub fn communicate(&self, input: &[u8], max: Option<u64>) -> io::Result<Output> {
        if coroutine::in_coroutine() {
            return coroutine::wait_for(self.communicate_future(input, max))?;
        }
        let (stdout, stderr) = block_on(transfers(self, input, max, true))??;
        let status = self.wait_exit()?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    /// As [`communicate`](Self::communicate), in a future, which never blocks.
    ///
    /// # Errors
    ///
    /// As [`communicate`](Self::communicate).
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: if the future is dropped, data that it has read is lost.
    #[doc(alias = "qio_channel_command_communicate_async")]
    #[doc(alias = "qio_channel_command_communicate_finish")]
    pub fn communicate_future<'a>(
        &'a self,
        input: &'a [u8],
        max: Option<u64>,
    ) -> impl Future<Output = io::Result<Output>> + Send + 'a {
        communicate(self, input, max)
    }
}

async fn communicate(
    command: &ChannelCommand,
    input: &[u8],
    max: Option<u64>,
) -> io::Result<Output> {
    let (stdout, stderr) = transfers(command, input, max, false).await?;
    let status = command.wait_exit_future().await?;
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

type Part<'a> = Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>>;

/// Moves everything; `here` as for [`splice_in`].
async fn transfers(
    command: &ChannelCommand,
    input: &[u8],
    max: Option<u64>,
    here: bool,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let imp = command.imp();
    if command.is_closed() {
        return Err(closed());
    }
    if !input.is_empty() && !imp.input.fd.is_open() {
        return Err(not_taken(command));
    }
    let (output, errors) = (ChannelBuffer::new(0), ChannelBuffer::new(0));
    let stderr = command.stderr();
    let mut parts: Vec<Part<'_>> = Vec::new();
    if imp.input.fd.is_open() {
        parts.push(Box::pin(feed(command, input, here)));
    }
    if imp.output.fd.is_open() {
        parts.push(Box::pin(take(command.upcast_ref(), &output, max, here)));
    }
    if let Some(stderr) = stderr.as_ref().filter(|stderr| !stderr.is_closed()) {
        parts.push(Box::pin(take(stderr.upcast_ref(), &errors, max, here)));
    }
    poll_fn(|cx| {
        let mut i = 0;
        while i < parts.len() {
            match parts[i].as_mut().poll(cx) {
                Poll::Ready(Ok(())) => drop(parts.swap_remove(i)),
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending => i += 1,
            }
        }
        match parts.is_empty() {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    })
    .await?;
    drop(parts);
    Ok((output.data().to_vec(), errors.data().to_vec()))
}

/// Why a command does not get any input.
fn not_taken(command: &ChannelCommand) -> io::Error {
    match command.imp().check_input() {
        Ok(()) => {
            let label = command.upcast_ref::<Channel>().label();
            let ended = io::Error::from_raw_os_error(libc::EPIPE);
            with_context(ended, format!("Unable to write to {label}"))
        }
        Err(e) => e,
    }
}

async fn feed(command: &ChannelCommand, input: &[u8], here: bool) -> io::Result<()> {
    let input = ChannelBuffer::from(input.to_vec());
    let fed = splice_in(input.upcast_ref(), command.upcast_ref(), None, here).await;
    match fed {
        // It need not read all.
        Err(e) if is_disconnected(&e) && !command.is_closed() => {}
        fed => drop(fed?),
    }
    command.shutdown(Shutdown::Write)
}

async fn take(
    source: &Channel,
    target: &ChannelBuffer,
    max: Option<u64>,
    here: bool,
) -> io::Result<()> {
    // One byte more than the limit shows that there is more.
    let most = max.map(|max| max.saturating_add(1));
    let count = splice_in(source, target.upcast_ref(), most, here).await?;
    match max {
        Some(max) if count > max => {
            let label = source.label();
            let message = format!("More than {max} bytes were received from {label}");
            Err(io_error(gio::IOErrorEnum::MessageTooLarge, &message))
        }
        _ => Ok(()),
    }
}
