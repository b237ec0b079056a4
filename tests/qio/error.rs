//! Errors of `std` and of GLib, one as the other.

use std::io::{self, ErrorKind};

use gio::IOErrorEnum;
use glib::prelude::*;
use nix::errno::Errno;
use qio::{ChannelError, from_glib_error, is_cancelled, to_glib_error};

#[track_caller]
fn check_round_trip(error: glib::Error) -> io::Error {
    let through = from_glib_error(error.clone());
    assert_eq!(through.to_string(), error.message());
    let back = to_glib_error(&through);
    assert_eq!(back.domain(), error.domain());
    assert_eq!(back.code(), error.code());
    assert_eq!(back.message(), error.message());
    through
}

#[test]
fn an_error_of_glib_keeps_domain_code_and_message() {
    let kinds = [
        (IOErrorEnum::NotFound, ErrorKind::NotFound),
        (IOErrorEnum::Closed, ErrorKind::NotConnected),
        (IOErrorEnum::NotConnected, ErrorKind::NotConnected),
        (IOErrorEnum::NotSupported, ErrorKind::Unsupported),
        (IOErrorEnum::InvalidArgument, ErrorKind::InvalidInput),
        (IOErrorEnum::Exists, ErrorKind::AlreadyExists),
        (IOErrorEnum::TimedOut, ErrorKind::TimedOut),
        (IOErrorEnum::ConnectionRefused, ErrorKind::ConnectionRefused),
        (IOErrorEnum::AddressInUse, ErrorKind::AddrInUse),
        (IOErrorEnum::BrokenPipe, ErrorKind::BrokenPipe),
    ];
    for (code, kind) in kinds {
        let through = check_round_trip(glib::Error::new(code, "a message of its own"));
        assert_eq!(through.kind(), kind, "{code:?}");
    }
    check_round_trip(glib::Error::new(
        gio::ResolverError::NotFound,
        "no such host",
    ));
    check_round_trip(glib::Error::new(gio::TlsError::BadCertificate, "no good"));
    check_round_trip(glib::Error::new(glib::FileError::Nospc, "elsewhere"));
    let unknown = glib::Quark::from_str("qio-test-quark");
    check_round_trip(glib::Error::with_domain(
        unknown,
        4_711,
        "of an unknown domain",
    ));
}

#[test]
fn our_own_errors_have_kinds() {
    let kinds = [
        (ChannelError::Truncated, ErrorKind::UnexpectedEof),
        (ChannelError::TooManyFds, ErrorKind::InvalidInput),
        (ChannelError::FdsLost, ErrorKind::InvalidData),
    ];
    for (code, kind) in kinds {
        let through = check_round_trip(glib::Error::new(code, "what happened"));
        assert_eq!(through.kind(), kind);
        assert_eq!(io::ErrorKind::from(code), kind);
    }
}

#[test]
fn our_own_errors_have_numbers_and_a_domain() {
    let numbers = [
        ChannelError::Truncated,
        ChannelError::TooManyFds,
        ChannelError::FdsLost,
    ];
    assert_eq!(numbers.map(|code| code as i32), [0, 1, 2]);
    let error = glib::Error::new(ChannelError::FdsLost, "x");
    assert_eq!(error.domain().as_str(), "qio-channel-error-quark");
    assert_eq!(ChannelError::static_type().name(), "QIOChannelError");
}

#[test]
fn a_system_error_gets_the_code_of_gio() {
    let codes = [
        (Errno::ENOENT, IOErrorEnum::NotFound),
        (Errno::EACCES, IOErrorEnum::PermissionDenied),
        (Errno::EINVAL, IOErrorEnum::InvalidArgument),
        (Errno::ECONNREFUSED, IOErrorEnum::ConnectionRefused),
        (Errno::EADDRINUSE, IOErrorEnum::AddressInUse),
        (Errno::EMFILE, IOErrorEnum::TooManyOpenFiles),
        (Errno::EPIPE, IOErrorEnum::BrokenPipe),
        (Errno::ENOTCONN, IOErrorEnum::NotConnected),
        (Errno::ENOSPC, IOErrorEnum::NoSpace),
        (Errno::EAGAIN, IOErrorEnum::WouldBlock),
        (Errno::ETIMEDOUT, IOErrorEnum::TimedOut),
    ];
    for (errno, code) in codes {
        let error = to_glib_error(&io::Error::from_raw_os_error(errno as i32));
        assert!(error.matches(code), "{errno}: {error}");
    }
}

