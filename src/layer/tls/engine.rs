//! OpenSSL between plaintext and ciphertext in memory. Nothing here waits, or calls a channel.

mod unsent;

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut},
    mem,
    thread::{self, ThreadId},
    time::SystemTime,
};

use openssl::{
    error::ErrorStack,
    ssl::{ErrorCode, ShutdownState, Ssl, SslRef, SslStream, SslVersion},
};

use super::{
    failure::{Failure, cut_short, of_data, of_handshake, of_stack, truncated, unable_to_shake},
    pipes::{CHUNK, MemoryBio, Queue},
    shim,
};
use crate::error::{closed, not_supported};

/// The most plaintext of one record.
const RECORD: usize = 16 * 1024;

/// How far it has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// Nothing was said yet.
    Fresh,
    Shaking,
    /// The hands are shaken, and somebody is asked, in this thread, whether the peer is welcome.
    Judging(ThreadId),
    Open,
    /// There will never be a connection.
    Failed(Failure),
}

/// What came of a try.
#[derive(Debug)]
pub(super) enum Step<T> {
    Done(T),
    /// More ciphertext has to come first.
    Starving,
    /// Others are to have their turn. There is more to do.
    Tired,
}

/// One end of a connection. Locked only for as long as it computes.
pub(super) struct TlsState {
    stream: SslStream<MemoryBio>,
    /// What the other end is called in messages.
    peer: String,
    pub(super) stage: Stage,
    /// Somebody reads from the channel below; what comes has to be fed in that order.
    pub(super) receiving: bool,
    /// Somebody writes to the channel below.
    pub(super) sending: bool,
    /// What the channel below has not taken of what was to be sent, before the output of OpenSSL.
    unsent: Queue,
    /// Somebody waits for the end of that.
    pub(super) missed_receiving: bool,
    /// The same, of the other. They are told apart, or whoever receives would wake itself while others send.
    pub(super) missed_sending: bool,
    /// Those who read have been told to wait until there is less unsent.
    pub(super) output_blocked: bool,
    /// Ciphertext has come that OpenSSL has not seen.
    pub(super) fed: bool,
    /// Somebody has stopped before the channel below was asked, which may have had something all the time: whoever
    /// waits has to look, and not only wait for more to come.
    pub(super) unsure: bool,
    /// The stream below has ended.
    ended: bool,
    /// Nothing more can be read from the channel below.
    broken: Option<Failure>,
    /// OpenSSL has given up: it says why but once.
    dead: Option<Failure>,
    /// The peer has said goodbye.
    close_notify_received: bool,
    /// Session tickets that the first write sends.
    tickets: u8,
    /// Nothing is to be read any more.
    pub(super) read_shut: bool,
    /// Nothing can be written any more.
    pub(super) write_over: Option<Failure>,
    close_notify_queued: bool,
    /// When that was said, nothing else was unsent.
    only_close_notify_left: bool,
    /// That has been sent as well, with all that was before it.
    close_notify_sent: bool,
    /// The channel below is to be shut down when all has been sent.
    pub(super) shut_below: bool,
}

impl fmt::Debug for TlsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("stage", &self.stage)
            .field("pipes", self.stream.get_ref())
            .finish_non_exhaustive()
    }
}

impl TlsState {
    pub(super) fn new(ssl: Ssl, peer: String, tickets: u8) -> Result<Self, ErrorStack> {
        Ok(Self {
            stream: SslStream::new(ssl, MemoryBio::default())?,
            peer,
            stage: Stage::Fresh,
            receiving: false,
            sending: false,
            unsent: Queue::default(),
            missed_receiving: false,
            missed_sending: false,
            output_blocked: false,
            fed: false,
            unsure: false,
            ended: false,
            broken: None,
            dead: None,
            close_notify_received: false,
            tickets,
            read_shut: false,
            write_over: None,
            close_notify_queued: false,
            only_close_notify_left: false,
            close_notify_sent: false,
            shut_below: false,
        })
    }

