//! One end of a connection at work, and what must be true of it whatever comes from the other one.

use std::{
    io::{self, IoSliceMut},
    time::Duration,
};

use glib::{IOCondition, prelude::*};
use qio::{ChannelTls, ReadFlags, Shutdown, prelude::*};

use super::wire::{Numbers, Wire};

/// How often in succession a channel may be reported ready without any progress: the budget of 128
/// records per call, and pieces that would block.
const STUCK: usize = 300;

/// The data that an end sends, byte by byte.
fn sent_byte(salt: u8, at: usize) -> u8 {
    (at as u8).wrapping_mul(7).wrapping_add((at / 256) as u8) ^ salt
}

/// One end.
pub struct End {
    pub tls: ChannelTls,
    pub wire: Wire,
    calls: Numbers,
    salt: u8,
    peer_salt: Option<u8>,
    to_write: usize,
    pub written: usize,
    pub got: usize,
    pub sent_close_notify: bool,
    /// The peer's close_notify has come.
    pub ended: bool,
    pub error: Option<String>,
    stuck: usize,
}

impl End {
    /// `salts` are those of the two ends, `None` if the data of the peer is arbitrary; `calls`
    /// selects the sequence of calls.
    pub fn new(
        tls: ChannelTls,
        wire: Wire,
        salts: (u8, Option<u8>),
        to_write: usize,
        calls: u8,
    ) -> Self {
        tls.set_blocking(false).expect("it never blocks");
        Self {
            tls,
            wire,
            calls: Numbers::new(calls),
            salt: salts.0,
            peer_salt: salts.1,
            to_write,
            written: 0,
            got: 0,
            sent_close_notify: false,
            ended: false,
            error: None,
            stuck: 0,
        }
    }

    pub fn is_over(&self) -> bool {
        self.ended || self.error.is_some()
    }

    /// Calls it once or twice, in some way. Whether it is worth going on.
    pub fn step(&mut self) -> bool {
        if self.error.is_some() || self.ended && self.sent_close_notify {
            return false;
        }
        let before = self.wire.moved() + self.got + self.written;
        match self.calls.are_none() {
            true => self.write(usize::MAX),
            false => self.do_anything(),
        }
        if self.written == self.to_write && !self.sent_close_notify && self.tls.is_handshake_done() {
            self.flush();
            if self.error.is_none() {
                // Nothing is unsent: this is only close_notify.
                self.tls.shutdown(Shutdown::Write).expect("no error now");
                self.sent_close_notify = true;
                self.flush();
            }
        }
        self.read(4096, ReadFlags::empty());
        let goes_on = !self.is_over() && self.is_worth_trying();
        let moved = self.wire.moved() + self.got + self.written > before;
        self.stuck = if moved { 0 } else { self.stuck + 1 };
        assert!(!goes_on || self.stuck < STUCK, "it spins: {:?}", self.tls);
        let has_words = self.tls.is_handshake_done() && !self.sent_close_notify;
        moved || goes_on || has_words && self.error.is_none()
    }

    fn do_anything(&mut self) {
        let number = self.calls.next();
        match number % 8 {
            0 => self.write(number / 8 % 5000),
            1 => self.flush(),
            2 => self.read(1 + number / 8 % 40, ReadFlags::PEEK),
            3 => self.read(1 + number / 8 % 40, ReadFlags::empty()),
            4 if self.tls.is_handshake_done() && !self.sent_close_notify => {
                match self.tls.update_keys(number / 8 % 2 == 0) {
                    Err(e) if e.kind() == io::ErrorKind::Unsupported => {}
                    result => self.note(result),
                }
            }
            5 => drop(self.tls.wait_timeout(IOCondition::OUT, Duration::ZERO)),
            6 => drop((
                self.tls.cipher(),
                self.tls.alpn_protocol(),
                self.tls.is_resumed(),
            )),
            _ => self.write(usize::MAX),
        }
    }

    fn write(&mut self, most: usize) {
        let len = (self.to_write - self.written).min(most);
        if len == 0 || self.sent_close_notify {
            return;
        }
        let data: Vec<_> = (self.written..self.written + len)
            .map(|at| sent_byte(self.salt, at))
            .collect();
        match self.tls.write(&data) {
            Ok(count) => {
                assert!((1..=len).contains(&count), "{count} of {len}");
                assert!(
                    self.tls.is_handshake_done(),
                    "data goes after the handshake"
                );
                self.written += count;
            }
            Err(e) => self.note(Err(e)),
        }
    }

    fn flush(&mut self) {
        let flushed = self.tls.flush().map(drop);
        self.note(flushed);
    }

    fn read(&mut self, len: usize, flags: ReadFlags) {
        let mut data = vec![0; len];
        let mut iov = [IoSliceMut::new(&mut data)];
        match self.tls.readv_full(&mut iov, None, flags) {
            Ok(0) => self.ended |= !flags.contains(ReadFlags::PEEK),
            Ok(count) => {
                assert!(
                    self.tls.is_handshake_done(),
                    "data comes after the handshake"
                );
                if let Some(salt) = self.peer_salt {
                    let intact = (self.got..)
                        .zip(&data[..count])
                        .all(|(at, byte)| sent_byte(salt, at) == *byte);
                    assert!(intact, "data that the peer has not sent");
                }
                if !flags.contains(ReadFlags::PEEK) {
                    self.got += count;
                }
            }
            Err(e) => self.note(Err(e)),
        }
    }

    /// A wait is woken by available input.
    fn is_worth_trying(&self) -> bool {
        let ready = self.tls.wait_timeout(IOCondition::IN, Duration::ZERO);
        let waits = ready.is_err_and(|e| e.kind() == io::ErrorKind::TimedOut);
        assert!(
            !waits || !self.wire.is_readable(),
            "no wake-up for the input"
        );
        !waits
    }

    /// Remembers the first error.
    fn note(&mut self, result: io::Result<()>) {
        let Err(e) = result else { return };
        if e.kind() == io::ErrorKind::WouldBlock {
            return;
        }
        let message = e.to_string();
        assert!(
            !message.contains('\n') && message.len() < 500,
            "{message:?}"
        );
        assert!(!message.contains("gives no reason"), "{message:?}");
        self.error.get_or_insert(message);
    }

    /// An ended channel stays ended, and is finalized with its last reference.
    pub fn finish(self) {
        let Self {
            tls,
            wire,
            error,
            ended,
            ..
        } = self;
        let failed = !tls.is_handshake_done();
        for _ in 0..2 {
            let read = tls.read(&mut [0; 8]);
            match &error {
                Some(error) => assert_eq!(&read.expect_err("as before").to_string(), error),
                None if ended => assert_eq!(read.expect("the end is the end"), 0),
                None => {}
            }
            if let Some(error) = error.as_ref().filter(|_| failed) {
                assert_eq!(&tls.write(b"x").expect_err("as before").to_string(), error);
                assert_eq!(&tls.bye().expect_err("as before").to_string(), error);
            }
        }
        let _ = tls.close();
        assert!(tls.is_closed() && wire.is_closed());
        for e in [
            tls.read(&mut [0]).unwrap_err(),
            tls.write(&[0]).unwrap_err(),
        ] {
            assert_eq!(e.kind(), io::ErrorKind::NotConnected, "{e}");
        }
        let (weak_tls, weak_wire) = (tls.downgrade(), wire.downgrade());
        drop((tls, wire));
        assert!(
            weak_tls.upgrade().is_none() && weak_wire.upgrade().is_none(),
            "it goes"
        );
    }
}
