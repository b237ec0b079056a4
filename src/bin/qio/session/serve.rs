//! Serves one client, or many at a time.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Poll, ready},
    time::{Duration, Instant},
};

use qio::{IoFutureExt, prelude::*};

use super::{
    Admitted, Failure, Refused, Session,
    acceptor::{Acceptor, Client},
    active::Active,
    side::Side,
    workers::Workers,
};
use crate::{
    Signals,
    cli::Settings,
    limits,
    log::{Event, entry},
    notify::{Manager, count_of},
    peer::Peer,
};

/// The maximum number of clients that are neither admitted nor refused yet, where one is served.
const MOST_PENDING: usize = 256;

/// Serves one client, or the channel of an address that does not listen.
pub(super) async fn once(
    first: Side,
    session: &Session,
    stop: &gio::Cancellable,
) -> Result<(), Failure> {
    let admitted = match &first.acceptor {
        Some(acceptor) => {
            let admitted = first_admitted(acceptor, &first, session, stop);
            admitted.or_cancelled(stop).await?
        }
        None => {
            let begin = Instant::now();
            let peer = Peer::default();
            let first = first.open_layered(&peer).or_cancelled(stop).await?;
            session.handshake(&first).or_cancelled(stop).await?;
            Admitted {
                address: first.peer(),
                first,
                peer,
                begin,
            }
        }
    };
    // Clients that come now are not served: better that they are refused.
    drop(first);
    session.run(admitted, stop).await
}

/// A client that is neither admitted nor refused yet.
type Admitting<'a> = Pin<Box<dyn Future<Output = Result<Admitted, Refused>> + 'a>>;

/// The first client of a side that is admitted. All that come are handled at the same time: one
/// that is refused, or silent, does not keep another one from being served.
pub(super) async fn first_admitted(
    acceptor: &Acceptor,
    side: &Side,
    session: &Session,
    stop: &gio::Cancellable,
) -> io::Result<Admitted> {
    let mut pending: Vec<Admitting<'_>> = Vec::new();
    let mut next = Box::pin(acceptor.accept());
    poll_fn(|cx| {
        loop {
            let mut admitted = None;
            pending.retain_mut(|client| {
                let result = match admitted {
                    Some(_) => Poll::Pending,
                    None => client.as_mut().poll(cx),
                };
                match result {
                    Poll::Pending => return true,
                    Poll::Ready(Ok(first)) => admitted = Some(first),
                    Poll::Ready(Err(_)) if stop.is_cancelled() => {}
                    Poll::Ready(Err(refused)) => refused.log(),
                }
                false
            });
            if let Some(admitted) = admitted {
                return Poll::Ready(Ok(admitted));
            }
            // Woken when a client has ended.
            if pending.len() >= MOST_PENDING {
                return Poll::Pending;
            }
            let client = ready!(next.as_mut().poll(cx))?;
            pending.push(Box::pin(session.admit(side, client, stop)));
            next = Box::pin(acceptor.accept());
        }
    })
    .await
}

/// Serves each client with a separate second channel.
pub(super) async fn serve(
    mut first: Side,
    session: &Arc<Session>,
    signals: &Signals,
    settings: &Settings,
    manager: &Rc<Manager>,
) -> Result<(), Failure> {
    let workers = Workers::new(settings.serving.threads)?;
    let acceptor = first.acceptor.take().expect("checked: it listens");
    let usage = first.usage(&session.second);
    let limit = limits::clients(settings.max_clients, usage, workers.count())?;
    acceptor.set_max_clients(limit);
    manager.ready();
    manager.watch(workers.pulse());
    let (first, active) = (Arc::new(first), Active::default());
    let result = loop {
        let client = async {
            active.fewer_than(limit as usize).await;
            acceptor.accept().await
        };
        let client = unless_idle(client, &active, settings.serving.exit_idle);
        let client = client.or_cancelled(&signals.stop);
        let client = match client.or_cancelled(&signals.drain).await {
            Ok(Some(client)) => client,
            Ok(None) => {
                entry(Event::Drain, "there was no client for a while").write();
                break Ok(());
            }
            Err(_) if signals.drain.is_cancelled() && !signals.stop.is_cancelled() => break Ok(()),
            Err(e) => break Err(e.into()),
        };
        let (session, first, stop) = (session.clone(), first.clone(), signals.stop.clone());
        let entered = active.enter();
        workers.spawn(move || async move {
            let _entered = entered;
            serve_client(&session, &first, client, &stop).await;
        });
        manager.report(&active);
    };
    drop(acceptor);
    let clients = active.count();
    let timeout = settings.serving.drain_timeout.filter(|_| result.is_ok());
    manager.stopping(clients, timeout);
    if result.is_ok() && clients > 0 {
        let clients_are = match clients {
            1 => "client is",
            _ => "clients are",
        };
        let text =
            format!("{clients} {clients_are} served to the end; another SIGTERM ends it now");
        entry(Event::Drain, text)
            .number("clients", clients as u64)
            .write();
    }
    let ended = async {
        active.none().await;
        Ok(())
    };
    let Some(timeout) = timeout else {
        let _ = ended.await;
        return result;
    };
    if ended.or_timeout(timeout).await.is_err() {
        let clients = active.count();
        let text = format!(
            "the sessions of {} were closed after {timeout:?}",
            count_of(clients)
        );
        entry(Event::Drain, text)
            .number("clients", clients as u64)
            .write();
        signals.stop.cancel();
        active.none().await;
    }
    result
}

/// The next client. `None` once there was none for so long.
async fn unless_idle(
    client: impl Future<Output = io::Result<Client>>,
    active: &Active,
    limit: Option<Duration>,
) -> io::Result<Option<Client>> {
    let Some(limit) = limit else {
        return client.await.map(Some);
    };
    let (mut client, mut idle) = (pin!(client), pin!(active.idle(limit)));
    poll_fn(|cx| match client.as_mut().poll(cx) {
        Poll::Ready(client) => Poll::Ready(client.map(Some)),
        Poll::Pending => idle.as_mut().poll(cx).map(|()| Ok(None)),
    })
    .await
}

/// What fails for one client is no end of the others.
async fn serve_client(session: &Session, first: &Side, client: Client, stop: &gio::Cancellable) {
    let refused = match session.admit(first, client, stop).await {
        Ok(admitted) => {
            let (name, address) = (admitted.first.name(), admitted.address.clone());
            let result = session.run(admitted, stop).await;
            result.map_err(|failure| Refused {
                name: Some(name),
                address,
                error: failure.error,
            })
        }
        Err(refused) => Err(refused),
    };
    if let Err(refused) = refused
        && !stop.is_cancelled()
    {
        refused.log();
    }
}
