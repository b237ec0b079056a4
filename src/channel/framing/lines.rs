//! Iterators over lines.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;

use super::ChannelFramingExt as _;
use crate::channel::Channel;

/// The lines of a channel, read blocking: see
/// [`ChannelFramingExt::lines`](crate::ChannelFramingExt::lines).
#[derive(Debug)]
pub struct Lines {
    channel: Channel,
    max: usize,
    has_ended: bool,
}

impl Lines {
    pub(super) fn new(channel: Channel, max: usize) -> Self {
        Self {
            channel,
            max,
            has_ended: false,
        }
    }
}

impl Iterator for Lines {
    type Item = io::Result<glib::Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let line = self.channel.read_line(self.max).transpose();
        self.has_ended = !matches!(line, Some(Ok(_)));
        line
    }
}

impl std::iter::FusedIterator for Lines {}

type Reading = Pin<Box<dyn Future<Output = io::Result<Option<glib::Bytes>>> + Send>>;

/// The lines of a channel, as a stream: see
/// [`ChannelFramingExt::lines_stream`](crate::ChannelFramingExt::lines_stream).
pub struct LinesStream {
    channel: Channel,
    max: usize,
    /// The read of the next line, if that has begun.
    reading: Option<Reading>,
    has_ended: bool,
}

impl fmt::Debug for LinesStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinesStream")
            .field("channel", &self.channel)
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

impl LinesStream {
    pub(super) fn new(channel: Channel, max: usize) -> Self {
        Self {
            channel,
            max,
            reading: None,
            has_ended: false,
        }
    }
}

impl Stream for LinesStream {
    type Item = io::Result<glib::Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let (channel, max) = (&this.channel, this.max);
        let reading = this.reading.get_or_insert_with(|| {
            let channel = channel.clone();
            Box::pin(async move { channel.read_line_future(max).await })
        });
        let line = ready!(reading.as_mut().poll(cx)).transpose();
        this.reading = None;
        this.has_ended = !matches!(line, Some(Ok(_)));
        Poll::Ready(line)
    }
}