#[test]
fn a_system_error_has_the_text_of_the_system() {
    let texts = [
        (Errno::EBADF, "Bad file descriptor"),
        (Errno::EAGAIN, "Resource temporarily unavailable"),
        (Errno::ENOTEMPTY, "Directory not empty"),
        (Errno::ETXTBSY, "Text file busy"),
        (Errno::EUCLEAN, "Structure needs cleaning"),
    ];
    for (errno, text) in texts {
        let error = to_glib_error(&io::Error::from_raw_os_error(errno as i32));
        assert_eq!(error.message(), text);
    }
}

#[test]
fn would_block_is_plain_both_ways() {
    let error = from_glib_error(glib::Error::new(IOErrorEnum::WouldBlock, "not now"));
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(error.get_ref().is_none(), "nothing was allocated");
    assert!(to_glib_error(&error).matches(IOErrorEnum::WouldBlock));
}

#[test]
fn is_cancelled_distinguishes_cancelled_operations_in_both_kinds_of_errors() {
    let cancelled = glib::Error::new(IOErrorEnum::Cancelled, "stopped");
    assert!(is_cancelled(&cancelled));
    assert!(is_cancelled(&from_glib_error(cancelled)));
    assert!(is_cancelled(&io::Error::from_raw_os_error(
        Errno::ECANCELED as i32
    )));
    assert!(!is_cancelled(&glib::Error::new(
        IOErrorEnum::Closed,
        "closed"
    )));
    assert!(!is_cancelled(&io::Error::from(ErrorKind::Interrupted)));
    assert!(!is_cancelled(&io::Error::other("cancelled")));
    assert!(!is_cancelled(&std::fmt::Error));
}

#[test]
fn an_error_kind_without_errno_gets_the_nearest_code() {
    let codes = [
        (ErrorKind::NotFound, IOErrorEnum::NotFound),
        (ErrorKind::InvalidInput, IOErrorEnum::InvalidArgument),
        (ErrorKind::InvalidData, IOErrorEnum::InvalidData),
        (ErrorKind::AlreadyExists, IOErrorEnum::Exists),
        (ErrorKind::TimedOut, IOErrorEnum::TimedOut),
        (ErrorKind::Unsupported, IOErrorEnum::NotSupported),
        (ErrorKind::BrokenPipe, IOErrorEnum::BrokenPipe),
        (ErrorKind::Other, IOErrorEnum::Failed),
    ];
    for (kind, code) in codes {
        let error = to_glib_error(&io::Error::new(kind, "in words"));
        assert!(error.matches(code), "{kind:?}: {error}");
        assert_eq!(error.message(), "in words");
    }
}

#[test]
fn an_unexpected_end_is_a_truncated_stream() {
    let error = to_glib_error(&io::ErrorKind::UnexpectedEof.into());
    assert!(error.matches(ChannelError::Truncated));
    let error = to_glib_error(&io::Error::new(ErrorKind::UnexpectedEof, "too early"));
    assert!(error.matches(ChannelError::Truncated));
    assert_eq!(error.message(), "too early");
}

#[test]
fn an_error_with_context_keeps_the_code_of_its_cause() {
    let error = qio::ChannelFile::open("/nowhere/at/all").expect_err("missing");
    let text = "Unable to open /nowhere/at/all: No such file or directory";
    assert_eq!(error.to_string(), text);
    let reason = error.get_ref().and_then(std::error::Error::source);
    let reason = reason.and_then(|reason| reason.downcast_ref::<io::Error>());
    assert_eq!(
        reason.expect("a reason").raw_os_error(),
        Some(Errno::ENOENT as i32)
    );
    let glib = to_glib_error(&error);
    assert!(glib.matches(IOErrorEnum::NotFound));
    assert_eq!(glib.message(), text);
    check_round_trip(glib);
}
