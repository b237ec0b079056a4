//! Reads until a decoder has found an item. What was read beyond it is pushed back, so that the
//! next reader gets it, whatever it reads.

use std::{
    future::poll_fn,
    io,
    ops::Range,
    os::fd::OwnedFd,
    task::{Poll, ready},
};

use glib::{IOCondition, subclass::prelude::*};

use super::decode::{Decoded, Decoder};
use crate::{
    channel::{
        Channel,
        class::{IoFlags, Transferred, VFuncs},
        file_pool,
        poll_io::PollIo,
        transfer::{blocking, was_empty_message},
    },
    coroutine,
    hub::Direction,
    types::Feature,
    watch::Pushback,
};

/// The number of bytes that a read requests at first.
const CHUNK: usize = 16 * 1024;

/// The maximum number of bytes of a read: memory grows by what arrives.
const MOST: usize = 256 * 1024;

/// A content of this size is handed over without a copy where nothing follows it.
const LARGE: usize = 4096;

/// The largest message of a message-oriented channel: a read that is shorter loses its end.
const MESSAGE: usize = 64 * 1024;

/// How the content of an item is returned.
pub(super) trait Output {
    type Item;

    fn copied(&mut self, content: &[u8]) -> Self::Item;

    /// A large content, at this place of the bytes.
    fn taken(&mut self, bytes: Vec<u8>, content: Range<usize>) -> Self::Item {
        self.copied(&bytes[content])
    }
}

/// As bytes of their own.
pub(super) struct NewBytes;

impl Output for NewBytes {
    type Item = glib::Bytes;

    fn copied(&mut self, content: &[u8]) -> glib::Bytes {
        glib::Bytes::from(content)
    }

    fn taken(&mut self, bytes: Vec<u8>, content: Range<usize>) -> glib::Bytes {
        glib::Bytes::from_bytes(&glib::Bytes::from_owned(bytes), content)
    }
}

/// Appended; the item is its length.
impl Output for &mut Vec<u8> {
    type Item = usize;

    fn copied(&mut self, content: &[u8]) -> usize {
        self.extend_from_slice(content);
        content.len()
    }
}

/// Reads an item, blocking. `None`: end-of-file comes first.
pub(super) fn read<O: Output>(
    channel: &Channel,
    decoder: impl Decoder,
    output: O,
) -> io::Result<Option<O::Item>> {
    if coroutine::in_coroutine() {
        return coroutine::wait_for(read_future(channel, decoder, output))?;
    }
    let mut scan = match Scan::begin(channel, decoder, output)? {
        Begun::Found(item) => return Ok(Some(item)),
        Begun::Needs(scan) => scan,
    };
    blocking(channel, IOCondition::IN, || {
        Ok(scan.step(IoFlags::plain())?.result)
    })
}

/// As [`read`], in a future. If that is dropped, what it has read is pushed back.
pub(super) async fn read_future<O: Output>(
    channel: &Channel,
    decoder: impl Decoder,
    output: O,
) -> io::Result<Option<O::Item>> {
    let mut scan = match Scan::begin(channel, decoder, output)? {
        Begun::Found(item) => return Ok(Some(item)),
        Begun::Needs(scan) => scan,
    };
    if let Some(file) = file_pool::file(channel, Direction::Read) {
        loop {
            let mut chunk = vec![0; scan.wanted()];
            // Boxed, to keep the futures of all other channels small.
            let count = Box::pin(file_pool::read(channel, &file, &mut chunk, None)).await?;
            let copied = scan.data.fill(count, |space, _| {
                space.copy_from_slice(&chunk[..count]);
                Ok::<_, io::Error>(count)
            });
            if let Some(item) = scan.examine(copied?)? {
                return Ok(item);
            }
        }
    }
    let mut attempt = PollIo::new(Direction::Read);
    poll_fn(|cx| {
        loop {
            if let Some(item) = ready!(attempt.poll(channel, cx, |how| scan.step(how)))? {
                return Poll::Ready(Ok(item));
            }
        }
    })
    .await
}

/// A read in progress. Pushes back what it has read when dropped.
struct Scan<'a, D, O> {
    channel: &'a Channel,
    decoder: D,
    output: O,
    data: Pushback,
    /// How many bytes the decoder needs at least.
    needs: usize,
}

