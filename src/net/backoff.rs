//! Trying again after failures, with exponential back-off and jitter; `connect` is connecting that
//! way.

mod connect;

use std::{
    io,
    time::{Duration, Instant},
};

use gio::{IOErrorEnum, TlsError};

use crate::{
    error::{retry_error, to_glib_error},
    hub::Sleep,
};

/// How often, and after which delays, an operation that has failed is tried again.
///
/// The limit of the delay begins with the initial delay, and is multiplied by the factor after each
/// failure, up to the maximum. With jitter each delay is chosen at random between zero and its
/// limit, so that the clients of a server that was restarted do not all come at the same moment;
/// without jitter it is the limit.
///
/// | option | default |
/// | --- | --- |
/// | [`attempts`](Self::attempts) | 0: no limit |
/// | [`delays`](Self::delays) | 100 ms at first, 30 s at most |
/// | [`factor`](Self::factor) | 2 |
/// | [`jitter`](Self::jitter) | yes |
///
/// Some errors end the attempts at once, as another attempt would have the same result: an invalid
/// address, a family or an option that is not supported, a permission that is missing, a proxy that
/// refuses the credentials, a certificate that does not verify; and a channel that was closed or
/// opened before, and a cancelled operation.
///
/// # Examples
///
/// A client that waits for its server:
///
/// ```
/// use std::{thread, time::Duration};
/// use qio::{Backoff, NetAddress, prelude::*};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let address = NetAddress::unix(folder.path().join("socket"))?;
/// let backoff = Backoff::new().delays(Duration::from_millis(1), Duration::from_millis(20));
/// let server = address.clone();
/// let server = thread::spawn(move || server.listen(1)?.accept()?.write_all(b"hello"));
/// let client = address.connect_with_backoff(&backoff)?; // the server may not listen yet
/// let mut greeting = [0; 5];
/// client.read_all(&mut greeting)?;
/// assert_eq!(&greeting, b"hello");
/// # server.join().expect("no panic")?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, glib::Boxed)]
#[boxed_type(name = "QIOBackoff")]
#[doc(alias = "QIOBackoff")]
#[doc(alias = "qio_backoff_copy")]
#[doc(alias = "qio_backoff_free")]
#[must_use]
pub struct Backoff {
    attempts: u32,
    initial: Duration,
    max: Duration,
    factor: f64,
    jitter: bool,
}

static_assertions::assert_impl_all!(Backoff: Send, Sync);

