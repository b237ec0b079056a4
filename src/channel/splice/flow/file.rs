//! The steps of a flow in a future with a file on disk on one side: in the thread pool, as they may
//! take long.
//!
//! A position moves in the pool, which is undone if the flow is dropped before it has the result:
//! it has then read nothing, and a write, which may still be completed, does not move the position.
//! A copy holds the locks of both positions, a step by memory that of the file that it reads or
//! writes.

use std::{io, os::fd::AsFd, sync::Arc};

use super::{Flow, Progress};
use crate::{
    channel::{
        file_pool::{self, PositionMove},
        splice::{
            buffer::{self, Origin},
            strategy::{self, Strategy, possibly},
        },
    },
    error::closed,
    hub::Direction,
    sync::AsyncGuard,
    sys::SharedFd,
};

/// Whether the next step reads or writes a file on disk.
pub(super) fn is_next(flow: &Flow<'_>) -> bool {
    file(flow).is_some()
}

fn file(flow: &Flow<'_>) -> Option<Arc<SharedFd>> {
    match flow.buffer.is_empty() {
        true => file_pool::file(flow.source, Direction::Read),
        false => file_pool::file(flow.target, Direction::Write),
    }
}

pub(super) async fn step(flow: &mut Flow<'_>) -> io::Result<Progress> {
    let Some(file) = file(flow) else {
        return Ok(Progress::More);
    };
    if !flow.buffer.is_empty() {
        let count = file_pool::write(flow.target, &file, flow.to_write(), None).await?;
        return flow.record_write(count);
    }
    if flow.strategy != Strategy::File || flow.has_pushback() {
        return read(flow, &file).await;
    }
    let to = flow
        .raw_fds
        .as_ref()
        .and_then(|raw_fds| raw_fds.target_file());
    match to.cloned() {
        Some(to) => copy(flow, &file, &to).await,
        None => fill_pipe(flow, &file).await,
    }
}

async fn read(flow: &mut Flow<'_>, file: &Arc<SharedFd>) -> io::Result<Progress> {
    let origin = buffer::origin(flow.source);
    let space = flow.buffer.space(flow.left);
    let count = file_pool::read(flow.source, file, space, None).await?;
    flow.record_read(count, origin)
}

async fn copy(
    flow: &mut Flow<'_>,
    from: &Arc<SharedFd>,
    to: &Arc<SharedFd>,
) -> io::Result<Progress> {
    let held = hold_positions(flow).await;
    let offsets = (file_pool::position(from)?, file_pool::position(to)?);
    let (lease, left) = (to.lease().ok_or_else(closed)?, flow.left);
    let (reading, undo_read) = PositionMove::new(flow.source, from);
    let (writing, undo_write) = PositionMove::new(flow.target, to);
    let copied = file_pool::pool(from, move |fd| {
        let copied = strategy::copy(fd, lease.as_fd(), offsets, left)?;
        let count = copied.unwrap_or(0);
        writing.commit(count, offsets.1, held.1)?;
        reading.commit(count, offsets.0, Some(held.0))?;
        Ok(copied)
    })
    .await?;
    undo_read.keep();
    undo_write.keep();
    match copied {
        // End-of-file, or a file that the kernel does not splice: the read returns which.
        None | Some(0) => Ok(flow.by_memory()),
        Some(count) => {
            flow.count(count);
            Ok(Progress::More)
        }
    }
}

/// The guards of the positions of the source and the target. None is held while this waits for the
/// other one: a future that is not polled would keep it.
async fn hold_positions(flow: &Flow<'_>) -> (AsyncGuard, Option<AsyncGuard>) {
    let [source, target] = [flow.source, flow.target].map(file_pool::position_lock);
    loop {
        let held = source.clone().acquire().await;
        // One channel has one position.
        if Arc::ptr_eq(&source, &target) {
            return (held, None);
        }
        if let Some(other) = target.try_acquire() {
            return (held, Some(other));
        }
        drop(held);
        // It is released soon: a call of the pool holds it.
        drop(target.clone().acquire().await);
    }
}

async fn fill_pipe(flow: &mut Flow<'_>, file: &Arc<SharedFd>) -> io::Result<Progress> {
    let waits = flow
        .raw_fds
        .as_ref()
        .is_none_or(|raw_fds| raw_fds.target_would_wait(flow.target));
    let pipe = flow.buffer.pipe().filter(|_| !waits).cloned();
    let Some(pipe) = pipe else {
        return Ok(flow.by_memory());
    };
    let (start, left) = (file_pool::position(file)?, flow.left);
    let filled = file_pool::pool(file, move |fd| possibly(pipe.fill(fd, Some(start), left)));
    match filled.await? {
        None | Some(0) => Ok(flow.by_memory()),
        Some(count) => {
            flow.buffer.piped(count, Origin::File(file.clone()));
            Ok(Progress::More)
        }
    }
}
