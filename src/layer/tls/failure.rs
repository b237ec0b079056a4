//! What goes wrong, in words.

use std::io;

use gio::TlsError;
use openssl::{
    error::{Error, ErrorStack},
    ssl::{self, ErrorCode, SslRef},
    x509::X509VerifyResult,
};

use super::{peer::Peer, reason, tls_error};
use crate::error::{errno, io_error, to_glib_error, with_context};

/// An error that every later call reports.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: io::ErrorKind,
    /// Of the system, and nothing else to say.
    errno: Option<i32>,
    error: glib::Error,
}

impl Failure {
    pub(super) fn of(error: &io::Error) -> Self {
        Self {
            kind: error.kind(),
            errno: errno(error).filter(|_| error.get_ref().is_none()),
            error: to_glib_error(error),
        }
    }

    /// The same error once more.
    pub(super) fn again(&self) -> io::Error {
        match self.errno {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::new(self.kind, self.error.clone()),
        }
    }
}

/// The numbers of OpenSSL's reasons that have codes of GIO's.
const HTTP: [i32; 2] = [
    156, // http request
    155, // https proxy request
];
const WRONG_VERSION_NUMBER: i32 = 267;
const UNSUPPORTED_PROTOCOL: i32 = 258;
const NO_SUITABLE_SIGNATURE_ALGORITHM: i32 = 118;
const CERTIFICATE_VERIFY_FAILED: i32 = 134;
const NO_CERTIFICATE: [i32; 2] = [
    199,  // the peer did not return one
    1116, // the alert "certificate required"
];
const NO_SHARED_CIPHER: i32 = 193;
/// From here on a reason is an alert of the peer's.
const ALERTS: i32 = 1000;

/// Of a peer without the extension of RFC 7627.
pub(super) const NO_EXTENDED_MASTER_SECRET: &str =
    "the peer has no extended master secret, without which CBC ciphers are not safe";

/// The error of a handshake. `peer` is what the other end is called.
pub(super) fn of_handshake(peer: &str, ssl: &SslRef, error: &ssl::Error) -> io::Error {
    let code = first_code(error);
    // What OpenSSL met first may lie deeper: a signature that is wrong.
    let is_refused = codes(error).any(|code| code == CERTIFICATE_VERIFY_FAILED);
    let reason = match ssl.verify_result() {
        // The peer has sent close_notify in place of a hello, which is no error to OpenSSL.
        _ if error.code() == ErrorCode::ZERO_RETURN => cut_short(),
        result if is_refused && result != X509VerifyResult::OK => {
            let why = Peer::of(ssl).and_then(|peer| peer.reason());
            let why = why.as_deref().unwrap_or(result.error_string());
            tls_error(TlsError::BadCertificate, why)
        }
        _ if code == NO_SUITABLE_SIGNATURE_ALGORITHM && ssl.certificate().is_none() => tls_error(
            TlsError::Handshake,
            "it has no key that is known here, and there is no certificate to show",
        ),
        _ if code == NO_SHARED_CIPHER
            && Peer::of(ssl).is_some_and(|peer| peer.lacks_extended_master_secret()) =>
        {
            let why = format!("{}: {NO_EXTENDED_MASTER_SECRET}", words(error));
            tls_error(TlsError::Handshake, &why)
        }
        _ => {
            let kind = match code {
                WRONG_VERSION_NUMBER => TlsError::NotTls,
                _ if HTTP.contains(&code) => TlsError::NotTls,
                _ if is_refused => TlsError::BadCertificate,
                _ => kind_or(code, TlsError::Handshake),
            };
            tls_error(kind, &words(error))
        }
    };
    unable_to_shake(peer, reason)
}

/// What has ended a handshake.
pub(super) fn unable_to_shake(peer: &str, reason: io::Error) -> io::Error {
    with_context(
        reason,
        format!("Unable to perform the TLS handshake with {peer}"),
    )
}

/// The error of a connection that is established. With TLS 1.3 a client learns here what the server
/// thinks of its certificate.
pub(super) fn of_data(peer: &str, error: &ssl::Error) -> io::Error {
    let kind = kind_or(first_code(error), TlsError::Misc);
    with_context(
        tls_error(kind, &words(error)),
        format!("TLS with {peer} failed"),
    )
}

