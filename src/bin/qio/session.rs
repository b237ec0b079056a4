//! Two channels come together: once, or for every client.

use std::{
    future::Future,
    io::{self, IsTerminal},
    os::unix::process::ExitStatusExt,
    pin::pin,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use qio::{
    Channel, ChannelCommand, ChannelSocket, ChannelTls, IoFutureExt, JoinHandle, NetAddress,
    NetListener, RelayCounters, RelayStats, Shutdown, TransferError, prelude::*,
    relay_counted_future, to_glib_error,
};

use crate::{
    Signals,
    cli::Options,
    endpoint::{Endpoint, Mode, at_once},
    limits,
    meter::{Meter, summary},
    tls::{self, Tls},
    websock::{self, Websock},
};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// One side of the command line.
struct Side {
    endpoint: Endpoint,
    /// Listens from the start on, if that is what it is.
    listener: Option<NetListener>,
    mode: Mode,
    timeout: Option<Duration>,
    tls: Option<Rc<Tls>>,
    websock: Option<Websock>,
}

impl Side {
    async fn new(
        endpoint: &Endpoint,
        mode: Mode,
        options: &Options,
        meter: &Meter,
    ) -> io::Result<Self> {
        let tls = match endpoint.is_tls() {
            true => Some(Rc::new(Tls::new(endpoint, &options.settings.tls)?)),
            false => None,
        };
        let listener = match endpoint.below() {
            Endpoint::Listen(address) => {
                let listener = NetListener::new();
                // What a relay has left behind that was killed.
                listener.set_replace_stale(true);
                listener.open_address_future(address, BACKLOG).await?;
                if options.settings.verbose {
                    for address in listener.local_addresses() {
                        let address = NetAddress::try_from(&address)?;
                        meter.log(&format!("listening on {}", endpoint.with(address)));
                    }
                }
                Some(listener)
            }
            _ => None,
        };
        Ok(Self {
            endpoint: endpoint.clone(),
            listener,
            mode,
            timeout: options.settings.timeout,
            tls,
            websock: Websock::new(endpoint, &options.settings.websock)?,
        })
    }

    /// A channel, as soon as there is one, before any handshake.
    async fn channel(&self) -> io::Result<Guard> {
        match &self.listener {
            Some(listener) => self.of_client(listener.accept_future().await?),
            None => self.over(self.open().await?),
        }
    }

    fn of_client(&self, client: ChannelSocket) -> io::Result<Guard> {
        client.set_name(Some(&name_of(&client)));
        self.over(at_once(client.upcast())?)
    }

    fn over(&self, channel: Channel) -> io::Result<Guard> {
        let mut channel = Guard(channel);
        if let Some(tls) = &self.tls {
            let over = tls.over(&channel.0)?;
            channel = channel.replaced(over);
        }
        if let Some(websock) = &self.websock {
            let over = websock.over(&channel.0)?;
            channel = channel.replaced(over);
        }
        Ok(channel)
    }

    async fn open(&self) -> io::Result<Channel> {
        let channel = self.endpoint.open(self.mode);
        let Some(timeout) = self.timeout else {
            return channel.await;
        };
        channel
            .or_timeout(timeout)
            .await
            .map_err(|e| match e.kind() {
                io::ErrorKind::TimedOut => {
                    let message = format!("Unable to open {} in {timeout:?}", self.endpoint);
                    io::Error::new(io::ErrorKind::TimedOut, message)
                }
                _ => e,
            })
    }
}

/// The address of a client, if it has one.
fn name_of(client: &ChannelSocket) -> String {
    let address = client.remote_address().ok();
    let address = address.and_then(|address| NetAddress::try_from(&address).ok());
    address.map_or_else(|| "client".to_owned(), |address| address.to_string())
}

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
    let all_tls: Vec<_> = [&first.tls, &second.tls]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
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

async fn once(first: Side, session: &Session, stop: &gio::Cancellable) -> Result<(), Failure> {
    let channel = first.channel().or_cancelled(stop).await?;
    // Clients that come now are not served: better that they are refused.
    drop(first);
    session.run(channel, stop).await
}

/// Serves each client with a second channel of its own.
async fn serve(
    first: Side,
    session: &Rc<Session>,
    signals: &Signals,
    max_clients: Option<u32>,
) -> Result<(), Failure> {
    let listener = first.listener.as_ref().expect("checked: it listens");
    listener.set_max_clients(limits::clients(max_clients)?);
    let mut tasks: Vec<JoinHandle<()>> = Vec::new();
    let result = loop {
        let client = listener.accept_future().or_cancelled(&signals.stop);
        let client = match client.or_cancelled(&signals.drain).await {
            Ok(client) => client,
            Err(_) if signals.drain.is_cancelled() && !signals.stop.is_cancelled() => break Ok(()),
            Err(e) => break Err(e.into()),
        };
        let name = name_of(&client);
        // What fails for one client is no end of the others.
        let client = match first.of_client(client) {
            Ok(client) => client,
            Err(e) => {
                session.meter.log(&format!("{name}: {}", one_line(&e)));
                continue;
            }
        };
        let (session, stop) = (session.clone(), signals.stop.clone());
        tasks.retain(|task| !task.is_finished());
        tasks.push(qio::spawn_local(async move {
            let name = client.name();
            match session.run(client, &stop).await {
                Err(Failure { error, .. }) if !stop.is_cancelled() => {
                    session.meter.log(&format!("{name}: {}", one_line(&error)));
                }
                _ => {}
            }
        }));
    };
    drop(first);
    tasks.retain(|task| !task.is_finished());
    if result.is_ok() && !tasks.is_empty() {
        let count = tasks.len();
        let clients = if count == 1 {
            "client is"
        } else {
            "clients are"
        };
        session.meter.log(&format!(
            "{count} {clients} served to the end; another SIGTERM ends it now"
        ));
    }
    for task in tasks {
        let _ = task.await;
    }
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
    async fn run(&self, first: Guard, stop: &gio::Cancellable) -> Result<(), Failure> {
        let begin = Instant::now();
        // A peer that is not let in gets no further.
        self.handshake(&first).or_cancelled(stop).await?;
        let second = match self.second().or_cancelled(stop).await {
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

    async fn second(&self) -> io::Result<Guard> {
        let second = self.second.channel().await?;
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

/// A channel of a session. If the session ends early, a command is terminated, and a TLS channel
/// sends no close_notify, and a WebSocket no close frame, so that the peer does not take it for the
/// end of the data.
struct Guard(Channel);

impl Guard {
    fn name(&self) -> String {
        self.0.name().map_or_else(String::new, Into::into)
    }

    /// Guards what has taken the channel over.
    fn replaced(mut self, channel: Channel) -> Self {
        self.0 = channel;
        self
    }

    fn abort(&self) {
        let bottom = self.bottom();
        // Without a close_notify or close frame a layer is cut anyhow, and a command gets the
        // chance to end: see below.
        if bottom == self.0 && bottom.downcast_ref::<ChannelCommand>().is_none() {
            bottom.abort();
        }
    }

    async fn close(self) -> io::Result<()> {
        self.0.close_future().await
    }

    /// Ends a connection that is not served: a peer over TCP sees a reset, and no end-of-file.
    fn refuse(self) {
        let bottom = self.bottom();
        // A command gets the chance to end, when this is dropped.
        if bottom.is::<ChannelSocket>() {
            bottom.abort();
        }
    }

    /// The channel below TLS and WebSocket, or this one.
    fn bottom(&self) -> Channel {
        bottom(&self.0)
    }

    fn command(&self) -> Option<ChannelCommand> {
        self.bottom().downcast().ok()
    }
}

/// The status with which a command has failed, as a shell reports it.
fn status_of(command: &ChannelCommand) -> Option<u8> {
    let status = command.exit_status().ok()??;
    let code = status.code().or_else(|| Some(128 + status.signal()?))?;
    u8::try_from(code).ok().filter(|code| *code != 0)
}

impl Drop for Guard {
    fn drop(&mut self) {
        let bottom = self.bottom();
        if bottom != self.0 {
            // Nothing gets through after that.
            let _ = bottom.shutdown(Shutdown::Both);
        }
        if let Some(command) = bottom.downcast_ref::<ChannelCommand>() {
            // It may have ended already.
            let _ = command.terminate();
        }
    }
}

/// What is below TLS and WebSocket, or the channel itself.
fn bottom(channel: &Channel) -> Channel {
    if let Some(below) = websock::below(channel) {
        return bottom(&below);
    }
    let tls = channel.downcast_ref::<ChannelTls>();
    tls.map_or_else(|| channel.clone(), ChannelTls::master)
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
