//! Two channels come together: once, or for every client.
//!
//! `side` is an address of the command line, `guard` a channel of a session, `acceptor` accepts
//! clients, `serve` serves them, `workers` are the threads that serve them, `active` counts them.

mod acceptor;
pub(crate) mod active;
mod guard;
mod serve;
mod side;
mod workers;

use std::{
    future::Future,
    io::{self, IsTerminal},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use gio::prelude::CancellableExt;
use qio::{
    IoFutureExt, RelayCounters, RelayStats, TransferError, relay_counted_future, to_glib_error,
};

use crate::{
    Signals,
    cli::Options,
    endpoint::Mode,
    log::{Event, entry},
    meter::{Meter, summary},
    notify::Manager,
    peer::Peer,
    tls::{self, Tls},
    websock,
};
use acceptor::{Acceptor, Client};
use guard::{Guard, status_of};
use serve::{first_admitted, once, serve};
use side::Side;

/// The default timeout of the sessions of many senders of datagrams.
const IDLE: Duration = Duration::from_secs(60);

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
    let settings = &options.settings;
    let meter = Meter::new(settings.serving.progress(settings.quiet), interactive);
    let (stop, manager) = (&signals.stop, Manager::new());
    let first = Side::new(&options.first, Mode::Read, options);
    let first = first.or_cancelled(stop).await?;
    let second = Side::new(&options.second, write, options);
    let second = second.or_cancelled(stop).await?;
    let all_tls = [first.tls(), second.tls()];
    // A terminal that hangs up ends what has nothing to reload.
    if settings.fork && (manager.is_there() || all_tls.iter().any(Option::is_some)) {
        let manager = manager.clone();
        signals.reload.replace(Some(Box::new(move || {
            manager.reloading();
            reload(all_tls.iter().flatten());
            manager.ready();
        })));
    }
    // A sender of datagrams has no end.
    let idle = (settings.fork && options.first.is_datagrams()).then_some(IDLE);
    let session = Arc::new(Session {
        second,
        meter,
        timeout: settings.timeout.or(idle),
        tls_timeout: settings.tls.deadline(),
        websock_timeout: settings.websock.deadline(),
        verbose: settings.verbose,
        fork: settings.fork,
    });
    let result = match settings.fork {
        true => serve(first, &session, signals, settings, &manager).await,
        false => {
            manager.ready();
            manager.watch(|| true);
            let result = once(first, &session, stop).await;
            manager.stopping(0, None);
            result
        }
    };
    session.meter.finish(settings.verbose && settings.fork);
    result
}

/// Reads the files for TLS again: all of them, or nothing changes.
fn reload<'a>(all: impl Iterator<Item = &'a Arc<Tls>> + Clone) {
    let read: io::Result<Vec<_>> = all.clone().map(|tls| tls.read()).collect();
    let done = match read {
        Ok(read) if read.is_empty() => entry(Event::Reload, "there are no files to read again"),
        Ok(read) => {
            all.zip(read).for_each(|(tls, creds)| tls.replace(creds));
            entry(Event::Reload, "the files for TLS were read again")
        }
        Err(e) => {
            let error = one_line(&e);
            let message = format!("{error}: nothing was changed");
            entry(Event::Error, message).text("error", error)
        }
    };
    done.write();
}

/// A first channel that has performed its handshakes.
struct Admitted {
    first: Guard,
    peer: Peer,
    /// Of the other end of its connection.
    address: Option<String>,
    /// When it was there.
    begin: Instant,
}

/// A client that was not admitted: its name, its address, and the reason.
struct Refused {
    name: Option<String>,
    address: Option<String>,
    error: io::Error,
}

impl Refused {
    fn log(self) {
        let error = one_line(&self.error);
        let name = self.name.unwrap_or_else(|| "client".to_owned());
        entry(Event::Error, format!("{name}: {error}"))
            .text("channel", name)
            .text_if("peer", self.address)
            .text("error", error)
            .write();
    }
}

/// What is done with the first channel, once it is there.
struct Session {
    second: Side,
    meter: Arc<Meter>,
    timeout: Option<Duration>,
    /// How long a handshake may take.
    tls_timeout: Duration,
    websock_timeout: Duration,
    verbose: bool,
    fork: bool,
}

