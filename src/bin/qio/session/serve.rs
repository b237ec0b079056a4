//! Serves one client, or many at a time.

use std::rc::Rc;

use qio::{IoFutureExt, JoinHandle, prelude::*};

use super::{
    Failure, Session, one_line,
    side::{Side, name_of},
};
use crate::{Signals, limits};

pub(super) async fn once(
    first: Side,
    session: &Session,
    stop: &gio::Cancellable,
) -> Result<(), Failure> {
    let channel = first.first().or_cancelled(stop).await?;
    // Clients that come now are not served: better that they are refused.
    drop(first);
    session.run(channel, stop).await
}

/// Serves each client with a second channel of its own.
pub(super) async fn serve(
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
