//! OpenSSL between plaintext and ciphertext in memory. Nothing here waits, or calls a channel.

mod filter;
mod input;
mod messages;
mod output;
mod server_hello;

use std::{
    fmt,
    io::{self, IoSliceMut},
    mem,
};

use gio::TlsError;
use openssl::{
    error::ErrorStack,
    ssl::{ErrorCode, Ssl, SslContext, SslMethod, SslRef, SslSession, SslStream, SslVersion},
};

pub(super) use self::filter::HandshakeFilter;
use self::{filter::Refusal, input::Input, output::Output};
use super::{
    failure::{
        Failure, NO_EXTENDED_MASTER_SECRET, cut_short, of_data, of_handshake, of_parent, truncated,
        unable_to_shake,
    },
    peer::Offered,
    pipes::MemoryBio,
    shim, tls_error,
};
use crate::{coroutine::Execution, error::closed};

/// How far the handshake has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// It has not begun.
    Fresh,
    Shaking,
    /// Here a step of the handshake is performed that may call handlers, or the last one: the
    /// connection itself is not in the channel meanwhile.
    Authorizing(Execution),
    Open,
    /// There will never be a connection.
    Failed(Failure),
}

/// The result of one step.
#[derive(Debug)]
pub(super) enum Step<T> {
    Done(T),
    /// More ciphertext has to come first.
    Starving,
    /// The budget of this call is used up, and there is more to do.
    Tired,
}

/// The tokens of the lower channel: one caller at a time reads from it, and one writes, so that
/// records keep their order.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub(super) receiving: bool,
    pub(super) sending: bool,
    /// Something waits for the token of receiving to be released.
    pub(super) waiting_receive: bool,
    /// The same for sending. With one flag for both, a receiver would wake itself while another
    /// caller sends.
    pub(super) waiting_send: bool,
}

/// One end of a connection. Locked only for as long as it computes.
pub(super) struct TlsState {
    stream: SslStream<MemoryBio>,
    /// What the other end is called in messages.
    peer: String,
    pub(super) stage: Stage,
    pub(super) tokens: Tokens,
    pub(super) input: Input,
    pub(super) output: Output,
    /// OpenSSL has given up: it reports a fatal error but once.
    fatal: Option<Failure>,
    /// A caller waits for the end of a step of the handshake.
    pub(super) waiting_step: bool,
}

impl fmt::Debug for TlsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsState")
            .field("stage", &self.stage)
            .field("bio", self.stream.get_ref())
            .finish_non_exhaustive()
    }
}

