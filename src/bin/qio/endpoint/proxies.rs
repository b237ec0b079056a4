//! Whether the desktop's settings have a proxy for an address.
//!
//! The answer counts for a while: a resolver of GIO's reads the settings in a thread, for each
//! connection again, which takes longer than the connection.

use std::{
    cell::RefCell,
    collections::HashMap,
    time::{Duration, Instant},
};

use gio::prelude::*;
use qio::NetAddress;

/// How long an answer counts. The settings may change.
const VALID: Duration = Duration::from_secs(5);

#[derive(Clone, Copy)]
struct Answer {
    has_none: bool,
    since: Instant,
}

thread_local! {
    /// By address, of which the command line has two at most.
    static ANSWERS: RefCell<HashMap<String, Answer>> = RefCell::default();
}

/// Whether the address is certainly connected to without a proxy.
pub(super) async fn has_none(address: &NetAddress) -> bool {
    // The URI by which GIO looks for a proxy.
    let text = address.to_string();
    let Some(authority) = text.strip_prefix("tcp:") else {
        return true;
    };
    let known = ANSWERS.with_borrow(|answers| answers.get(&text).copied());
    if let Some(known) = known
        && known.since.elapsed() < VALID
    {
        return known.has_none;
    }
    let resolver = gio::ProxyResolver::default();
    let proxies = resolver.lookup_future(&format!("none://{authority}")).await;
    let answer = Answer {
        has_none: proxies.is_ok_and(|proxies| matches!(&proxies[..], [one] if one == "direct://")),
        since: Instant::now(),
    };
    ANSWERS.with_borrow_mut(|answers| answers.insert(text, answer));
    answer.has_none
}
