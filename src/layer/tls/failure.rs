//! Errors of handshakes and connections.

use std::{io, ops::Range};

use gio::TlsError;
use openssl::{
    error::{Error, ErrorStack},
    ssl::{self, ErrorCode, SslRef},
    x509::X509VerifyResult,
};

use super::{peer::Peer, reason, tls_error};
use crate::error::{io_error, with_context};

/// OpenSSL's reason codes that have a code of `GTlsError`.
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
/// These reasons are alerts of the peer, by their numbers; those of OpenSSL itself are above them.
const ALERTS: Range<i32> = 1000..1256;

/// Of a peer without the extension of RFC 7627.
pub(super) const NO_EXTENDED_MASTER_SECRET: &str =
    "the peer has no extended master secret, without which CBC ciphers are not safe";

/// The error of a handshake. `peer` is the label of the peer.
pub(super) fn of_handshake(peer: &str, ssl: &SslRef, error: &ssl::Error) -> io::Error {
    let code = first_code(error);
    // The first reason may be more specific: a signature that is wrong.
    let is_refused = codes(error).any(|code| code == CERTIFICATE_VERIFY_FAILED);
    let reason = match ssl.verify_result() {
        // The peer has sent close_notify in place of a hello, which is no error to OpenSSL.
        _ if error.code() == ErrorCode::ZERO_RETURN => closed_in_handshake(),
        result if is_refused && result != X509VerifyResult::OK => {
            let why = Peer::of(ssl).and_then(|peer| peer.reason());
            let why = why.as_deref().unwrap_or(result.error_string());
            tls_error(TlsError::BadCertificate, why)
        }
        _ if code == NO_SUITABLE_SIGNATURE_ALGORITHM && ssl.certificate().is_none() => tls_error(
            TlsError::Handshake,
            "no shared PSK identity and no certificate configured",
        ),
        _ if code == NO_SHARED_CIPHER
            && Peer::of(ssl).is_some_and(|peer| peer.lacks_extended_master_secret()) =>
        {
            let why = format!("{}: {NO_EXTENDED_MASTER_SECRET}", describe(error));
            tls_error(TlsError::Handshake, &why)
        }
        _ => {
            let kind = match code {
                WRONG_VERSION_NUMBER => TlsError::NotTls,
                _ if HTTP.contains(&code) => TlsError::NotTls,
                _ if is_refused => TlsError::BadCertificate,
                _ => kind_or(code, TlsError::Handshake),
            };
            tls_error(kind, &describe(error))
        }
    };
    handshake_failed(peer, reason)
}

/// Adds the context of a handshake to a reason.
pub(super) fn handshake_failed(peer: &str, reason: io::Error) -> io::Error {
    with_context(
        reason,
        format!("Unable to perform the TLS handshake with {peer}"),
    )
}

/// The error of an established connection. With TLS 1.3 the alert of a server that refuses the
/// certificate of its client arrives here.
pub(super) fn of_data(peer: &str, error: &ssl::Error) -> io::Error {
    let kind = kind_or(first_code(error), TlsError::Misc);
    with_context(
        tls_error(kind, &describe(error)),
        format!("TLS with {peer} failed"),
    )
}

fn kind_or(code: i32, other: TlsError) -> TlsError {
    match NO_CERTIFICATE.contains(&code) {
        true => TlsError::CertificateRequired,
        false => other,
    }
}

/// An unexpected error of OpenSSL.
pub(super) fn of_stack(action: &str, stack: &ErrorStack) -> io::Error {
    with_context(tls_error(TlsError::Misc, reason(stack)), action)
}

/// The lower channel has ended without close_notify.
pub(super) fn truncated() -> io::Error {
    eof("Connection closed without a TLS close_notify alert: data may have been truncated")
}

/// The same during a handshake.
pub(super) fn closed_in_handshake() -> io::Error {
    eof("The peer has closed the connection")
}

/// A handler of `authorize-peer` or `accept-certificate`, or the key log, waits for its own
/// channel.
pub(super) fn authorization_pending() -> io::Error {
    io_error(
        gio::IOErrorEnum::Pending,
        "Peer authorization is still pending",
    )
}

/// The limit of handshakes of a listener is reached.
pub(super) fn too_slow() -> io::Error {
    io_error(
        gio::IOErrorEnum::TimedOut,
        "It took too long, while too many other handshakes were under way",
    )
}

/// The channel is used in a forked child.
pub(super) fn forked_child() -> io::Error {
    io_error(
        gio::IOErrorEnum::NotSupported,
        "A TLS connection can be used only by the process that made it, and this is a forked child",
    )
}

/// The peer did not read for as long as `close` waits.
pub(super) fn close_timed_out() -> io::Error {
    io_error(
        gio::IOErrorEnum::TimedOut,
        "Channel was closed before close_notify, and all that was written before it, could be sent",
    )
}

fn eof(message: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        glib::Error::new(TlsError::Eof, message),
    )
}

/// OpenSSL's reason, without the version of TLS in the names of alerts.
fn describe(error: &ssl::Error) -> String {
    let (code, reason) = match error.ssl_error() {
        Some(stack) => (first_code(error), reason(stack)),
        None => (0, "OpenSSL gives no reason"),
    };
    if let Some(number) = unknown_alert(error) {
        return format!("the peer sent the unknown alert {number}");
    }
    match reason.split_once(" alert ").or(reason.split_once(' ')) {
        Some((_, alert)) if ALERTS.contains(&code) => {
            format!("the peer sent the alert \"{alert}\"")
        }
        _ if HTTP.contains(&code) => "the peer sent HTTP, not TLS".to_owned(),
        _ if code == WRONG_VERSION_NUMBER => format!("the peer does not speak TLS ({reason})"),
        _ if code == UNSUPPORTED_PROTOCOL => format!("{reason}: no common protocol version"),
        _ => reason.to_owned(),
    }
}

/// The number of an alert of the peer that OpenSSL has no text for.
fn unknown_alert(error: &ssl::Error) -> Option<i32> {
    let mut errors = error.ssl_error()?.errors().iter();
    let nameless = errors.find(|error| error.reason().is_none())?;
    let code = nameless.reason_code();
    ALERTS.contains(&code).then_some(code - ALERTS.start)
}

/// The code of the first reason in the queue, or 0.
fn first_code(error: &ssl::Error) -> i32 {
    codes(error).next().unwrap_or(0)
}

/// The codes of all reasons.
fn codes(error: &ssl::Error) -> impl Iterator<Item = i32> {
    let errors = error.ssl_error().map_or(&[][..], ErrorStack::errors);
    let with_reason = errors.iter().filter(|error| error.reason().is_some());
    with_reason.map(Error::reason_code)
}
