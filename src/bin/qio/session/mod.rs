//! Two channels come together: once, or for every client.
//!
//! `side` is an address of the command line, `guard` a channel of a session, `serve` accepts the
//! clients.

mod guard;
mod serve;
mod side;

use std::{
    future::Future,
    io::{self, IsTerminal},
    pin::pin,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use qio::{
    IoFutureExt, RelayCounters, RelayStats, TransferError, relay_counted_future, to_glib_error,
};

use crate::{
    Signals,
    cli::Options,
    endpoint::Mode,
    meter::{Meter, summary},
    peer::Peer,
    tls, websock,
};
use guard::{Guard, status_of};
use serve::{once, serve};
use side::{First, Side};

/// Why there is no good end.
pub(crate) struct Failure {
    pub(crate) error: io::Error,
    /// That of a command which has failed.
    pub(crate) status: Option<u8>,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self {
            error,
            status: None,
        }
    }
}

/// Until the end, of everything or of the first pair.
pub(crate) async fn run(options: &Options, signals: &Signals) -> Result<(), Failure> {
    let write = Mode::Write {
        append: options.settings.append || options.settings.fork,
    };
    let stdio = options.first.is_single() || options.second.is_single();
    let interactive = stdio && (io::stdin().is_terminal() || io::stdout().is_terminal());
    let meter = Meter::new(!options.settings.quiet && !interactive);
    let stop = &signals.stop;
    let first = Side::new(&options.first, Mode::Read, options, &meter);
    let first = first.or_cancelled(stop).await?;
    let second = Side::new(&options.second, write, options, &meter);
    let second = second.or_cancelled(stop).await?;
    let all_tls: Vec<_> = [first.tls(), second.tls()].into_iter().flatten().collect();
    if options.settings.fork && !all_tls.is_empty() {
        let meter = meter.clone();
        signals.reload.replace(Some(Box::new(move || {
            match all_tls.iter().try_for_each(|tls| tls.reload()) {
                Ok(()) => meter.log("the files for TLS were read again"),
                Err(e) => meter.log(&format!("{}: nothing was changed", one_line(&e))),
            }
        })));
    }
    let session = Session {
        second,
        meter,
        timeout: options.settings.timeout,
        tls_timeout: options.settings.tls.deadline(),
        websock_timeout: options.settings.websock.deadline(),
        verbose: options.settings.verbose,
    };
    let session = Rc::new(session);
    let result = match options.settings.fork {
        true => serve(first, &session, signals, options.settings.max_clients).await,
        false => once(first, &session, stop).await,
    };
    session
        .meter
        .finish(options.settings.verbose && options.settings.fork);
    result
}

/// What is done with the first channel, once it is there.
struct Session {
    second: Side,
    meter: Rc<Meter>,
    timeout: Option<Duration>,
    /// How long a handshake may take.
    tls_timeout: Duration,
    websock_timeout: Duration,
    verbose: bool,
}

impl Session {
    async fn run(&self, first: First, stop: &gio::Cancellable) -> Result<(), Failure> {
        let begin = Instant::now();
        // A peer that is not let in gets no further.
        let first = first.layered().or_cancelled(stop).await;
        let (first, peer) = first?;
        self.handshake(&first).or_cancelled(stop).await?;
        let second = match self.second(&peer).or_cancelled(stop).await {
            Ok(second) => second,
            Err(e) => {
                first.refuse();
                return Err(e.into());
            }
        };
        let pair = format!("{} and {}", first.name(), second.name());
        if self.verbose {
            self.meter.log(&format!("{pair}: connected"));
        }
        let connection = self.meter.connection();
        let counters = &connection.counters;
        let relay = relay_counted_future(&first.0, &second.0, counters);
        let relay = while_it_moves(relay, counters, self.timeout);
        let result = relay.or_cancelled(stop).await;
        let result = match result {
            Ok(_) => {
                let commands = [&first, &second].map(Guard::command);
                let closed = first.close().or_cancelled(stop).await;
                let closed = closed.and(second.close().or_cancelled(stop).await);
                closed.map_err(|error| Failure {
                    error,
                    status: commands.iter().flatten().find_map(status_of),
                })
            }
            Err(e) => {
                // A reader that is still there must not take what was cut for the end.
                if TransferError::of(&e).is_some_and(TransferError::is_truncated) {
                    first.abort();
                    second.abort();
                }
                Err(e.into())
            }
        };
        if self.verbose {
            let how = summary(counters.counts(), begin.elapsed());
            self.meter.log(&format!("{pair}: {how}"));
        }
        result
    }

    async fn second(&self, peer: &Peer) -> io::Result<Guard> {
        let second = self.second.second(peer).await?;
        self.handshake(&second).await?;
        Ok(second)
    }

    async fn handshake(&self, channel: &Guard) -> io::Result<()> {
        let below = websock::below(&channel.0);
        let below = below.as_ref().unwrap_or(&channel.0);
        let tls = tls::handshake(below, self.tls_timeout).await?;
        let websock = websock::handshake(&channel.0, self.websock_timeout).await?;
        for agreed in [tls, websock].into_iter().flatten() {
            if self.verbose {
                self.meter.log(&format!("{}: {agreed}", channel.name()));
            }
        }
        Ok(())
    }
}

/// Fails once no data has moved for so long.
async fn while_it_moves(
    relay: impl Future<Output = io::Result<RelayStats>>,
    counters: &RelayCounters,
    timeout: Option<Duration>,
) -> io::Result<RelayStats> {
    let Some(timeout) = timeout else {
        return relay.await;
    };
    let tick = (timeout / 8).max(Duration::from_millis(10));
    let mut relay = pin!(relay);
    let (mut seen, mut since) = (counters.counts(), Instant::now());
    loop {
        let mut alarm = pin!(glib::timeout_future(tick));
        let ended = std::future::poll_fn(|cx| {
            if let Poll::Ready(result) = relay.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            alarm.as_mut().poll(cx).map(|()| None)
        });
        if let Some(result) = ended.await {
            return result;
        }
        let now = counters.counts();
        if now == seen && since.elapsed() >= timeout {
            let message = format!("Nothing has moved for {timeout:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
}

/// The message of an error, as GLib formats it.
pub(crate) fn one_line(e: &io::Error) -> String {
    to_glib_error(e).message().replace('\n', " ")
}
