//! The errors of WebSocket channels. Their codes are those of the protocol.

use std::{borrow::Cow, io};

use glib::Quark;

/// The domain of errors of WebSocket channels.
///
/// The code of an error is what the protocol has for it: 100 to 599 are the HTTP status with which
/// a server refuses the connection, 1000 to 4999 the code of a closing handshake, of either end
/// (RFC 6455, section 7.4; 1006: the connection has ended without one), and the constants are other
/// errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "QIOWebsockError")]
pub struct WebsockError(i32);

impl WebsockError {
    /// The request is not for a WebSocket.
    pub const NOT_WEBSOCKET: Self = Self(1);
    /// The head of a request, or an argument of it, is invalid.
    pub const BAD_REQUEST: Self = Self(2);
    /// The answer of a server is not the one that the protocol requires.
    pub const BAD_ANSWER: Self = Self(3);
    /// A head is too large.
    pub const TOO_LARGE: Self = Self(4);
    /// Nothing has come from the peer for too long.
    pub const TIMED_OUT: Self = Self(5);

    /// Returns the code.
    #[must_use]
    pub const fn code(self) -> i32 {
        self.0
    }

    pub(super) fn of_status(status: u16) -> Self {
        Self(status.into())
    }

    pub(super) fn of_close(code: CloseCode) -> Self {
        Self(code.number().into())
    }
}

impl glib::error::ErrorDomain for WebsockError {
    fn domain() -> Quark {
        Quark::from_str("qio-websock-error-quark")
    }

    fn code(self) -> i32 {
        self.0
    }

    fn from(code: i32) -> Option<Self> {
        Some(Self(code))
    }
}

/// The code of a closing handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CloseCode(u16);

impl CloseCode {
    pub(super) const NORMAL: Self = Self(1000);
    pub(super) const GOING_AWAY: Self = Self(1001);
    pub(super) const PROTOCOL_ERROR: Self = Self(1002);
    pub(super) const UNSUPPORTED: Self = Self(1003);
    /// A close frame without a code. Never sent.
    pub(super) const NO_STATUS: Self = Self(1005);
    /// The connection has ended without a close frame. Never sent.
    pub(super) const ABNORMAL: Self = Self(1006);
    pub(super) const INVALID_PAYLOAD: Self = Self(1007);
    pub(super) const TOO_BIG: Self = Self(1009);
    pub(super) const INTERNAL_ERROR: Self = Self(1011);

    /// A code that a peer may send.
    pub(super) fn received(number: u16) -> Option<Self> {
        matches!(number, 1000..=1003 | 1007..=1014 | 3000..=4999).then_some(Self(number))
    }

    pub(super) fn number(self) -> u16 {
        self.0
    }

    /// Whether a stream that ends with it has ended as it should.
    pub(super) fn is_end(self) -> bool {
        matches!(self, Self::NORMAL | Self::GOING_AWAY | Self::NO_STATUS)
    }
}

/// What the peer has sent against the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    code: CloseCode,
    reason: Cow<'static, str>,
}

impl Violation {
    pub(super) fn new(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    pub(super) fn protocol(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CloseCode::PROTOCOL_ERROR, reason)
    }

    /// Text that is not UTF-8.
    pub(super) fn text(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CloseCode::INVALID_PAYLOAD, reason)
    }

    pub(super) fn code(&self) -> CloseCode {
        self.code
    }

    pub(super) fn reason(&self) -> &str {
        &self.reason
    }
}

/// An error of this domain.
pub(super) fn websock_error(kind: io::ErrorKind, code: WebsockError, message: &str) -> io::Error {
    io::Error::new(kind, glib::Error::new(code, message))
}
