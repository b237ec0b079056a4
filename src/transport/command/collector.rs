//! Reaps commands that exit by themselves, so that none is a zombie while its channel exists.
//!
//! One thread for the process waits for the pidfds of all commands. It starts with the first one,
//! and never ends: a program that has run one command may run another. A later query of the status
//! returns what the thread has stored. A command that could not be entered, for lack of
//! descriptors or threads, is reaped by the first query.

use std::{
    collections::HashMap,
    io,
    os::fd::AsFd,
    sync::{Arc, Weak},
};

use super::{STACK_SIZE, child::Child};
use crate::{
    sync::ProcessMutex,
    sys::{FdLease, exits::Exits, thread},
};

struct Collector {
    exits: Arc<Exits>,
    children: HashMap<u64, Weak<Child>>,
    next_key: u64,
}

/// Once there has been a command. A forked child has no such thread, and its parent's commands are
/// not its own.
static COLLECTOR: ProcessMutex<Option<Collector>> = ProcessMutex::new(None, |collector| {
    if let Some(collector) = collector.take() {
        collector.exits.close_if_inherited();
    }
});

/// Enters a child, which is reaped when it exits. The key is to be [removed](remove) by the
/// process that got it.
pub(super) fn enter(child: &Arc<Child>, pidfd: &FdLease) -> io::Result<u64> {
    let mut place = COLLECTOR.lock();
    let collector = match &mut *place {
        Some(collector) => collector,
        None => place.insert(Collector::start()?),
    };
    let key = collector.next_key;
    collector.exits.add(pidfd.as_fd(), key)?;
    collector.next_key += 1;
    collector.children.insert(key, Arc::downgrade(child));
    Ok(key)
}

pub(super) fn remove(key: u64) {
    if let Some(collector) = &mut *COLLECTOR.lock() {
        collector.children.remove(&key);
    }
}

impl Collector {
    fn start() -> io::Result<Self> {
        let exits = Arc::new(Exits::new()?);
        let theirs = exits.clone();
        thread::spawn("qio-collector", Some(STACK_SIZE), move || {
            while theirs.wait(collect).is_ok() {}
        })?;
        Ok(Self {
            exits,
            children: HashMap::new(),
            next_key: 0,
        })
    }
}

fn collect(key: u64) {
    let child = match &mut *COLLECTOR.lock() {
        Some(collector) => collector.children.remove(&key),
        None => None,
    };
    // Without the lock, which dropping the child takes.
    if let Some(child) = child.and_then(|child| child.upgrade()) {
        child.collect_if_ended();
    }
}
