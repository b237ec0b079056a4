//! The WebSocket state machine: the opening handshake, frames in, frames out, and the closing
//! handshake. Nothing here waits, or calls a channel.

mod direct;
mod fragments;
mod frames_in;
mod frames_out;
mod one_message;
mod opening;
mod payload;
mod reading;
mod wire;
mod writing;

use std::{
    io,
    time::{Duration, Instant},
};

pub(super) use self::opening::Stage;
use self::{frames_in::FramesIn, frames_out::FramesOut};
use super::{
    client::Endpoint,
    error::{CloseCode, Violation, WebsockError, websock_error},
    options::{Settings, WebsockOptions},
};
use crate::{
    error::closed,
    layer::wire::{Engine as _, Failure, Queue, Tokens},
};

/// Which end of a connection this is.
#[derive(Debug)]
pub(super) enum Role {
    Client(Endpoint),
    Server,
}

impl Role {
    pub(super) fn is_client(&self) -> bool {
        matches!(self, Self::Client(_))
    }

    /// The label of the peer in messages.
    pub(super) fn peer(&self) -> &'static str {
        match self {
            Self::Client(_) => "server",
            Self::Server => "client",
        }
    }
}

/// The bytes from the lower channel that were not processed.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Queue,
    /// The lower stream has ended.
    ended: bool,
    /// Nothing more can be read from the lower channel.
    error: Option<Failure>,
    /// There are bytes that were not examined.
    has_new: bool,
    /// A read returned before it met would-block at the lower channel: waiters must poll it, and
    /// not wait for the next edge.
    pub(super) recheck: bool,
    /// Reading was shut down by this end.
    pub(super) shut: bool,
    /// When something has come last, if that matters.
    pub(super) last: Option<Instant>,
    /// What the last call has expected, and waits are for.
    expected: Expected,
}

/// What a call expects of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Expected {
    /// Data of a message, or an end.
    #[default]
    Data,
    /// A whole message, or an end: a part of it is no result.
    Message,
    /// The end of the lower stream, after the closing handshake.
    EndOfStream,
}

/// One end of a connection. Its lock is held for computation only.
#[derive(Debug)]
pub(in crate::layer) struct WebsockState {
    pub(super) role: Role,
    pub(super) options: WebsockOptions,
    pub(super) tokens: Tokens,
    pub(super) stage: Stage,
    pub(super) opening: opening::Opening,
    pub(super) input: Input,
    frames_in: FramesIn,
    frames_out: FramesOut,
    /// The error of all further reads.
    failure: Option<Failure>,
    /// The code with which this end closes.
    pub(super) close_code: CloseCode,
    pub(super) ping_interval: Duration,
    pub(super) pong_timeout: Duration,
}

/// In a forked child: the replacement of a connection that another thread of the parent had locked.
impl Default for WebsockState {
    fn default() -> Self {
        let mut state = Self::new(Role::Server, WebsockOptions::default());
        state.fail_opening(&closed());
        state
    }
}

impl WebsockState {
    pub(super) fn new(role: Role, options: WebsockOptions) -> Self {
        let settings = options.settings();
        let max_message_size = settings.max_message_size;
        Self {
            ping_interval: settings.ping_interval,
            pong_timeout: settings.pong_timeout,
            role,
            options,
            tokens: Tokens::default(),
            stage: Stage::Initial,
            opening: opening::Opening::default(),
            input: Input::default(),
            frames_in: FramesIn::new(max_message_size),
            frames_out: FramesOut::default(),
            failure: None,
            close_code: CloseCode::NORMAL,
        }
    }

    fn settings(&self) -> &Settings {
        self.options.settings()
    }

    /// Whether reads fail.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some() || self.frames_in.close().is_some()
    }

    /// Makes all further reads and writes fail.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.frames_out.error = Some(failure.clone());
        self.failure = Some(failure);
    }

    /// Queues a close frame, once; nothing is written after that.
    pub(super) fn send_close(&mut self, code: CloseCode, reason: &str) {
        if self.is_open() {
            self.frames_out.close(code, reason);
        }
        self.frames_out.end();
    }

    /// The code and the reason of the close frame of the peer.
    pub(super) fn peer_close(&self) -> Option<(CloseCode, &str)> {
        self.frames_in.close()
    }

    /// Whether the stream has ended without a close frame.
    pub(super) fn is_cut(&self) -> bool {
        self.frames_in.close().is_none() && (self.input.ended || self.input.error.is_some())
    }

    pub(super) fn set_max_message_size(&mut self, bytes: usize) {
        self.frames_in.max_message_size = bytes;
    }

    pub(super) fn max_message_size(&self) -> usize {
        self.frames_in.max_message_size
    }

    /// The peer has broken the protocol: it gets a close frame, and no more of what it sends is
    /// processed.
    fn violate(&mut self, violation: &Violation) -> io::Error {
        let peer = self.role.peer();
        let message = match violation.code() {
            CloseCode::TOO_BIG | CloseCode::UNSUPPORTED => {
                format!("The {peer} has sent {}", violation.reason())
            }
            _ => format!("The {peer} broke the protocol: {}", violation.reason()),
        };
        let code = WebsockError::of_close(violation.code());
        let error = websock_error(io::ErrorKind::InvalidData, code, &message);
        self.failure = Some(Failure::of(&error));
        self.frames_out.cut(violation.code(), violation.reason());
        self.input.bytes.clear();
        self.input.has_new = false;
        error
    }

    /// The connection has ended too early.
    fn abnormal_end(&self, how: &str) -> io::Error {
        let message = format!("The {} has ended the connection {how}", self.role.peer());
        let code = WebsockError::of_close(CloseCode::ABNORMAL);
        websock_error(io::ErrorKind::UnexpectedEof, code, &message)
    }

    /// The end of the stream for a reader: an error, unless the data has ended as it should.
    pub(super) fn end_of_data(&self, allows_truncation: bool) -> io::Result<()> {
        match (self.frames_in.close(), &self.input.error) {
            (Some((code, _)), _) if code.is_end() => Ok(()),
            (Some((code, reason)), _) => {
                let (peer, number) = (self.role.peer(), code.number());
                let mut message = format!("The {peer} has closed the connection with {number}");
                if !reason.is_empty() {
                    message = format!("{message}: {reason:?}");
                }
                let code = WebsockError::of_close(code);
                let kind = io::ErrorKind::ConnectionAborted;
                Err(websock_error(kind, code, &message))
            }
            (None, Some(error)) => Err(error.again()),
            (None, None) if allows_truncation => Ok(()),
            (None, None) => Err(self.abnormal_end("without a closing handshake")),
        }
    }

    /// The end of the stream for a reader of messages: an error as well within one.
    pub(super) fn end_of_messages(&self, allows_truncation: bool) -> io::Result<()> {
        self.end_of_data(allows_truncation)?;
        let message = self.frames_in.message.as_ref();
        match message.is_some_and(|message| !message.is_discarded) {
            true => Err(self.abnormal_end("within a message")),
            false => Ok(()),
        }
    }
}
