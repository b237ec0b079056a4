//! The numbers and names that C and bindings see.

use glib::{EnumClass, FlagsClass, HasParamSpec, prelude::*};
use qio::{
    Channel, ChannelBuffer, ChannelCommand, ChannelError, ChannelFile, ChannelNull, ChannelSocket,
    Feature, ReadFlags, Shutdown, WriteFlags,
};

#[track_caller]
fn check_flags<T: StaticType + HasParamSpec<ParamSpec = glib::ParamSpecFlags>>(
    name: &str,
    expected: &[(u32, &str, &str)],
) {
    assert_eq!(T::static_type().name(), name);
    let class = FlagsClass::new::<T>();
    let values = class.values().iter();
    let values: Vec<_> = values.map(|v| (v.value(), v.name(), v.nick())).collect();
    assert_eq!(values, expected);
}

#[track_caller]
fn check_enum<T: StaticType>(name: &str, expected: &[(i32, &str, &str)]) {
    assert_eq!(T::static_type().name(), name);
    let class = EnumClass::with_type(T::static_type()).expect("an enumeration");
    let values = class.values().iter();
    let values: Vec<_> = values.map(|v| (v.value(), v.name(), v.nick())).collect();
    assert_eq!(values, expected);
}

#[test]
fn features_have_their_numbers_and_names() {
    check_flags::<Feature>(
        "QIOChannelFeature",
        &[
            (1 << 0, "QIO_CHANNEL_FEATURE_FD_PASS", "fd-pass"),
            (1 << 1, "QIO_CHANNEL_FEATURE_SHUTDOWN", "shutdown"),
            (1 << 2, "QIO_CHANNEL_FEATURE_LISTEN", "listen"),
            (
                1 << 3,
                "QIO_CHANNEL_FEATURE_WRITE_ZERO_COPY",
                "write-zero-copy",
            ),
            (1 << 4, "QIO_CHANNEL_FEATURE_READ_MSG_PEEK", "read-msg-peek"),
            (1 << 5, "QIO_CHANNEL_FEATURE_SEEKABLE", "seekable"),
        ],
    );
    assert_eq!(Feature::FD_PASS.bits(), 1 << 0);
    assert_eq!(Feature::SHUTDOWN.bits(), 1 << 1);
    assert_eq!(Feature::LISTEN.bits(), 1 << 2);
    assert_eq!(Feature::WRITE_ZERO_COPY.bits(), 1 << 3);
    assert_eq!(Feature::READ_PEEK.bits(), 1 << 4);
    assert_eq!(Feature::SEEKABLE.bits(), 1 << 5);
}

#[test]
fn flags_of_reads_and_writes_have_their_numbers_and_names() {
    check_flags::<ReadFlags>(
        "QIOChannelReadFlags",
        &[
            (1, "QIO_CHANNEL_READ_FLAG_MSG_PEEK", "msg-peek"),
            (2, "QIO_CHANNEL_READ_FLAG_RELAXED_EOF", "relaxed-eof"),
            (
                4,
                "QIO_CHANNEL_READ_FLAG_FD_PRESERVE_BLOCKING",
                "fd-preserve-blocking",
            ),
        ],
    );
    check_flags::<WriteFlags>(
        "QIOChannelWriteFlags",
        &[(1, "QIO_CHANNEL_WRITE_FLAG_ZERO_COPY", "zero-copy")],
    );
}

#[test]
fn directions_have_their_numbers_and_names() {
    check_enum::<Shutdown>(
        "QIOChannelShutdown",
        &[
            (1, "QIO_CHANNEL_SHUTDOWN_READ", "read"),
            (2, "QIO_CHANNEL_SHUTDOWN_WRITE", "write"),
            (3, "QIO_CHANNEL_SHUTDOWN_BOTH", "both"),
        ],
    );
    let directions = [Shutdown::Read, Shutdown::Write, Shutdown::Both];
    assert_eq!(directions.map(|how| how as i32), [1, 2, 3]);
}

#[test]
fn directions_report_what_they_shut_down() {
    let both = |how: Shutdown| (how.reads(), how.writes());
    assert_eq!(both(Shutdown::Read), (true, false));
    assert_eq!(both(Shutdown::Write), (false, true));
    assert_eq!(both(Shutdown::Both), (true, true));
}

#[test]
fn error_codes_have_their_numbers_and_names() {
    check_enum::<ChannelError>(
        "QIOChannelError",
        &[
            (0, "QIO_CHANNEL_ERROR_TRUNCATED", "truncated"),
            (1, "QIO_CHANNEL_ERROR_TOO_MANY_FDS", "too-many-fds"),
            (2, "QIO_CHANNEL_ERROR_FDS_LOST", "fds-lost"),
        ],
    );
}

#[test]
fn classes_have_the_names_of_c_and_one_parent() {
    let names = [
        (ChannelBuffer::static_type(), "QIOChannelBuffer"),
        (ChannelCommand::static_type(), "QIOChannelCommand"),
        (ChannelFile::static_type(), "QIOChannelFile"),
        (ChannelNull::static_type(), "QIOChannelNull"),
        (ChannelSocket::static_type(), "QIOChannelSocket"),
    ];
    for (class, name) in names {
        assert_eq!(class.name(), name);
        assert_eq!(class.parent(), Some(Channel::static_type()));
    }
    assert_eq!(Channel::static_type().name(), "QIOChannel");
    assert_eq!(
        Channel::static_type().parent(),
        Some(glib::Object::static_type())
    );
}