    pub(super) fn ssl(&self) -> &SslRef {
        self.stream.ssl()
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    pub(super) fn is_shaking(&self) -> bool {
        matches!(self.stage, Stage::Shaking)
    }

    /// Why there will never be a connection.
    pub(super) fn failure(&self) -> Option<&Failure> {
        match &self.stage {
            Stage::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// Whether the records of the other direction are all that data needs. Otherwise hands are being
    /// shaken, maybe once more.
    pub(super) fn is_settled(&self) -> bool {
        self.is_open() && self.ssl().is_init_finished()
    }

    /// Goes on with the handshake. Done says that it is for others to judge the peer.
    pub(super) fn do_handshake(&mut self) -> io::Result<Step<()>> {
        self.stage = Stage::Shaking;
        self.begin_turn();
        self.fed = false;
        match self.stream.do_handshake() {
            Ok(()) => {
                self.stage = Stage::Judging(thread::current().id());
                Ok(Step::Done(()))
            }
            Err(e) if is_starving(&e) && self.is_tired() => Ok(Step::Tired),
            Err(e) if is_starving(&e) => match self.lost() {
                None => Ok(Step::Starving),
                Some(reason) => Err(self.fail_handshake(reason)),
            },
            Err(e) => {
                let error = of_handshake(&self.peer, self.ssl(), &e);
                Err(self.fail(error))
            }
        }
    }

    /// To be called before OpenSSL is.
    fn begin_turn(&mut self) {
        // It takes what others have left in this thread for its own.
        drop(ErrorStack::get());
        self.stream.get_mut().begin_turn();
    }

    /// Whether OpenSSL wants to read although there is something: its turn is over.
    fn is_tired(&mut self) -> bool {
        self.fed = self.has_input();
        self.unsure |= self.fed;
        self.fed
    }

    /// Why no more ciphertext will come during a handshake.
    fn lost(&self) -> Option<io::Error> {
        match &self.broken {
            Some(broken) => Some(broken.again()),
            None => self.ended.then(cut_short),
        }
    }

    /// There will never be a connection. Returns why.
    pub(super) fn fail(&mut self, error: io::Error) -> io::Error {
        self.stage = Stage::Failed(Failure::of(&error));
        error
    }

    pub(super) fn fail_handshake(&mut self, reason: io::Error) -> io::Error {
        let error = unable_to_shake(&self.peer, reason);
        self.fail(error)
    }

    /// Decrypts what is there. Nothing says that the stream has ended.
    pub(super) fn read(
        &mut self,
        iov: &mut [IoSliceMut<'_>],
        peek: bool,
        relaxed: bool,
    ) -> io::Result<Step<usize>> {
        if self.read_shut {
            return Ok(Step::Done(0));
        }
        if let Some(dead) = &self.dead {
            return Err(dead.again());
        }
        if self.has_nothing() {
            return self.starved(relaxed);
        }
        self.begin_turn();
        self.fed = false;
        let mut total = 0;
        for buf in iov {
            let mut from = 0;
            while from < buf.len() {
                let room = &mut buf[from..];
                let result = match peek {
                    true => self.stream.ssl_peek(room),
                    false => self.stream.ssl_read(room),
                };
                match result {
                    // What was looked at is still there.
                    Ok(count) if peek => return Ok(Step::Done(count)),
                    Ok(count) => (from, total) = (from + count, total + count),
                    Err(_) if total > 0 => return self.stopped(total, &result),
                    Err(e) if e.code() == ErrorCode::ZERO_RETURN => {
                        self.close_notify_received = true;
                        return Ok(Step::Done(0));
                    }
                    Err(e) if is_starving(&e) && self.is_tired() => return Ok(Step::Tired),
                    Err(e) if is_starving(&e) => return self.starved(relaxed),
                    Err(e) => {
                        let error = of_data(&self.peer, &e);
                        return Err(self.break_down(error));
                    }
                }
            }
        }
        Ok(Step::Done(total))
    }

    /// Whether OpenSSL would say for sure that more has to come: asking it is dear.
    fn has_nothing(&mut self) -> bool {
        let is_over = self.stream.get_shutdown().contains(ShutdownState::RECEIVED);
        !self.fed && !is_over && !self.has_input() && self.ssl().pending() == 0
    }

    fn has_input(&self) -> bool {
        !self.stream.get_ref().input.is_empty()
    }

    /// Something has stopped a read that has got something: it is for the next one.
    fn stopped(
        &mut self,
        total: usize,
        result: &Result<usize, openssl::ssl::Error>,
    ) -> io::Result<Step<usize>> {
        match result {
            Err(e) if e.code() == ErrorCode::ZERO_RETURN => self.close_notify_received = true,
            Err(e) if !is_starving(e) => {
                self.break_down(of_data(&self.peer, e));
            }
            Err(_) => {
                self.is_tired();
            }
            Ok(_) => {}
        }
        Ok(Step::Done(total))
    }

    fn starved(&self, relaxed: bool) -> io::Result<Step<usize>> {
        match &self.broken {
            Some(broken) => Err(broken.again()),
            None if self.ended && relaxed => Ok(Step::Done(0)),
            None if self.ended => Err(truncated()),
            None => Ok(Step::Starving),
        }
    }

    /// Nothing goes on, neither here nor there.
    fn break_down(&mut self, error: io::Error) -> io::Error {
        self.dead = Some(Failure::of(&error));
        self.write_over.get_or_insert_with(|| Failure::of(&error));
        error
    }

    /// Encrypts a chunk of data, and returns how much. There must be nothing on its way.
    pub(super) fn write(&mut self, iov: &[IoSlice<'_>]) -> io::Result<Step<usize>> {
        if let Some(over) = &self.write_over {
            return Err(over.again());
        }
        self.begin_turn();
        self.queue_tickets();
        let mut total = 0;
        let mut merged = Vec::new();
        let mut left = iov.iter().map(|buf| &buf[..]).filter(|buf| !buf.is_empty());
        let mut next = left.next();
        while let Some(data) = next.filter(|_| total < CHUNK) {
            let data = &data[..data.len().min(CHUNK - total)];
            next = left.next();
            // A record has its price: small buffers share one.
            let record = match next {
                Some(_) if data.len() < RECORD / 4 => {
                    merged.clear();
                    merged.extend_from_slice(data);
                    let room = RECORD.min(CHUNK - total);
                    while let Some(more) = next.filter(|more| merged.len() + more.len() <= room) {
                        merged.extend_from_slice(more);
                        next = left.next();
                    }
                    &merged[..]
                }
                _ => data,
            };
            let encrypted = self.encrypt(record)?;
            total += encrypted;
            if encrypted < record.len() {
                let tired = self.is_tired();
                return Ok(match total {
                    0 if tired => Step::Tired,
                    0 => Step::Starving,
                    _ => Step::Done(total),
                });
            }
        }
        Ok(Step::Done(total))
    }

    /// Session tickets go with the first data of a server, and not at the end of the handshake: a client that only
    /// sends would not read them, and its system would answer what it has left unread by a reset, in place of the rest of
    /// its data.
    fn queue_tickets(&mut self) {
        let tickets = mem::take(&mut self.tickets);
        let is_spoken = self.ssl().version2() == Some(SslVersion::TLS1_3);
        if tickets == 0 || !is_spoken || !self.limit_session() {
            return;
        }
        for _ in 0..tickets {
            // Without one, the next handshake is a full one.
            if shim::queue_ticket(&mut self.stream).is_err() {
                drop(ErrorStack::get());
            }
        }
    }

    /// Sessions that are made of an earlier one live no longer than that. Returns whether they live at all.
    fn limit_session(&self) -> bool {
        let ssl = self.ssl();
        let Some(session) = ssl.session().filter(|_| ssl.session_reused()) else {
            return true;
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let age = now.map_or(0, |now| now.as_secs() as i64) - session.time();
        let left = session.timeout() - age;
        shim::limit_session(ssl, left.max(1) as u64);
        left > 0
    }

    /// Returns how much came before OpenSSL would have to read.
    fn encrypt(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut total = 0;
        while total < data.len() {
            match self.stream.ssl_write(&data[total..]) {
                Ok(count) => total += count,
                Err(e) if is_starving(&e) => break,
                Err(e) => {
                    let error = of_data(&self.peer, &e);
                    return Err(self.break_down(error));
                }
            }
        }
        Ok(total)
    }

    /// Has new keys made: see [`shim::update_keys`].
    pub(super) fn update_keys(&mut self, ask: bool) -> io::Result<()> {
        if let Some(over) = &self.write_over {
            return Err(over.again());
        }
        if self.ssl().version2() != Some(SslVersion::TLS1_3) {
            return Err(not_supported("Keys can be updated with TLS 1.3 only"));
        }
        // A write may have left a chunk.
        if self.count_unsent() > 2 * CHUNK {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.begin_turn();
        let failed = |e| of_stack("Unable to update the keys", &e);
        shim::update_keys(&mut self.stream, ask).map_err(failed)?;
        match self.stream.do_handshake() {
            Err(e) if !is_starving(&e) => Err(self.break_down(of_data(&self.peer, &e))),
            _ => Ok(()),
        }
    }

    /// Says goodbye, once; nothing is written after that.
    pub(super) fn say_bye(&mut self) {
        if !mem::replace(&mut self.close_notify_queued, true)
            && self.is_open()
            && self.write_over.is_none()
        {
            self.only_close_notify_left = !self.has_unsent();
            self.begin_turn();
            let _ = self.stream.shutdown();
        }
        self.end_writing();
    }

    /// Leaves without a goodbye.
    pub(super) fn end_writing(&mut self) {
        self.close_notify_queued = true;
        let over = || Failure::of(&io::Error::from_raw_os_error(libc::EPIPE));
        self.write_over.get_or_insert_with(over);
    }

    /// Takes in what the channel below had.
    pub(super) fn feed(&mut self, buffer: Vec<u8>, count: usize) {
        match count {
            0 => self.ended = true,
            _ => {
                self.stream.get_mut().feed(buffer, count);
                self.fed = true;
            }
        }
    }

    /// Whether the peer may have said something that nobody has heard.
    pub(super) fn may_be_told_more(&self) -> bool {
        let is_over = self.close_notify_received
            || self.ended
            || self.broken.is_some()
            || self.dead.is_some();
        self.is_open() && !is_over
    }

    /// Nothing more will come from below.
    pub(super) fn break_off(&mut self, error: &io::Error) {
        self.broken = Some(Failure::of(error));
    }

    /// Whether somebody who reads gets an answer without more ciphertext.
    pub(super) fn has_answer(&self) -> bool {
        self.read_shut
            || self.close_notify_received
            || self.ended
            || self.broken.is_some()
            || self.dead.is_some()
            || self.fed
            || self.ssl().pending() > 0
            || self.stream.get_ref().has_record()
    }

    /// Ends whatever goes on.
    pub(super) fn close(&mut self) {
        if !matches!(self.stage, Stage::Open | Stage::Failed(_)) {
            self.stage = Stage::Failed(Failure::of(&closed()));
        }
        self.end_writing();
    }
}

fn is_starving(error: &openssl::ssl::Error) -> bool {
    error.code() == ErrorCode::WANT_READ
}
