//! What waits for one channel, so that closing it can wake all of it.
//!
//! A channel may be closed by any thread, and its watches belong to the threads that run their contexts: the
//! channel has the hubs of these contexts, and makes them iterate once more.

use std::{
    fmt, io, mem,
    os::fd::OwnedFd,
    ptr,
    sync::{
        Arc, MutexGuard, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
    time::Instant,
};

use glib::IOCondition;

use super::{ALWAYS, pushback::PushbackBuffer};
use crate::{
    hub::{Deregistered, Direction, Hub, Registration, RegistrationGuard},
    sync::ForkMutex,
    sys::poll::{Wakeup, poll},
};

/// The waiters of one channel, and whether it is closed.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// Set before anybody is woken, and never unset.
    closed: AtomicBool,
    /// How often waiters have been told to look again. Changes while `waiting` is locked.
    changes: AtomicUsize,
    waiting: ForkMutex<Waiting>,
    /// That of the first hub that futures have waited in, which they find without a lock; also after it has
    /// ended. It keeps the memory, not the descriptor.
    home: OnceLock<Arc<Registration>>,
    /// What a dropped future had read and nobody has got.
    pub(crate) unread: PushbackBuffer,
}

/// Makes a hub watch what tells of a direction. `None` for what a hub cannot watch.
pub(crate) trait Register:
    FnOnce(&Arc<Hub>) -> io::Result<Option<RegistrationGuard>>
{
}

impl<F> Register for F where F: FnOnce(&Arc<Hub>) -> io::Result<Option<RegistrationGuard>> {}

type Found = io::Result<Option<Arc<Registration>>>;

#[derive(Debug, Default)]
struct Waiting {
    /// Where a hub watches the channel's descriptors: the usual one, without memory of its own.
    registration: Option<RegistrationGuard>,
    /// Whose hub is to watch them, if it is not that of whoever waits.
    context: Option<glib::MainContext>,
    /// What most channels do not have.
    rare: Option<Box<RareWaiters>>,
}

#[derive(Debug, Default)]
struct RareWaiters {
    /// More of them.
    registrations: Vec<RegistrationGuard>,
    /// Those of the contexts that watches are attached to, once for each watch.
    hubs: Vec<Arc<Hub>>,
    threads: Vec<Arc<Wakeup>>,
    /// Takes what the system tells of as errors and that are none.
    notes: Option<Arc<dyn CompletionQueue>>,
    /// Futures whose sources are in the context that the channel was attached to when they began.
    context_wakers: Vec<Waker>,
    /// Futures that wait for something else, and not any longer than until the channel is closed.
    close_wakers: Vec<Waker>,
    /// Coroutines that wait for the channel to become readable, and their flags.
    yields: Vec<(Arc<AtomicBool>, Waker)>,
}

/// Takes the notes of the system on what a channel has sent, which it tells of as if they were errors.
pub(crate) trait CompletionQueue: fmt::Debug + Send + Sync {
    /// Takes all there are. Returns whether there were any.
    fn take(&self) -> bool;
}

impl Waiting {
    /// Makes room for other registrations. Dropping these wakes the futures: to be done without
    /// the lock, which they take when they look again.
    fn deregister_all(&mut self) -> Vec<Deregistered> {
        self.take_registrations()
            .map(RegistrationGuard::deregister)
            .collect()
    }

    fn take_registrations(&mut self) -> impl Iterator<Item = RegistrationGuard> {
        let more = self.rare.as_mut();
        let more = more.map(|rare| mem::take(&mut rare.registrations));
        self.registration
            .take()
            .into_iter()
            .chain(more.into_iter().flatten())
    }

    fn add(&mut self, registration: RegistrationGuard) {
        match &self.registration {
            None => self.registration = Some(registration),
            Some(_) => self.rare().registrations.push(registration),
        }
    }

    fn rare(&mut self) -> &mut RareWaiters {
        self.rare.get_or_insert_default()
    }

    fn registrations(&self) -> impl Iterator<Item = &Arc<Registration>> {
        let more = self.rare.iter().flat_map(|rare| &rare.registrations);
        let all = self.registration.iter().chain(more);
        all.map(RegistrationGuard::get)
    }

    fn registration(&self, hub: *const Hub, side: Direction) -> Option<Arc<Registration>> {
        self.registrations()
            .find(|it| ptr::eq(Arc::as_ptr(it.hub()), hub) && it.serves(side))
            .cloned()
    }

