//! Two channels come together: once, or for every client.

use std::{
    future::Future,
    io::{self, IsTerminal},
    pin::pin,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use qio::{
    Channel, ChannelCommand, ChannelSocket, ChannelTls, IoFutureExt, JoinHandle, NetAddress,
    NetListener, RelayCounters, Relayed, Shutdown, TransferError, prelude::*, relay_counted_future,
    to_glib_error,
};

use crate::{
    endpoint::{Endpoint, Mode, at_once},
    meter::{Meter, summary},
    options::Options,
    tls::{self, Tls},
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
    tls: Option<Tls>,
}

impl Side {
    async fn new(
        endpoint: &Endpoint,
        mode: Mode,
        options: &Options,
        meter: &Meter,
    ) -> io::Result<Self> {
        let tls = match endpoint.is_tls() {
            true => Some(Tls::new(endpoint, &options.tls)?),
            false => None,
        };
        let listener = match endpoint.below() {
            Endpoint::Listen(address) => {
                let listener = NetListener::new();
                // What a relay has left behind that was killed.
                listener.set_replace_stale(true);
                listener.open_address_future(address, BACKLOG).await?;
                if options.verbose {
                    let scheme = if tls.is_some() { "tls:" } else { "" };
                    for address in listener.local_addresses() {
                        let address = NetAddress::try_from(&address)?;
                        meter.say(&format!("listening on {scheme}{address}"));
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
            timeout: options.timeout,
            tls,
        })
    }

    /// A channel, as soon as there is one, on which no hands are shaken yet.
    async fn channel(&self) -> io::Result<Guard> {
        let channel = match &self.listener {
            Some(listener) => accept(listener).await?,
            None => self.open().await?,
        };
        let channel = Guard(channel);
        match &self.tls {
            Some(tls) => tls.over(&channel.0).map(|tls| channel.replaced(tls)),
            None => Ok(channel),
        }
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

async fn accept(listener: &NetListener) -> io::Result<Channel> {
    let client = listener.accept_future().await?;
    client.set_name(Some(&name_of(&client)));
    at_once(client.upcast())
}

/// The address of a client, if it has one.
fn name_of(client: &ChannelSocket) -> String {
    let address = client.remote_address().ok();
    let address = address.and_then(|address| NetAddress::try_from(&address).ok());
    address.map_or_else(|| "client".to_owned(), |address| address.to_string())
}

/// Until the end, of everything or of the first pair.
pub(crate) async fn run(options: &Options, stop: &gio::Cancellable) -> io::Result<()> {
    let write = Mode::Write {
        append: options.append || options.fork,
    };
    let stdio = options.first.is_single() || options.second.is_single();
    let talks = stdio && (io::stdin().is_terminal() || io::stdout().is_terminal());
    let meter = Meter::new(!options.quiet && !talks);
    let first = Side::new(&options.first, Mode::Read, options, &meter);
    let first = first.or_cancelled(stop).await?;
    let second = Side::new(&options.second, write, options, &meter);
    let second = second.or_cancelled(stop).await?;
    let session = Session {
        second,
        meter,
        timeout: options.timeout,
        handshake: options.tls.deadline(),
        verbose: options.verbose,
    };
    let session = Rc::new(session);
    let result = match options.fork {
        true => serve(first, &session, stop).await,
        false => once(first, &session, stop).await,
    };
    session.meter.finish(options.verbose && options.fork);
    result
}

async fn once(first: Side, session: &Session, stop: &gio::Cancellable) -> io::Result<()> {
    let channel = first.channel().or_cancelled(stop).await?;
    // Who comes now is not served: better that it is told.
    drop(first);
    session.run(channel, stop).await
}

/// Serves each client with a second channel of its own.
async fn serve(first: Side, session: &Rc<Session>, stop: &gio::Cancellable) -> io::Result<()> {
    let mut tasks: Vec<JoinHandle<()>> = Vec::new();
    let result = loop {
        let client = match first.channel().or_cancelled(stop).await {
            Ok(client) => client,
            Err(e) => break Err(e),
        };
        let (session, stop) = (session.clone(), stop.clone());
        tasks.retain(|task| !task.is_finished());
        tasks.push(qio::spawn_local(async move {
            let name = client.name();
            match session.run(client, &stop).await {
                Err(e) if !stop.is_cancelled() => {
                    session.meter.say(&format!("{name}: {}", one_line(&e)));
                }
                _ => {}
            }
        }));
    };
    drop(first);
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
    /// How long one may take.
    handshake: Duration,
    verbose: bool,
}

impl Session {
    async fn run(&self, first: Guard, stop: &gio::Cancellable) -> io::Result<()> {
        let begin = Instant::now();
        // Who is a stranger is not led any further.
        self.shake(&first).or_cancelled(stop).await?;
        let second = self.second.channel().or_cancelled(stop).await?;
        self.shake(&second).or_cancelled(stop).await?;
        let pair = format!("{} and {}", first.name(), second.name());
        if self.verbose {
            self.meter.say(&format!("{pair}: connected"));
        }
        let connection = self.meter.connection();
        let counters = &connection.counters;
        let relay = relay_counted_future(&first.0, &second.0, counters);
        let relay = while_it_moves(relay, counters, self.timeout);
        let result = relay.or_cancelled(stop).await;
        let result = match result {
            Ok(_) => {
                let closed = first.close().or_cancelled(stop).await;
                closed.and(second.close().or_cancelled(stop).await)
            }
            Err(e) => {
                // A reader that is still there must not take what was cut for the end.
                if TransferError::of(&e).is_none_or(TransferError::is_truncated) {
                    first.abort();
                    second.abort();
                }
                Err(e)
            }
        };
        if self.verbose {
            let how = summary(counters.counts(), begin.elapsed());
            self.meter.say(&format!("{pair}: {how}"));
        }
        result
    }

    async fn shake(&self, channel: &Guard) -> io::Result<()> {
        let agreed = tls::shake(&channel.0, self.handshake).await?;
        if let Some(agreed) = agreed.filter(|_| self.verbose) {
            self.meter.say(&format!("{}: {agreed}", channel.name()));
        }
        Ok(())
    }
}

/// A channel of a session. If that ends early, a command is told to end as well; and who speaks TLS
/// is not to take it for the end of the data: there is no goodbye.
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
        let bottom = bottom(&self.0);
        // Without a close_notify TLS is cut anyhow, and a command gets the chance to end: see below.
        if bottom == self.0 && bottom.downcast_ref::<ChannelCommand>().is_none() {
            bottom.abort();
        }
    }

    async fn close(self) -> io::Result<()> {
        self.0.close_future().await
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let bottom = bottom(&self.0);
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

/// What is below TLS, or the channel itself.
fn bottom(channel: &Channel) -> Channel {
    let tls = channel.downcast_ref::<ChannelTls>();
    tls.map_or_else(|| channel.clone(), ChannelTls::master)
}

/// Gives up once nothing has moved for so long.
async fn while_it_moves(
    relay: impl Future<Output = io::Result<Relayed>>,
    counters: &RelayCounters,
    timeout: Option<Duration>,
) -> io::Result<Relayed> {
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

/// An error as GLib words it.
pub(crate) fn one_line(e: &io::Error) -> String {
    to_glib_error(e).message().replace('\n', " ")
}
