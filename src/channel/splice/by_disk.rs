//! The steps in a future where one side is a file on disk: in other threads, as no flag limits how long
//! they take.
//!
//! A position moves when the result has arrived: a flow that is dropped has read nothing, and what it was
//! about to write to a file may still be written, and does not move the position.

use std::{io, os::fd::AsFd, sync::Arc};

use super::{
    flow::{Flow, Progress},
    held::{self, Origin},
    route::{self, Route, possibly},
};
use crate::{channel::disk, error::closed, hub::Direction, sys::SharedFd};

/// Whether the next step reads or writes a file on disk.
pub(super) fn is_next(flow: &Flow<'_>) -> bool {
    file(flow).is_some()
}

fn file(flow: &Flow<'_>) -> Option<Arc<SharedFd>> {
    match flow.held.is_empty() {
        true => disk::file(flow.source, Direction::Read),
        false => disk::file(flow.target, Direction::Write),
    }
}

pub(super) async fn step(flow: &mut Flow<'_>) -> io::Result<Progress> {
    let Some(file) = file(flow) else {
        return Ok(Progress::More);
    };
    if !flow.held.is_empty() {
        let count = disk::write(flow.target, &file, flow.to_write(), None).await?;
        return flow.wrote(count);
    }
    if flow.route != Route::File || flow.has_unread() {
        return read(flow, &file).await;
    }
    let to = flow.ends.as_ref().and_then(|ends| ends.target_file());
    match to.cloned() {
        Some(to) => copy(flow, &file, &to).await,
        None => fill_pipe(flow, &file).await,
    }
}

async fn read(flow: &mut Flow<'_>, file: &Arc<SharedFd>) -> io::Result<Progress> {
    let origin = held::origin(flow.source);
    let room = flow.held.room(flow.left);
    let count = disk::read(flow.source, file, room, None).await?;
    flow.filled(count, origin)
}

async fn copy(
    flow: &mut Flow<'_>,
    from: &Arc<SharedFd>,
    to: &Arc<SharedFd>,
) -> io::Result<Progress> {
    let offsets = (disk::position(from, None)?, disk::position(to, None)?);
    let (lease, left) = (to.lease().ok_or_else(closed)?, flow.left);
    let copied = disk::pool(from, move |fd| {
        route::copy(fd, lease.as_fd(), offsets, left)
    });
    match copied.await? {
        // The end of a file is where nothing can be read: not all files tell it otherwise.
        None | Some(0) => Ok(flow.by_memory()),
        Some(count) => {
            flow.count(count);
            disk::skip(from, count)?;
            disk::skip(to, count)?;
            Ok(Progress::More)
        }
    }
}

async fn fill_pipe(flow: &mut Flow<'_>, file: &Arc<SharedFd>) -> io::Result<Progress> {
    let waits = flow
        .ends
        .as_ref()
        .is_none_or(|ends| ends.target_would_wait(flow.target));
    let pipe = flow.held.pipe().filter(|_| !waits).cloned();
    let Some(pipe) = pipe else {
        return Ok(flow.by_memory());
    };
    let (start, left) = (disk::position(file, None)?, flow.left);
    let filled = disk::pool(file, move |fd| possibly(pipe.fill(fd, Some(start), left)));
    match filled.await? {
        None | Some(0) => Ok(flow.by_memory()),
        Some(count) => {
            flow.held.piped(count, Origin::File(file.clone()));
            Ok(Progress::More)
        }
    }
}
