//! What a hub watches, and which hubs there are.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, BorrowedFd, RawFd},
    sync::{Arc, Mutex, atomic::Ordering},
    task::Waker,
};

use glib::IOCondition;
use slab::Slab;

use super::{Hub, Registration, source};
use crate::{
    error::closed,
    sys::{epoll::Epoll, lock},
};

/// The descriptors of a hub.
#[derive(Debug)]
pub(super) struct Registry {
    /// Empty once the context has gone.
    epoll: Option<Epoll>,
    registrations: Slab<Arc<Registration>>,
    /// Tells registrations apart that had the same place one after the other.
    generation: u32,
}

impl Registry {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: Some(Epoll::new()?),
            registrations: Slab::new(),
            generation: 0,
        })
    }

    pub(super) fn insert(
        &mut self,
        make: impl FnOnce(u64) -> Arc<Registration>,
    ) -> Arc<Registration> {
        self.generation = self.generation.wrapping_add(1);
        let entry = self.registrations.vacant_entry();
        let registration = make(u64::from(self.generation) << 32 | entry.key() as u64);
        entry.insert(registration.clone());
        registration
    }

    pub(super) fn remove(&mut self, key: u64, fd: BorrowedFd<'_>) -> Option<Arc<Registration>> {
        let place = place(key);
        match self.registrations.get(place) {
            Some(registration) if registration.key == key => {
                if let Some(epoll) = &self.epoll {
                    epoll.remove(fd);
                }
                Some(self.registrations.remove(place))
            }
            _ => None,
        }
    }

    /// Removes what could not be watched.
    pub(super) fn discard(&mut self, key: u64) {
        self.registrations.try_remove(place(key));
    }

    /// Closes the instance, although channels and handles may hold the hub for longer, and returns
    /// all registrations, to be ended. There will be no more.
    pub(super) fn close(&mut self) -> Vec<Arc<Registration>> {
        self.epoll = None;
        self.registrations
            .iter()
            .map(|(_, registration)| registration.clone())
            .collect()
    }

    pub(super) fn watch(
        &mut self,
        registration: &Registration,
        condition: IOCondition,
    ) -> io::Result<()> {
        self.renew_after_fork()?;
        let epoll = self.epoll.as_ref().ok_or_else(closed)?;
        let watched = IOCondition::from_bits_retain(registration.watched.load(Ordering::Relaxed));
        let wanted = watched | condition;
        let mut result = Ok(());
        // What has ended meanwhile is told so by its waiters.
        registration.with_fd(|fd| {
            result = match watched.is_empty() {
                true => epoll.add(fd.as_fd(), wanted, registration.key),
                false => epoll.modify(fd.as_fd(), wanted, registration.key),
            };
        });
        if result.is_ok() {
            registration.watched.store(wanted.bits(), Ordering::Release);
        }
        result
    }

    /// Takes what has happened, which may be nothing, and adds those who wait for it to `woken`.
    pub(super) fn turn(&mut self, woken: &mut Vec<Waker>) -> usize {
        // What the parent's instance has to tell is for the parent.
        let renewed = self.renew_after_fork().is_ok();
        let registrations = &self.registrations;
        let epoll = self.epoll.as_ref().filter(|_| renewed);
        epoll.map_or(0, |epoll| {
            epoll.take(|key, edges| {
                if let Some(registration) = registrations.get(place(key)).filter(|it| it.key == key)
                {
                    registration.edges(edges, woken);
                }
            })
        })
    }

    /// Wakes the thread that waits for the instance.
    pub(super) fn wake(&mut self) {
        // A child must not wake its parent.
        if self.renew_after_fork().is_ok()
            && let Some(epoll) = &self.epoll
        {
            epoll.wake();
        }
    }

    pub(super) fn epoll_number(&self) -> RawFd {
        self.epoll.as_ref().map_or(-1, Epoll::number)
    }

    /// In a forked child: an instance of its own in place of the parent's, before it is used.
    pub(super) fn renew_after_fork(&mut self) -> io::Result<()> {
        if !self.epoll.as_ref().is_some_and(Epoll::is_inherited) {
            return Ok(());
        }
        let epoll = Epoll::new()?;
        for (_, registration) in &self.registrations {
            let watched =
                IOCondition::from_bits_retain(registration.watched.load(Ordering::Relaxed));
            if watched.is_empty() {
                // It is just being added.
                continue;
            }
            registration.with_fd(|fd| {
                let _ = epoll.add(fd.as_fd(), watched, registration.key);
            });
        }
        self.epoll = Some(epoll);
        Ok(())
    }
}

fn place(key: u64) -> usize {
    (key & u64::from(u32::MAX)) as usize
}

type Hubs = HashMap<(usize, i32), Arc<Hub>>;

/// By the address of the context, which is that of a live one, and the priority.
static HUBS: Mutex<Option<Hubs>> = Mutex::new(None);

impl Hub {
    /// The hub of a context at a priority, which is made now if there is none.
    pub(crate) fn of(
        context: &glib::MainContext,
        priority: glib::Priority,
    ) -> io::Result<Arc<Self>> {
        let home = context.as_ptr().addr();
        let priority = glib::translate::IntoGlib::into_glib(priority);
        let mut hubs = lock(&HUBS);
        let hubs = hubs.get_or_insert_default();
        if let Some(hub) = hubs.get(&(home, priority)) {
            return Ok(hub.clone());
        }
        let hub = Self::new(home, priority)?;
        source::attach(&hub, context);
        hubs.insert((home, priority), hub.clone());
        Ok(hub)
    }
}

pub(super) fn remove_hub(home: usize, priority: i32) {
    let removed = lock(&HUBS)
        .as_mut()
        .and_then(|hubs| hubs.remove(&(home, priority)));
    drop(removed);
}
