//! Serves one client, or many at a time.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use qio::{IoFutureExt, prelude::*};

use super::{
    Failure, Session, acceptor::Client, active::Active, one_line, side::Side, workers::Workers,
};
use crate::{
    Signals,
    cli::Settings,
    limits,
    log::{Event, entry},
    notify::{Manager, count_of},
};

pub(super) async fn once(
    first: Side,
    session: &Session,
    stop: &gio::Cancellable,
) -> Result<(), Failure> {
    let client = first.first().or_cancelled(stop).await?;
    // Clients that come now are not served: better that they are refused.
    drop(first);
    let client = client.layered().or_cancelled(stop).await?;
    session.run(client, stop).await
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
    let limit = limits::clients(settings.max_clients, first.usage(&session.second))?;
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
    let address = client.address();
    let mut name = address.clone();
    let layered = async {
        let client = first.of_client(client)?.layered();
        client.or_cancelled(stop).await
    };
    let result = match layered.await {
        Ok((channel, peer)) => {
            name = Some(channel.name());
            session.run((channel, peer), stop).await
        }
        Err(e) => Err(e.into()),
    };
    if let Err(Failure { error, .. }) = result
        && !stop.is_cancelled()
    {
        let (name, error) = (
            name.unwrap_or_else(|| "client".to_owned()),
            one_line(&error),
        );
        entry(Event::Error, format!("{name}: {error}"))
            .text("channel", name)
            .text_if("peer", address)
            .text("error", error)
            .write();
    }
}
