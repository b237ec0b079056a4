//! Alerts that OpenSSL does not send, in plaintext (RFC 8446, section 6).

/// Alerts, by their descriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alert {
    CloseNotify = 0,
    HandshakeFailure = 40,
    IllegalParameter = 47,
    InternalError = 80,
    UserCanceled = 90,
}

impl Alert {
    /// The record with the alert. To be sent only while nothing that this end sends is encrypted.
    pub(super) fn record(self) -> [u8; 7] {
        let level = match self {
            Self::CloseNotify | Self::UserCanceled => 1,
            _ => 2,
        };
        [21, 3, 3, 0, 2, level, self as u8]
    }
}