enum Begun<'a, D, O: Output> {
    /// The item had been pushed back.
    Found(O::Item),
    Needs(Scan<'a, D, O>),
}

impl<'a, D: Decoder, O: Output> Scan<'a, D, O> {
    /// Examines pushed-back data in place, and takes it if it has no whole item.
    fn begin(channel: &'a Channel, mut decoder: D, mut output: O) -> io::Result<Begun<'a, D, O>> {
        VFuncs::of(channel).check_open()?;
        let mut data = Pushback::default();
        let pushback = &channel.imp().channel_state.pushback;
        let decoded = pushback.with(|pushed| {
            let decoded = decoder.decode(pushed.bytes())?;
            Ok::<_, io::Error>(match decoded {
                Decoded::Item { content, len } => {
                    let item = output.copied(&pushed.bytes()[content]);
                    pushed.consume(len);
                    Ok(item)
                }
                Decoded::Needs(more) => {
                    data = std::mem::take(pushed);
                    Err(more)
                }
            })
        });
        let decoded = match decoded {
            Some(decoded) => decoded?,
            None => match decoder.decode(&[])? {
                Decoded::Item { .. } => unreachable!("no item is empty"),
                Decoded::Needs(more) => Err(more),
            },
        };
        Ok(match decoded {
            Ok(item) => Begun::Found(item),
            Err(needs) => Begun::Needs(Self {
                channel,
                decoder,
                output,
                data,
                needs,
            }),
        })
    }

    /// The number of bytes that the next read requests: beyond the item, unless that is large.
    fn wanted(&self) -> usize {
        let most = self.data.bytes().len().clamp(CHUNK, MOST);
        let wanted = self.needs.clamp(CHUNK, most);
        match self.channel.imp().is_message_oriented() {
            true => wanted.max(MESSAGE),
            false if self.needs > CHUNK => wanted.min(self.needs),
            false => wanted,
        }
    }

    /// Reads once. `Some` is the result.
    fn step(&mut self, how: IoFlags) -> io::Result<Transferred<Option<Option<O::Item>>>> {
        let (channel, wanted) = (self.channel, self.wanted());
        let passes_fds = channel.imp().features().contains(Feature::FD_PASS);
        let fds_before = self.data.fds.len();
        let mut short = false;
        let count = self.data.fill(wanted, |space, fds: &mut Vec<OwnedFd>| {
            // A descriptor belongs to whatever reads the bytes that follow.
            let fds = passes_fds.then_some(fds);
            let iov = &mut [io::IoSliceMut::new(space)];
            let tried = VFuncs::of(channel).try_readv(iov, fds, how.read)?;
            short = tried.short;
            Ok::<_, io::Error>(tried.result)
        })?;
        let is_end = count == 0 && self.data.fds.len() == fds_before;
        let result = match is_end && was_empty_message(channel)? {
            true => None,
            false if count == 0 && !is_end => None,
            false => self.examine(count)?,
        };
        Ok(Transferred { result, short })
    }

    /// Examines the data after a read of so many bytes, 0 at end-of-file.
    fn examine(&mut self, count: usize) -> io::Result<Option<Option<O::Item>>> {
        let bytes = self.data.bytes();
        let (content, len) = match count {
            0 => match self.decoder.decode_end(bytes)? {
                Some(content) => (content, bytes.len()),
                None => return Ok(Some(None)),
            },
            _ => match self.decoder.decode(bytes)? {
                Decoded::Item { content, len } => (content, len),
                Decoded::Needs(more) => {
                    self.needs = more;
                    return Ok(None);
                }
            },
        };
        let item = if content.len() >= LARGE && len == bytes.len() {
            self.output.taken(self.data.take_bytes(), content)
        } else {
            let item = self.output.copied(&bytes[content]);
            self.data.consume(len);
            item
        };
        Ok(Some(Some(item)))
    }
}

impl<D, O> Drop for Scan<'_, D, O> {
    fn drop(&mut self) {
        if !self.data.is_empty() {
            self.channel.push_back_data(std::mem::take(&mut self.data));
        }
    }
}