fn kind_or(code: i32, other: TlsError) -> TlsError {
    match NO_CERTIFICATE.contains(&code) {
        true => TlsError::CertificateRequired,
        false => other,
    }
}

/// Something that is not to happen, before there is a connection.
pub(super) fn of_stack(action: &str, stack: &ErrorStack) -> io::Error {
    with_context(tls_error(TlsError::Misc, reason(stack)), action)
}

/// The stream below has ended, and the peer has not said so.
pub(super) fn truncated() -> io::Error {
    eof("Connection closed without a TLS close_notify alert: data may have been truncated")
}

/// The same, before there was a connection.
pub(super) fn cut_short() -> io::Error {
    eof("The peer has closed the connection")
}

/// A handler of `authorize-peer` waits for the channel that it is called for.
pub(super) fn unjudged() -> io::Error {
    io_error(
        gio::IOErrorEnum::Pending,
        "Nothing can be read or written before it is known whether the peer is welcome",
    )
}

/// A listener has too many handshakes under way.
pub(super) fn too_slow() -> io::Error {
    io_error(
        gio::IOErrorEnum::TimedOut,
        "It took too long, while too many other handshakes were under way",
    )
}

/// Of a forked child.
pub(super) fn of_parent() -> io::Error {
    io_error(
        gio::IOErrorEnum::NotSupported,
        "A TLS connection can be used only by the process that made it, and this is a forked child",
    )
}

/// The peer does not read.
pub(super) fn lingered() -> io::Error {
    io_error(
        gio::IOErrorEnum::TimedOut,
        "Channel was closed before close_notify, and all that was written before it, could be sent",
    )
}

/// Data was written that will not be sent.
pub(super) fn unsent() -> io::Error {
    io_error(
        gio::IOErrorEnum::BrokenPipe,
        "Channel was closed before all that was written could be sent",
    )
}

/// Whether this is the error of closing with data [unsent].
pub(super) fn is_unsent(error: &io::Error) -> bool {
    errno(error).is_none() && to_glib_error(error).matches(gio::IOErrorEnum::BrokenPipe)
}

fn eof(message: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        glib::Error::new(TlsError::Eof, message),
    )
}

/// OpenSSL's reason. An alert has the version of TLS in it that first had it, which means nothing.
fn words(error: &ssl::Error) -> String {
    let (code, reason) = match error.ssl_error() {
        Some(stack) => (first_code(error), reason(stack)),
        None => (0, "OpenSSL does not say why"),
    };
    if let Some(number) = unknown_alert(error) {
        return format!("the peer sent the unknown alert {number}");
    }
    match reason.split_once(" alert ").or(reason.split_once(' ')) {
        Some((_, alert)) if code >= ALERTS => format!("the peer says \"{alert}\""),
        _ if HTTP.contains(&code) => "it speaks HTTP, and not TLS".to_owned(),
        _ if code == WRONG_VERSION_NUMBER => format!("what it says is not TLS ({reason})"),
        _ if code == UNSUPPORTED_PROTOCOL => format!("{reason}: no version of TLS in common"),
        _ => reason.to_owned(),
    }
}

/// The number of an alert of the peer's that OpenSSL has no words for.
fn unknown_alert(error: &ssl::Error) -> Option<i32> {
    let mut errors = error.ssl_error()?.errors().iter();
    let nameless = errors.find(|error| error.reason().is_none())?;
    let number = nameless.reason_code() - ALERTS;
    (0..=255).contains(&number).then_some(number)
}

/// The number of the reason that it met first, or 0.
fn first_code(error: &ssl::Error) -> i32 {
    codes(error).next().unwrap_or(0)
}

/// The numbers of all reasons.
fn codes(error: &ssl::Error) -> impl Iterator<Item = i32> {
    let errors = error.ssl_error().map_or(&[][..], ErrorStack::errors);
    let with_reason = errors.iter().filter(|error| error.reason().is_some());
    with_reason.map(Error::reason_code)
}
