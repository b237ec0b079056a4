//! The TLS state machine: OpenSSL between plaintext and ciphertext in memory. Nothing here waits,
//! or calls a channel.

mod alert;
mod filter;
mod handshake;
mod input;
mod messages;
mod output;
mod server_hello;
mod wire;

use std::{
    fmt,
    io::{self, IoSliceMut},
};

use openssl::{
    error::ErrorStack,
    ssl::{ErrorCode, Ssl, SslContext, SslMethod, SslRef, SslStream},
};

pub(super) use self::filter::HandshakeFilter;
use self::{input::Input, output::Output};
use super::{
    failure::{forked_child, of_data, truncated},
    memory_bio::{MemoryBio, ReadBudget},
    shim,
};
use crate::{
    coroutine::Execution,
    layer::wire::{Failure, Progress, Tokens},
};

/// How far the handshake has come.
#[derive(Debug)]
pub(super) enum HandshakeState {
    /// It has not begun.
    Initial,
    Handshaking,
    /// A step is performed that may emit signals, or the last one. The `SSL` is taken out of the
    /// channel meanwhile, if it may emit signals.
    PerformingStep(Execution),
    Established,
    /// The handshake has failed, which is final.
    Failed(Failure),
}

/// One end of a connection. Its lock is held for computation only.
pub(in crate::layer) struct TlsState {
    stream: SslStream<MemoryBio>,
    /// The label of the peer in messages.
    peer: String,
    pub(super) state: HandshakeState,
    pub(super) tokens: Tokens,
    pub(super) input: Input,
    pub(super) output: Output,
    /// A fatal error, which OpenSSL reports only once.
    fatal: Option<Failure>,
    /// A caller waits for the end of [`HandshakeState::PerformingStep`].
    pub(super) waiting_step: bool,
}

impl fmt::Debug for TlsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsState")
            .field("state", &self.state)
            .field("bio", self.stream.get_ref())
            .finish_non_exhaustive()
    }
}

/// In a forked child: the replacement of a connection that another thread of the parent had locked.
impl Default for TlsState {
    fn default() -> Self {
        let ssl =
            SslContext::builder(SslMethod::tls()).and_then(|context| Ssl::new(&context.build()));
        let filter = HandshakeFilter::server(0);
        let state = ssl.and_then(|ssl| Self::new(ssl, "the peer".to_owned(), 0, filter));
        let mut state = state.expect("OpenSSL makes a connection");
        state.fail(forked_child());
        state
    }
}

impl TlsState {
    pub(super) fn new(
        ssl: Ssl,
        peer: String,
        tickets: u8,
        filter: HandshakeFilter,
    ) -> Result<Self, ErrorStack> {
        let mut bio = MemoryBio::default();
        bio.filter = Some(filter);
        Ok(Self {
            stream: SslStream::new(ssl, bio)?,
            peer,
            state: HandshakeState::Initial,
            tokens: Tokens::default(),
            input: Input::default(),
            output: Output::new(tickets),
            fatal: None,
            waiting_step: false,
        })
    }

    pub(super) fn ssl(&self) -> &SslRef {
        self.stream.ssl()
    }

    pub(super) fn stream(&mut self) -> &mut SslStream<MemoryBio> {
        &mut self.stream
    }

    pub(super) fn is_established(&self) -> bool {
        matches!(self.state, HandshakeState::Established)
    }

    /// Whether no handshake is under way, not even a renegotiation: reading needs input alone, and
    /// writing output alone.
    pub(super) fn is_past_handshake(&self) -> bool {
        self.is_established() && self.ssl().is_init_finished()
    }

    /// To be called before each call of OpenSSL.
    fn begin_call(&mut self, budget: &ReadBudget) {
        // Errors that other code has left in the queue of this thread would be taken for new ones.
        drop(ErrorStack::get());
        self.stream.get_mut().begin_call(budget);
    }

    /// Whether input is left after `WANT_READ`: then the budget of this call is used up.
    fn budget_exhausted(&mut self) -> bool {
        self.input.has_new = self.has_input();
        self.input.recheck |= self.input.has_new;
        self.input.has_new
    }

    /// Decrypts buffered input. Zero bytes are the end of the stream.
    pub(super) fn read(
        &mut self,
        iov: &mut [IoSliceMut<'_>],
        (peek, relaxed): (bool, bool),
        budget: &mut ReadBudget,
    ) -> io::Result<Progress<usize>> {
        if self.input.shut {
            return Ok(Progress::Done(0));
        }
        if let Some(fatal) = &self.fatal {
            return Err(fatal.again());
        }
        if self.has_nothing() {
            return self.without_input(relaxed);
        }
        self.begin_call(budget);
        let step = self.decrypt(iov, peek, relaxed);
        self.stream.get_ref().end_call(budget);
        self.queue_close_notify();
        if !self.has_input() {
            shim::free_buffers(&mut self.stream);
        }
        step
    }

    fn decrypt(
        &mut self,
        iov: &mut [IoSliceMut<'_>],
        peek: bool,
        relaxed: bool,
    ) -> io::Result<Progress<usize>> {
        self.input.has_new = false;
        let mut total = 0;
        for buf in iov {
            let mut from = 0;
            while from < buf.len() {
                let left = &mut buf[from..];
                let result = match peek {
                    true => self.stream.ssl_peek(left),
                    false => self.stream.ssl_read(left),
                };
                match result {
                    // Peeked data stays where it is: the next peek would return the same.
                    Ok(count) if peek => return Ok(Progress::Done(count)),
                    Ok(count) => (from, total) = (from + count, total + count),
                    Err(_) if total > 0 => return self.stopped(total, &result),
                    Err(e) if e.code() == ErrorCode::ZERO_RETURN => {
                        self.input.close_notify = true;
                        return Ok(Progress::Done(0));
                    }
                    Err(e) if is_want_read(&e) && self.budget_exhausted() => {
                        return Ok(Progress::Yield);
                    }
                    Err(e) if is_want_read(&e) => return self.without_input(relaxed),
                    Err(e) => {
                        let error = of_data(&self.peer, &e);
                        return Err(self.set_fatal(error));
                    }
                }
            }
        }
        Ok(Progress::Done(total))
    }

    /// A read that has data has met an error or an end, which the next read reports.
    fn stopped(
        &mut self,
        total: usize,
        result: &Result<usize, openssl::ssl::Error>,
    ) -> io::Result<Progress<usize>> {
        match result {
            Err(e) if e.code() == ErrorCode::ZERO_RETURN => self.input.close_notify = true,
            Err(e) if !is_want_read(e) => {
                self.set_fatal(of_data(&self.peer, e));
            }
            Err(_) => {
                self.budget_exhausted();
            }
            Ok(_) => {}
        }
        Ok(Progress::Done(total))
    }

    fn without_input(&self, relaxed: bool) -> io::Result<Progress<usize>> {
        match &self.input.error {
            Some(error) => Err(error.again()),
            None if self.input.ended && relaxed => Ok(Progress::Done(0)),
            None if self.input.ended => Err(truncated()),
            None => Ok(Progress::WantRead),
        }
    }

    /// Records a fatal error of both directions.
    fn set_fatal(&mut self, error: io::Error) -> io::Error {
        self.fatal = Some(Failure::of(&error));
        self.output.close_notify.skip_deferred();
        self.output.error.get_or_insert_with(|| Failure::of(&error));
        error
    }
}

fn is_want_read(error: &openssl::ssl::Error) -> bool {
    error.code() == ErrorCode::WANT_READ
}