    fn wake(&self) {
        let Some(rare) = &self.rare else { return };
        for hub in &rare.hubs {
            hub.notify();
        }
        for thread in &rare.threads {
            thread.wake();
        }
    }
}

impl Waiters {
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Marks the channel closed and wakes everybody: sources fire once with
    /// `G_IO_NVAL`, blocked threads return.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting();
        self.closed.store(true, Ordering::Release);
        self.changes.fetch_add(1, Ordering::Release);
        waiting.wake();
        let registrations = waiting.deregister_all();
        let rare = waiting.rare.as_mut();
        let close_wakers = rare.map(|rare| mem::take(&mut rare.close_wakers));
        drop(waiting);
        // Wakes the futures, without the lock that they take when they look again.
        drop(registrations);
        close_wakers.into_iter().flatten().for_each(Waker::wake);
        self.unread.clear();
    }

    /// That of the hub that is `running`, or of the context that the channel is attached to, unless the
    /// caller waits `here` all the same.
    pub(crate) fn registration_known(
        &self,
        side: Direction,
        running: *const Hub,
        here: bool,
    ) -> Option<Arc<Registration>> {
        let waiting = self.waiting();
        match &waiting.context {
            Some(context) if !here => waiting
                .registrations()
                .find(|it| it.hub().is_in(context) && it.serves(side))
                .cloned(),
            _ => waiting.registration(running, side),
        }
    }

    /// The registration of a direction in a hub, if that was the first one that futures have waited in.
    #[inline]
    pub(crate) fn home(&self, side: Direction, hub: *const Hub) -> Option<&Arc<Registration>> {
        self.home
            .get()
            .filter(|home| home.is_of(hub) && home.serves(side))
    }

    /// Makes futures find a registration without a lock, unless they find another one.
    pub(crate) fn set_home(&self, registration: &Arc<Registration>) {
        self.home.get_or_init(|| registration.clone());
    }

    /// Whether anything waits for a direction by a hub.
    pub(crate) fn is_waited_for(&self, side: Direction) -> bool {
        self.waiting()
            .registrations()
            .any(|it| it.has_waiters(side))
    }

    /// The context that the channel is attached to.
    pub(crate) fn context(&self) -> Option<glib::MainContext> {
        self.waiting().context.clone()
    }

    /// The registration of one direction, of the hub of the context that the channel is attached to,
    /// or of what is running: made by `register` if there is none. That hub goes on watching until
    /// the channel is closed or goes to another context. `None` if the channel is closed.
    pub(crate) fn registration_here(&self, side: Direction, register: impl Register) -> Found {
        // One lock for it all: a hub takes a descriptor once, and the context may change.
        let waiting = self.waiting();
        let hub = match &waiting.context {
            Some(context) => Hub::of(context),
            None => {
                let known = waiting.registration(Hub::running(), side);
                if known.is_some() {
                    return Ok(known);
                }
                Hub::running_here()?
            }
        };
        self.registration_in(waiting, &hub, side, register)
    }

    /// As [`registration_here`](Self::registration_here), of a given hub.
    pub(crate) fn registration_at(
        &self,
        hub: &Arc<Hub>,
        side: Direction,
        register: impl Register,
    ) -> Found {
        self.registration_in(self.waiting(), hub, side, register)
    }

    fn registration_in(
        &self,
        mut waiting: MutexGuard<'_, Waiting>,
        hub: &Arc<Hub>,
        side: Direction,
        register: impl Register,
    ) -> Found {
        if let Some(known) = waiting.registration(Arc::as_ptr(hub), side) {
            return Ok(Some(known));
        }
        if self.is_closed() {
            return Ok(None);
        }
        let Some(guard) = register(hub)? else {
            return Ok(None);
        };
        let registration = guard.get().clone();
        let before = waiting.take_registrations();
        let (alive, ended): (Vec<_>, Vec<_>) = before.partition(|it| !it.get().has_ended());
        alive.into_iter().for_each(|it| waiting.add(it));
        waiting.add(guard);
        drop(waiting);
        drop(ended);
        Ok(Some(registration))
    }

    /// Attaches the channel to a context, or to none. Futures that wait for it go on in its hub.
    pub(crate) fn set_context(&self, context: Option<glib::MainContext>) {
        let mut waiting = self.waiting();
        let before = mem::replace(&mut waiting.context, context);
        let registrations = waiting.deregister_all();
        let rare = waiting.rare.as_mut();
        let context_wakers = rare.map(|rare| mem::take(&mut rare.context_wakers));
        drop(waiting);
        drop((before, registrations));
        context_wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// The context that the channel is attached to; once that has changed, `context_waker` is woken.
    pub(crate) fn context_for(&self, context_waker: Waker) -> Option<glib::MainContext> {
        let mut waiting = self.waiting();
        waiting.rare().context_wakers.push(context_waker);
        waiting.context.clone()
    }

    /// Removes a context waker.
    pub(crate) fn forget_context_waker(&self, context_waker: &Waker) {
        let mut waiting = self.waiting();
        let forgotten = take_out(&mut waiting.rare().context_wakers, context_waker);
        drop(waiting);
        drop(forgotten);
    }

    /// Wakes `close_waker` once the channel is closed; says whether it is.
    pub(crate) fn until_closed(&self, close_waker: Waker) -> bool {
        let mut waiting = self.waiting();
        let closed = self.is_closed();
        if !closed {
            waiting.rare().close_wakers.push(close_waker);
        }
        closed
    }

    /// Removes a close waker.
    pub(crate) fn forget_close_waker(&self, close_waker: &Waker) {
        let mut waiting = self.waiting();
        let forgotten = take_out(&mut waiting.rare().close_wakers, close_waker);
        drop(waiting);
        drop(forgotten);
    }

    /// Sets `is_woken` and wakes `waker` at the next [`wake_yields`](Self::wake_yields), in place of the waker
    /// before.
    pub(crate) fn enter_yield(&self, is_woken: &Arc<AtomicBool>, waker: &Waker) {
        let mut waiting = self.waiting();
        let yields = &mut waiting.rare().yields;
        let before = take_yield(yields, is_woken);
        yields.push((is_woken.clone(), waker.clone()));
        drop(waiting);
        drop(before);
    }

    pub(crate) fn leave_yield(&self, is_woken: &Arc<AtomicBool>) {
        let mut waiting = self.waiting();
        let left = take_yield(&mut waiting.rare().yields, is_woken);
        drop(waiting);
        drop(left);
    }

    /// Ends the waits of coroutines for the channel to become readable.
    pub(crate) fn wake_yields(&self) {
        let mut waiting = self.waiting();
        let yields = waiting
            .rare
            .as_mut()
            .map(|rare| mem::take(&mut rare.yields));
        drop(waiting);
        for (is_woken, waker) in yields.into_iter().flatten() {
            is_woken.store(true, Ordering::Release);
            waker.wake();
        }
    }

    /// Makes all waiters look again: something has changed that no descriptor reports.
    pub(crate) fn wake(&self) {
        let mut waiting = self.waiting();
        self.changes.fetch_add(1, Ordering::Release);
        waiting.wake();
        let (closed, open): (Vec<_>, Vec<_>) = waiting
            .take_registrations()
            .partition(|it| it.get().is_closed());
        let woken: Vec<_> = open.iter().map(|it| it.get().clone()).collect();
        open.into_iter().for_each(|it| waiting.add(it));
        let closed: Vec<_> = closed
            .into_iter()
            .map(RegistrationGuard::deregister)
            .collect();
        drop(waiting);
        // Wakes futures, without the lock that they take when they look again.
        drop(closed);
        for registration in &woken {
            registration.wake();
        }
    }

    /// From now on errors may be notes.
    pub(crate) fn set_completions(&self, notes: Arc<dyn CompletionQueue>) {
        self.waiting().rare().notes = Some(notes);
    }

    pub(crate) fn has_completions(&self) -> bool {
        self.notes().is_some()
    }

    fn notes(&self) -> Option<Arc<dyn CompletionQueue>> {
        let waiting = self.waiting();
        waiting.rare.as_ref().and_then(|rare| rare.notes.clone())
    }

    /// What a descriptor told, or what it tells `again`, if the error among that was a note: who
    /// waits for `asked`, and not just for an error, has no use for it.
    pub(crate) fn ignore_completions(
        &self,
        got: IOCondition,
        asked: IOCondition,
        again: impl FnOnce() -> io::Result<IOCondition>,
    ) -> io::Result<IOCondition> {
        let is_note = got.contains(IOCondition::ERR)
            && self.notes().is_some_and(|notes| notes.take())
            && !(asked - ALWAYS).is_empty();
        match is_note {
            true => again(),
            false => Ok(got),
        }
    }

    /// Takes back what somebody had read who does not want it any more: the next reader gets it first.
    pub(crate) fn take_back<'a>(
        &self,
        bytes: impl DoubleEndedIterator<Item = &'a [u8]>,
        fds: Vec<OwnedFd>,
    ) {
        self.unread.put_back(bytes, fds);
        if self.is_closed() {
            // Nobody reads it any more, and closing may have been over before.
            return self.unread.clear();
        }
        // Nothing else tells those who wait for data.
        self.wake();
    }

    /// To be read before asking what to wait for, and given to [`block_on`](Self::block_on).
    pub(crate) fn changes(&self) -> usize {
        self.changes.load(Ordering::Acquire)
    }

    /// Blocks this thread until the descriptor has one of the conditions, or the channel
    /// is closed (`G_IO_NVAL`). Nothing means: the deadline has passed, or look again.
    pub(crate) fn block_on(
        &self,
        fd: i32,
        condition: IOCondition,
        deadline: Option<Instant>,
        seen: usize,
    ) -> io::Result<IOCondition> {
        let wakeup = Wakeup::of_this_thread();
        let waiting = self.enter_thread(wakeup.clone());
        let result = match self.changes() == seen {
            true => poll(fd, condition.bits() as i16, wakeup.as_deref(), deadline),
            false => Ok(0),
        };
        drop(waiting);
        if let Some(wakeup) = wakeup
            && !matches!(result, Ok(1..))
        {
            wakeup.forget();
        }
        if self.is_closed() {
            return Ok(IOCondition::NVAL);
        }
        Ok(IOCondition::from_bits_truncate(result? as u32) & (condition | ALWAYS))
    }

    /// Has a thread woken whenever waiters are to look again, if there is a way to wake it, until
    /// what this returns is dropped.
    pub(crate) fn enter_thread(&self, wakeup: Option<Arc<Wakeup>>) -> WaitingThread<'_> {
        self.waiting().rare().threads.extend(wakeup.clone());
        WaitingThread {
            waiters: self,
            wakeup,
        }
    }

    /// Makes a hub watch a descriptor no more, unless something waits for it.
    pub(super) fn release(&self, registration: &Arc<Registration>) {
        let is_home = self
            .home
            .get()
            .is_some_and(|it| Arc::ptr_eq(it, registration));
        if is_home || registration.is_waited_for() {
            return;
        }
        let mut waiting = self.waiting();
        let before = waiting.take_registrations();
        let (released, others): (Vec<_>, Vec<_>) =
            before.partition(|it| Arc::ptr_eq(it.get(), registration));
        others.into_iter().for_each(|it| waiting.add(it));
        let released: Vec<_> = released
            .into_iter()
            .map(RegistrationGuard::deregister)
            .collect();
        drop(waiting);
        // A waiter that came meanwhile is woken, and begins anew.
        drop(released);
    }

    /// Makes the context of a hub iterate whenever waiters are to look again, until the hub is
    /// [taken out](Self::leave).
    pub(super) fn enter(&self, hub: &Arc<Hub>) {
        self.waiting().rare().hubs.push(hub.clone());
    }

    pub(super) fn leave(&self, hub: &Arc<Hub>) {
        let mut waiting = self.waiting();
        let hubs = &mut waiting.rare().hubs;
        if let Some(mine) = hubs.iter().position(|it| Arc::ptr_eq(it, hub)) {
            hubs.swap_remove(mine);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }
}

/// To be dropped outside of the lock: that may run anything.
fn take_out(wakers: &mut Vec<Waker>, waker: &Waker) -> Option<Waker> {
    let mine = wakers.iter().position(|it| it.will_wake(waker))?;
    Some(wakers.swap_remove(mine))
}

/// As [`take_out`].
fn take_yield(
    yields: &mut Vec<(Arc<AtomicBool>, Waker)>,
    is_woken: &Arc<AtomicBool>,
) -> Option<(Arc<AtomicBool>, Waker)> {
    let mine = yields
        .iter()
        .position(|(it, _)| Arc::ptr_eq(it, is_woken))?;
    Some(yields.swap_remove(mine))
}

/// A thread in the list of those that wait.
#[derive(Debug)]
pub(crate) struct WaitingThread<'a> {
    waiters: &'a Waiters,
    wakeup: Option<Arc<Wakeup>>,
}

impl Drop for WaitingThread<'_> {
    fn drop(&mut self) {
        let Some(wakeup) = &self.wakeup else { return };
        let mut waiting = self.waiters.waiting();
        let threads = &mut waiting.rare().threads;
        let mine = threads.iter().position(|it| Arc::ptr_eq(it, wakeup));
        threads.swap_remove(mine.expect("entered before"));
    }
}
