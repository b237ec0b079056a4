//! Operations of a channel that are repeated until they are done, blocking and in futures.

use std::{
    future::{Future, poll_fn},
    io,
};

use glib::{IOCondition, prelude::*, subclass::prelude::*};

use super::{ChannelWebsock, connection::Connection};
use crate::{
    channel::{Channel, ChannelExt as _, PollIo, Transferred, wait_for},
    coroutine,
    error::would_block,
    hub::Direction,
};

impl ChannelWebsock {
    /// Whether a call waits until it is done.
    pub(super) fn may_wait(&self) -> bool {
        self.is_blocking() || coroutine::in_coroutine()
    }

    /// Repeats a step until it is done, if this call may wait.
    pub(super) fn until_done<T>(
        &self,
        condition: IOCondition,
        mut step: impl FnMut(&Connection, &Channel) -> io::Result<T>,
    ) -> io::Result<T> {
        let connection = self.imp().connection()?;
        loop {
            match step(connection, self.upcast_ref()) {
                Err(e) if would_block(&e) && self.may_wait() => {
                    wait_for(self.upcast_ref(), condition)?;
                }
                result => return result,
            }
        }
    }

    /// As [`until_done`](Self::until_done), in a future.
    pub(super) fn step_future<'a, T: Send>(
        &'a self,
        condition: IOCondition,
        mut step: impl FnMut(&Connection, &Channel) -> io::Result<T> + Send + 'a,
    ) -> impl Future<Output = io::Result<T>> + Send + 'a {
        let direction = match condition.contains(IOCondition::OUT) {
            true => Direction::Write,
            false => Direction::Read,
        };
        let mut attempt = PollIo::new(direction);
        poll_fn(move |cx| {
            attempt.poll(self.upcast_ref(), cx, |_| {
                step(self.imp().connection()?, self.upcast_ref()).map(Transferred::whole)
            })
        })
    }
}
