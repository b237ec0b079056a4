//! Watches that copy bytes from one channel to the next.

use std::{
    cell::{OnceCell, RefCell},
    io::{self, ErrorKind},
    ops::Range,
    rc::Rc,
    time::{Duration, Instant},
};

use glib::{ControlFlow, IOCondition};
use qio::{Channel, ChannelFile, Feature, Shutdown, prelude::*, to_glib_error};

use super::{HOPS, Meter, PIPE_CAPACITY};

/// The state that all hops share: the main loop, the completed hops, and the first error.
pub(super) struct Pipeline {
    pub(super) main_loop: glib::MainLoop,
    done: RefCell<Vec<Hop>>,
    failure: RefCell<Option<io::Error>>,
    /// The file, by the descriptor that was received from the unix socket.
    pub(super) passed: OnceCell<ChannelFile>,
}

impl Pipeline {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            main_loop: glib::MainLoop::new(None, false),
            done: RefCell::default(),
            failure: RefCell::default(),
            passed: OnceCell::new(),
        })
    }

    /// Does something once, as soon as it can be done without blocking.
    pub(super) fn once_ready<C: IsA<Channel>>(
        self: &Rc<Self>,
        what: &'static str,
        channel: &C,
        condition: IOCondition,
        mut act: impl FnMut(&C) -> io::Result<()> + 'static,
    ) {
        let this = self.clone();
        channel.add_watch_local(condition, move |channel, _| {
            match would_block(act(channel)) {
                Ok(Some(())) => ControlFlow::Break,
                Ok(None) => ControlFlow::Continue,
                Err(e) => this.fail(what, &e),
            }
        });
    }

    /// A hop is complete. They end in their order, as each gets end-of-file from the one before.
    fn completed(&self, hop: Hop) -> ControlFlow {
        self.done.borrow_mut().push(hop);
        if self.done.borrow().len() == HOPS {
            self.main_loop.quit();
        }
        ControlFlow::Break
    }

    /// Ends the main loop. Only the first failure counts: others follow from it.
    fn fail(&self, what: &str, error: &io::Error) -> ControlFlow {
        let message = format!("{what}: {}", to_glib_error(error).message());
        let mut failure = self.failure.borrow_mut();
        failure.get_or_insert_with(|| io::Error::other(message));
        self.main_loop.quit();
        ControlFlow::Break
    }

    pub(super) fn result(&self) -> io::Result<Vec<Hop>> {
        self.failure
            .take()
            .map_or_else(|| Ok(self.done.take()), Err)
    }
}

/// Copies bytes from one channel to the next. It reads only when all that it has read before is
/// written, and has one watch at a time: on the channel that it waits for.
pub(super) struct Hop {
    pipeline: Rc<Pipeline>,
    pub(super) name: &'static str,
    from: Channel,
    to: Channel,
    buffer: Box<[u8]>,
    /// The part of the buffer that is still to be written.
    pending: Range<usize>,
    pub(super) meter: Option<Rc<RefCell<Meter>>>,
    pub(super) bytes: u64,
    pub(super) callbacks: u64,
    started: Instant,
    pub(super) took: Duration,
}

impl Hop {
    pub(super) fn new(
        pipeline: &Rc<Pipeline>,
        name: &'static str,
        from: &impl IsA<Channel>,
        to: &impl IsA<Channel>,
    ) -> Self {
        Self {
            pipeline: pipeline.clone(),
            name,
            from: from.as_ref().clone(),
            to: to.as_ref().clone(),
            buffer: vec![0; PIPE_CAPACITY].into(),
            pending: 0..0,
            meter: None,
            bytes: 0,
            callbacks: 0,
            started: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// The watch owns the hop, and moves it to another watch when it must wait for the other
    /// channel.
    pub(super) fn watch(self, condition: IOCondition) {
        let channel = match condition {
            IOCondition::OUT => self.to.clone(),
            _ => self.from.clone(),
        };
        let mut owned = Some(self);
        channel.add_watch_local(condition, move |_, _| {
            let Some(mut hop) = owned.take() else {
                return ControlFlow::Break;
            };
            hop.callbacks += 1;
            match hop.step() {
                Ok(Some(next)) if next == condition => {
                    owned = Some(hop);
                    ControlFlow::Continue
                }
                Ok(Some(next)) => {
                    hop.watch(next);
                    ControlFlow::Break
                }
                Ok(None) => hop.pipeline.clone().completed(hop),
                Err(e) => hop.pipeline.fail(hop.name, &e),
            }
        });
    }

    /// Copies without blocking, and returns what to wait for, or `None` at the end. Reads once at
    /// most, so that a channel that is always readable does not starve the others.
    fn step(&mut self) -> io::Result<Option<IOCondition>> {
        if self.pending.is_empty() {
            match would_block(self.from.read(&mut self.buffer))? {
                Some(0) => return self.end(),
                Some(count) => self.pending = 0..count,
                None => return Ok(Some(IOCondition::IN)),
            }
            if let Some(meter) = &self.meter {
                meter
                    .borrow_mut()
                    .update(&self.buffer[self.pending.clone()]);
            }
        }
        while !self.pending.is_empty() {
            let written = self.to.write(&self.buffer[self.pending.clone()]);
            let Some(count) = would_block(written)? else {
                return Ok(Some(IOCondition::OUT));
            };
            self.pending.start += count;
            self.bytes += count as u64;
        }
        Ok(Some(IOCondition::IN))
    }

    /// Forwards end-of-file, where the next channel has a peer.
    fn end(&mut self) -> io::Result<Option<IOCondition>> {
        if self.to.has_feature(Feature::SHUTDOWN) {
            self.to.shutdown(Shutdown::Write)?;
        }
        self.took = self.started.elapsed();
        Ok(None)
    }
}

/// `None` for what would block.
fn would_block<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}
