//! Operations of a channel that are repeated until they are done, blocking and in futures.

use std::{
    future::{Future, poll_fn},
    io,
    task::{Context, Poll},
};

use glib::{IOCondition, prelude::*, subclass::prelude::*};

use super::{ChannelWebsock, connection::Connection};
use crate::{
    channel::{Channel, ChannelExt as _, PollIo, Transferred},
    coroutine,
    hub::Direction,
    layer::wire,
    types::ReadFlags,
};

impl ChannelWebsock {
    /// Whether a call waits until it is done.
    pub(super) fn may_wait(&self) -> bool {
        self.is_blocking() || coroutine::in_coroutine()
    }

    /// Repeats a step until it is done, if this call may wait. The step gets the flags for reads of
    /// the lower channel.
    pub(super) fn until_done<T>(
        &self,
        condition: IOCondition,
        mut step: impl FnMut(&Connection, &Channel, ReadFlags) -> io::Result<T>,
    ) -> io::Result<T> {
        let (connection, channel) = (self.imp().connection()?, self.upcast_ref());
        let may_wait = || Ok(self.may_wait());
        wire::until_done(channel, condition, may_wait, || {
            step(connection, channel, ReadFlags::empty())
        })
    }

    /// As [`until_done`](Self::until_done), in a future.
    pub(super) fn step_future<'a, T: Send>(
        &'a self,
        condition: IOCondition,
        mut step: impl FnMut(&Connection, &Channel, ReadFlags) -> io::Result<T> + Send + 'a,
    ) -> impl Future<Output = io::Result<T>> + Send + 'a {
        let direction = match condition.contains(IOCondition::OUT) {
            true => Direction::Write,
            false => Direction::Read,
        };
        let mut attempt = PollIo::new(direction);
        poll_fn(move |cx| self.poll_step(&mut attempt, cx, &mut step))
    }

    /// The same, as a poll function.
    pub(super) fn poll_step<T>(
        &self,
        attempt: &mut PollIo,
        cx: &mut Context<'_>,
        mut step: impl FnMut(&Connection, &Channel, ReadFlags) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        attempt.poll(self.upcast_ref(), cx, |how| {
            step(self.imp().connection()?, self.upcast_ref(), how.read).map(Transferred::whole)
        })
    }
}
