//! Limits for futures: a timeout, or a `GCancellable`.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use gio::prelude::*;

use crate::{
    error::{cancelled, io_error},
    hub::Sleep,
};

/// Limits for futures whose result is an [`io::Result`], such as those of channels.
///
/// # Examples
///
/// ```
/// use std::{io, time::Duration};
/// use qio::prelude::*;
///
/// # fn main() -> io::Result<()> {
/// let (here, _there) = qio::ChannelSocket::pair()?;
/// let result = glib::MainContext::default().block_on(async {
///     here.read_future(&mut [0]).or_timeout(Duration::from_millis(10)).await
/// });
/// assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
/// # Ok(())
/// # }
/// ```
pub trait IoFutureExt<T>: Future<Output = io::Result<T>> + Sized {
    /// Fails with [`TimedOut`](io::ErrorKind::TimedOut) unless the future is ready in time.
    ///
    /// The time counts from the first poll. The future is dropped at the timeout.
    ///
    /// # Errors
    ///
    /// [`TimedOut`](io::ErrorKind::TimedOut), or the error of the future. Fails at once if it would
    /// have to wait in a thread that runs no main context.
    ///
    /// # Cancel safety
    ///
    /// That of the future.
    fn or_timeout(self, timeout: Duration) -> impl Future<Output = io::Result<T>> {
        async move {
            // A deadline that overflows `Instant` is no limit.
            let deadline = Instant::now().checked_add(timeout);
            let mut timer = deadline.map(Sleep::until);
            let mut future = pin!(self);
            poll_fn(move |cx| {
                if let Poll::Ready(result) = future.as_mut().poll(cx) {
                    return Poll::Ready(result);
                }
                match &mut timer {
                    Some(timer) => std::pin::Pin::new(timer)
                        .poll(cx)
                        .map(|over| over.and_then(|()| Err(timed_out()))),
                    None => Poll::Pending,
                }
            })
            .await
        }
    }

    /// Fails with [`Cancelled`](gio::IOErrorEnum::Cancelled) when the cancellable is cancelled.
    ///
    /// Any thread may cancel it. The future is dropped then.
    ///
    /// # Errors
    ///
    /// [`Cancelled`](gio::IOErrorEnum::Cancelled), or the error of the future.
    ///
    /// # Cancel safety
    ///
    /// That of the future.
    fn or_cancelled(self, cancellable: &gio::Cancellable) -> impl Future<Output = io::Result<T>> {
        cancellable_future(self, cancellable.clone())
    }
}

impl<T, F: Future<Output = io::Result<T>>> IoFutureExt<T> for F {}

fn timed_out() -> io::Error {
    io_error(gio::IOErrorEnum::TimedOut, "Timed out")
}

/// As [`IoFutureExt::or_cancelled`]. `Send` if the future is.
pub(crate) async fn cancellable_future<T>(
    future: impl Future<Output = io::Result<T>>,
    cancellable: gio::Cancellable,
) -> io::Result<T> {
    if cancellable.is_cancelled() {
        return Err(cancelled());
    }
    // Connected when it first waits: most calls succeed at once, and connecting costs more than
    // these. A cancellation before that is reported by the connection.
    let mut stop = None;
    let mut future = pin!(future);
    poll_fn(move |cx| match future.as_mut().poll(cx) {
        Poll::Pending => stop
            .get_or_insert_with(|| cancellable.future())
            .as_mut()
            .poll(cx)
            .map(|()| Err(cancelled())),
        ready => ready,
    })
    .await
}