/// What a forked child has in place of a connection that another thread of its parent was using.
impl Default for TlsState {
    fn default() -> Self {
        let ssl =
            SslContext::builder(SslMethod::tls()).and_then(|context| Ssl::new(&context.build()));
        let filter = HandshakeFilter::server(0);
        let state = ssl.and_then(|ssl| Self::new(ssl, "the peer".to_owned(), 0, filter));
        let mut state = state.expect("OpenSSL makes a connection");
        state.fail(of_parent());
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
            stage: Stage::Fresh,
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

    /// Whether the records of the other direction are all that data needs. Otherwise hands are
    /// being shaken, maybe once more.
    pub(super) fn is_settled(&self) -> bool {
        self.is_open() && self.ssl().is_init_finished()
    }

    /// Proposes a session that this end has cached, before the first step of the handshake.
    pub(super) fn offer_session(
        &mut self,
        cached: Option<(SslSession, Offered)>,
        may_resume: impl FnOnce(&SslRef, Offered) -> bool,
    ) {
        if let Some((session, offered)) = cached
            && may_resume(self.ssl(), offered)
        {
            // Without it, the handshake is a full one.
            let _ = shim::set_session(&mut self.stream, &session);
        }
    }

    /// Continues the handshake. Done says that the connection is to be opened.
    pub(super) fn do_handshake(&mut self) -> io::Result<Step<()>> {
        self.begin_turn();
        self.begin_step();
        let result = self.stream.do_handshake();
        self.handshake_step(result)
    }

    fn begin_step(&mut self) {
        self.input.has_new = false;
        let is_tls_1_3 = self.ssl().version2() == Some(SslVersion::TLS1_3);
        if let Some(filter) = &mut self.stream.get_mut().filter {
            filter.set_tls_1_3(is_tls_1_3);
        }
    }

    /// Takes the connection out for a step of the handshake, so that nothing is locked while
    /// handlers are called. A new one, which does nothing, stands in for it.
    pub(super) fn take_stream(&mut self) -> Result<SslStream<MemoryBio>, ErrorStack> {
        let stand_in = Ssl::new(self.ssl().ssl_context())?;
        let stand_in = SslStream::new(stand_in, MemoryBio::default())?;
        self.begin_turn();
        self.begin_step();
        self.stage = Stage::Authorizing(Execution::current());
        Ok(mem::replace(&mut self.stream, stand_in))
    }

    /// Puts the connection back, with the result of the step.
    pub(super) fn put_back(
        &mut self,
        stream: SslStream<MemoryBio>,
        result: Result<(), openssl::ssl::Error>,
    ) -> io::Result<Step<()>> {
        let stand_in = mem::replace(&mut self.stream, stream);
        // Another thread may have received something meanwhile.
        let received = &stand_in.get_ref().input;
        if !received.is_empty() {
            self.stream.get_mut().input.push(received.left());
        }
        if let Stage::Failed(failure) = &self.stage {
            // A handler, or another thread, has closed the channel.
            let error = failure.again();
            self.discard();
            return Err(error);
        }
        self.handshake_step(result)
    }

    fn handshake_step(&mut self, result: Result<(), openssl::ssl::Error>) -> io::Result<Step<()>> {
        self.stage = Stage::Shaking;
        if let Some(reason) = self.refusal() {
            return Err(self.fail_handshake(reason));
        }
        match result {
            Ok(()) => {
                self.stream.get_mut().filter = None;
                if !self.has_input() {
                    shim::free_buffers(&mut self.stream);
                }
                self.stage = Stage::Authorizing(Execution::current());
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

    /// Why OpenSSL sees no more of this handshake. Queues the alert, if there is one.
    fn refusal(&mut self) -> Option<io::Error> {
        let bio = self.stream.get_mut();
        let filter = bio.filter.as_ref()?;
        let (most, refusal) = (filter.most(), filter.refusal?);
        if let Some(alert) = refusal.alert() {
            bio.output.push(&alert);
        }
        let reason = match refusal {
            Refusal::ClientHello(len) => {
                format!("its ClientHello has {len} bytes, and at most {most} are taken")
            }
            Refusal::Flight => format!("it sends more than {most} bytes before it is verified"),
            Refusal::NoExtendedMasterSecret => NO_EXTENDED_MASTER_SECRET.to_owned(),
        };
        Some(tls_error(TlsError::Handshake, &reason))
    }

    /// To be called before OpenSSL is.
    fn begin_turn(&mut self) {
        // It takes what others have left in this thread for its own.
        drop(ErrorStack::get());
        self.stream.get_mut().begin_turn();
    }

    /// Whether OpenSSL wants to read although there is something: its turn is over.
    fn is_tired(&mut self) -> bool {
        self.input.has_new = self.has_input();
        self.input.recheck |= self.input.has_new;
        self.input.has_new
    }

    /// Why no more ciphertext will come during a handshake.
    fn lost(&self) -> Option<io::Error> {
        match &self.input.error {
            Some(error) => Some(error.again()),
            None => self.input.ended.then(cut_short),
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
        if self.input.shut {
            return Ok(Step::Done(0));
        }
        if let Some(fatal) = &self.fatal {
            return Err(fatal.again());
        }
        if self.has_nothing() {
            return self.starved(relaxed);
        }
        let step = self.decrypt(iov, peek, relaxed);
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
    ) -> io::Result<Step<usize>> {
        self.begin_turn();
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
                    // What was looked at is still there.
                    Ok(count) if peek => return Ok(Step::Done(count)),
                    Ok(count) => (from, total) = (from + count, total + count),
                    Err(_) if total > 0 => return self.stopped(total, &result),
                    Err(e) if e.code() == ErrorCode::ZERO_RETURN => {
                        self.input.close_notify = true;
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

    /// Something has stopped a read that has got something: it is for the next one.
    fn stopped(
        &mut self,
        total: usize,
        result: &Result<usize, openssl::ssl::Error>,
    ) -> io::Result<Step<usize>> {
        match result {
            Err(e) if e.code() == ErrorCode::ZERO_RETURN => self.input.close_notify = true,
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
        match &self.input.error {
            Some(error) => Err(error.again()),
            None if self.input.ended && relaxed => Ok(Step::Done(0)),
            None if self.input.ended => Err(truncated()),
            None => Ok(Step::Starving),
        }
    }

    /// Nothing goes on, neither here nor there.
    fn break_down(&mut self, error: io::Error) -> io::Error {
        self.fatal = Some(Failure::of(&error));
        self.output.error.get_or_insert_with(|| Failure::of(&error));
        error
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