/// The longest delay: what C counts in milliseconds.
const LONGEST: Duration = Duration::from_millis(u32::MAX as u64);

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl Backoff {
    /// Creates a back-off with the defaults.
    #[doc(alias = "qio_backoff_new")]
    pub const fn new() -> Self {
        Self {
            attempts: 0,
            initial: Duration::from_millis(100),
            max: Duration::from_secs(30),
            factor: 2.0,
            jitter: true,
        }
    }

    /// Sets the maximum number of attempts, including the first one. Default: 0, no limit.
    #[doc(alias = "qio_backoff_set_attempts")]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the limit of the first delay, and that of all delays.
    ///
    /// Default: 100 ms and 30 s. At most 49 days.
    #[doc(alias = "qio_backoff_set_delays")]
    pub fn delays(mut self, initial: Duration, max: Duration) -> Self {
        self.initial = initial.min(LONGEST);
        self.max = max.min(LONGEST);
        self
    }

    /// Sets what the limit of the delay is multiplied by after each failure. Default: 2.
    ///
    /// Anything that is not above 1 counts as 1: the limit is constant.
    #[doc(alias = "qio_backoff_set_factor")]
    pub fn factor(mut self, factor: f64) -> Self {
        // Also in place of NaN.
        self.factor = factor.max(1.0);
        self
    }

    /// Sets whether delays are random, from zero to their limit. Default: `true`.
    #[doc(alias = "qio_backoff_set_jitter")]
    pub const fn jitter(mut self, jitter: bool) -> Self {
        self.jitter = jitter;
        self
    }

    /// Returns the delay before the next attempt, after so many failures.
    ///
    /// With jitter each call returns another one. For code that waits by itself:
    /// [`retry`](Self::retry) includes the waiting.
    #[doc(alias = "qio_backoff_get_delay")]
    #[must_use]
    pub fn delay(&self, failures: u32) -> Duration {
        let limit = self.limit(failures);
        match self.jitter {
            true => limit.mul_f64(glib::random_double()),
            false => limit,
        }
    }

    /// The maximum of the delay after so many failures.
    fn limit(&self, failures: u32) -> Duration {
        if self.initial.is_zero() {
            return Duration::ZERO;
        }
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        // It may be infinite.
        let limit = self.initial.as_secs_f64() * self.factor.powi(exponent);
        Duration::from_secs_f64(limit.min(self.max.as_secs_f64()))
    }

    /// Calls `attempt`, with the number of the attempt from 1, until its future succeeds.
    ///
    /// Sleeps on the main loop between attempts. For what needs more than a connect: a TLS
    /// handshake, a login.
    ///
    /// # Errors
    ///
    /// That of the last attempt, with the number of attempts: [`RetryError`](crate::RetryError).
    /// Fails at once if it would have to sleep in a thread that runs no main context.
    ///
    /// # Cancel safety
    ///
    /// That of the futures of the attempts.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use qio::{Backoff, ChannelTls, NetAddress, TlsCreds, prelude::*};
    ///
    /// async fn connect(address: &NetAddress, creds: &TlsCreds) -> std::io::Result<ChannelTls> {
    ///     let connect = async |_attempt| {
    ///         let channel = address.connect_future().await?;
    ///         let tls = ChannelTls::new_client(&channel, creds, address.host().as_deref())?;
    ///         tls.handshake_future().await?;
    ///         Ok(tls)
    ///     };
    ///     Backoff::new().retry(connect).await
    /// }
    /// ```
    pub async fn retry<T>(
        self,
        mut attempt: impl AsyncFnMut(u32) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut made = 0_u32;
        loop {
            made = made.saturating_add(1);
            let error = match attempt(made).await {
                Ok(result) => return Ok(result),
                Err(e) => e,
            };
            if made == self.attempts || is_permanent(&error) {
                return Err(retry_error(error, made));
            }
            Sleep::until(Instant::now() + self.delay(made)).await?;
        }
    }
}

/// Whether another attempt would fail in the same way.
fn is_permanent(error: &io::Error) -> bool {
    let error = to_glib_error(error);
    let is_permanent = error.kind().is_some_and(|code| {
        matches!(
            code,
            IOErrorEnum::InvalidArgument
                | IOErrorEnum::InvalidFilename
                | IOErrorEnum::NotSupported
                | IOErrorEnum::PermissionDenied
                | IOErrorEnum::Exists
                | IOErrorEnum::Closed
                | IOErrorEnum::Cancelled
                | IOErrorEnum::ProxyAuthFailed
                | IOErrorEnum::ProxyNeedAuth
                | IOErrorEnum::ProxyNotAllowed
        )
    });
    let is_rejected = error.kind().is_some_and(|code| {
        matches!(
            code,
            TlsError::BadCertificate | TlsError::CertificateRequired
        )
    });
    is_permanent || is_rejected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn delays_of_the_back_off_grow_by_the_factor_up_to_the_maximum() {
        let backoff = Backoff::new()
            .delays(millis(10), millis(200))
            .factor(3.0)
            .jitter(false);
        let delays: Vec<_> = (1..=6).map(|n| backoff.delay(n).as_millis()).collect();
        assert_eq!(delays, [10, 30, 90, 200, 200, 200]);
        assert_eq!(backoff.delay(u32::MAX), millis(200));
        assert_eq!(backoff.factor(f64::NAN).delay(5), millis(10));
        assert_eq!(backoff.factor(-1.0).delay(5), millis(10));
        let zero = backoff.delays(Duration::ZERO, Duration::MAX).factor(2.0);
        assert_eq!(zero.delay(u32::MAX), Duration::ZERO);
        assert!(backoff.delays(Duration::MAX, Duration::MAX).delay(100) <= LONGEST);
    }

    #[test]
    fn jitter_of_the_back_off_covers_all_of_the_delay_and_never_exceeds_it() {
        let backoff = Backoff::new().delays(millis(1000), millis(1000));
        let delays: Vec<_> = (0..1000).map(|_| backoff.delay(1)).collect();
        assert!(delays.iter().all(|delay| *delay <= millis(1000)));
        // By chance this fails once in 10^45.
        assert!(delays.iter().any(|delay| *delay < millis(100)));
        assert!(delays.iter().any(|delay| *delay > millis(900)));
    }
}
