//! A ping-pong of callbacks: what is the same for everything that calls back when a
//! descriptor is readable.

use std::rc::Rc;

use super::sample::Meter;

/// A read takes as much as this, whatever the size of a message.
pub(crate) const READ_SIZE: usize = 64 * 1024;

/// One end of a ping-pong.
pub(crate) struct PingPong {
    /// What it sends when it is its turn.
    pub(crate) message: Vec<u8>,
    /// What it reads into.
    pub(crate) buffer: Vec<u8>,
    received: usize,
    /// The end that began counts the round trips.
    meter: Option<Rc<Meter>>,
}

impl PingPong {
    pub(crate) fn server(size: usize) -> Self {
        Self::new(size, None)
    }

    pub(crate) fn client(size: usize, meter: &Rc<Meter>) -> Self {
        Self::new(size, Some(meter.clone()))
    }

    fn new(size: usize, meter: Option<Rc<Meter>>) -> Self {
        Self {
            message: vec![1; size],
            buffer: vec![0; READ_SIZE],
            received: 0,
            meter,
        }
    }

    /// So much has been read: is it this end's turn to send?
    #[inline]
    pub(crate) fn received(&mut self, count: usize) -> bool {
        assert_ne!(count, 0, "the other end is open");
        self.received += count;
        if self.received < self.message.len() {
            return false;
        }
        self.received = 0;
        if let Some(meter) = &self.meter {
            meter.tick();
        }
        true
    }
}