impl Session {
    /// Checks a client, reads its PROXY header, and performs the handshakes: a client that is not
    /// admitted gets no further.
    async fn admit(
        &self,
        side: &Side,
        client: Client,
        stop: &gio::Cancellable,
    ) -> Result<Admitted, Refused> {
        let begin = Instant::now();
        let address = client.address();
        let (mut name, needs_peer) = (address.clone(), self.second.needs_peer());
        let admitting = async {
            let (first, peer) = side
                .of_client(client)?
                .layered(needs_peer)
                .or_cancelled(stop)
                .await?;
            name = Some(first.name());
            let handshake = self.handshake(&first).or_cancelled(stop).await;
            if handshake.is_err() {
                // Without a layer it is cut, as a session is.
                first.abort();
            }
            handshake.map(|()| (first, peer))
        };
        match admitting.await {
            Ok((first, peer)) => Ok(Admitted {
                first,
                peer,
                address,
                begin,
            }),
            Err(error) => Err(Refused {
                name,
                address,
                error,
            }),
        }
    }

    /// Relays from a first channel that has performed its handshakes.
    async fn run(&self, admitted: Admitted, stop: &gio::Cancellable) -> Result<(), Failure> {
        let Admitted {
            first,
            peer,
            address,
            begin,
        } = admitted;
        let second = match self.second(&peer, stop).or_cancelled(stop).await {
            Ok(second) => second,
            Err(e) => {
                first.refuse();
                return Err(e.into());
            }
        };
        // The names go with the channels.
        let pair = [first.name(), second.name()];
        let about = |event, what: &str| {
            let [channel, second] = &pair;
            entry(event, format!("{channel} and {second}: {what}"))
                .text("channel", channel)
                .text_if("peer", address.as_ref())
                .text("second", second)
        };
        if self.verbose {
            about(Event::Connected, "connected").write();
        }
        let connection = self.meter.connection();
        let counters = &connection.counters;
        // Boxed, as each limit below has space for it twice.
        let relay = Box::pin(relay_counted_future(&first.0, &second.0, counters));
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
                let is_truncated = TransferError::of(&e).is_some_and(TransferError::is_truncated);
                if is_truncated || stop.is_cancelled() {
                    first.abort();
                    second.abort();
                }
                Err(e.into())
            }
        };
        if self.verbose {
            let (counts, time) = (counters.counts(), begin.elapsed());
            let closed = about(Event::Closed, &summary(counts, time)).relayed(counts, time);
            let error = result.as_ref().err().map(|it| one_line(&it.error));
            closed.text_if("error", error).write();
        }
        result
    }

    /// The second channel of a session with this peer, after its handshakes. A client of it that
    /// is refused is logged, as one of the first channel is.
    async fn second(&self, peer: &Peer, stop: &gio::Cancellable) -> io::Result<Guard> {
        match &self.second.acceptor {
            // Boxed, as the sessions without it are kept small.
            Some(acceptor) => Box::pin(self.second_client(acceptor, stop)).await,
            None => {
                let second = self.second.open_layered(peer).await?;
                self.handshake(&second).await?;
                Ok(second)
            }
        }
    }

    async fn second_client(
        &self,
        acceptor: &Acceptor,
        stop: &gio::Cancellable,
    ) -> io::Result<Guard> {
        if !self.fork {
            let admitted = first_admitted(acceptor, &self.second, self, stop).await?;
            return Ok(admitted.first);
        }
        loop {
            // One at a time: each of the others is left to another session.
            let client = acceptor.accept().await?;
            match self.admit(&self.second, client, stop).await {
                Ok(admitted) => return Ok(admitted.first),
                Err(refused) if stop.is_cancelled() => return Err(refused.error),
                Err(refused) => refused.log(),
            }
        }
    }

    /// Performs the handshakes of a channel, if it has layers.
    async fn handshake(&self, channel: &Guard) -> io::Result<()> {
        match channel.is_layered() {
            // Boxed, to keep the sessions without layers small.
            true => Box::pin(self.handshakes(channel)).await,
            false => Ok(()),
        }
    }

    async fn handshakes(&self, channel: &Guard) -> io::Result<()> {
        let below = websock::below(&channel.0);
        let below = below.as_ref().unwrap_or(&channel.0);
        let tls = tls::handshake(below, self.tls_timeout).await?;
        let websock = websock::handshake(&channel.0, self.websock_timeout).await?;
        for agreed in [tls, websock].into_iter().flatten() {
            if self.verbose {
                let name = channel.name();
                entry(Event::Handshake, format!("{name}: {agreed}"))
                    .text("channel", name)
                    .text_if("peer", channel.peer())
                    .text("negotiated", agreed)
                    .write();
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
        let mut timer = pin!(glib::timeout_future(tick));
        let ended = std::future::poll_fn(|cx| {
            if let Poll::Ready(result) = relay.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            timer.as_mut().poll(cx).map(|()| None)
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
    to_glib_error(e).message().to_owned()
}
