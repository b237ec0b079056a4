//! What the two halves of a stream share: the channel, its errors and its position.

use std::{
    io::{self, Seek as _, SeekFrom},
    sync::OnceLock,
};

use glib::{ParamSpec, prelude::*};

use crate::{
    channel::{Channel, ChannelExt as _, ChannelSeekExt as _, class::describe},
    error::{invalid, not_supported, to_glib_error},
    types::Feature,
};

/// The channel of a stream, set when that is constructed.
#[derive(Debug, Default)]
pub(super) struct ChannelCell(OnceLock<Channel>);

impl ChannelCell {
    pub(super) fn param_spec() -> ParamSpec {
        glib::ParamSpecObject::builder::<Channel>("channel")
            .nick("Channel")
            .blurb("The channel that the stream reads from and writes to")
            .construct_only()
            .build()
    }

    pub(super) fn get(&self) -> Option<&Channel> {
        self.0.get()
    }

    pub(super) fn set(&self, value: &glib::Value) {
        if let Some(channel) = value.get().expect("a channel") {
            self.0.get_or_init(|| channel);
        }
    }

    /// Calls `f` with the channel. `action` completes "Unable to …" in errors that do not name what
    /// failed.
    pub(super) fn with<R>(
        &self,
        action: &'static str,
        f: impl FnOnce(&Channel) -> io::Result<R>,
    ) -> Result<R, glib::Error> {
        let channel = self.get().ok_or_else(|| to_glib_error(&no_channel()))?;
        f(channel).map_err(|e| describe(&e, channel, action))
    }

    pub(super) fn can_seek(&self) -> bool {
        self.get()
            .is_some_and(|channel| channel.has_feature(Feature::SEEKABLE))
    }

    /// The position, or 0 where there is none.
    pub(super) fn tell(&self) -> i64 {
        let position = self.with("seek in", |mut channel| channel.stream_position());
        position.ok().and_then(|it| it.try_into().ok()).unwrap_or(0)
    }

    pub(super) fn seek(&self, offset: i64, seek_type: glib::SeekType) -> Result<(), glib::Error> {
        self.with("seek in", |channel| {
            let to =
                match seek_type {
                    glib::SeekType::Cur => SeekFrom::Current(offset),
                    glib::SeekType::End => SeekFrom::End(offset),
                    _ => SeekFrom::Start(u64::try_from(offset).map_err(|_| {
                        invalid(&format!("{offset} is no position: it is negative"))
                    })?),
                };
            channel.seek(to).map(|_| ())
        })
    }
}

/// The error of a stream that was constructed without a channel.
pub(super) fn no_channel() -> io::Error {
    invalid("The stream has no channel: the property \"channel\" was not set")
}

pub(super) fn cannot_truncate() -> glib::Error {
    to_glib_error(&not_supported("Truncating is not supported by channels"))
}

/// Implements `GSeekable` by the position of the channel.
macro_rules! seekable {
    ($imp:ty) => {
        impl gio::subclass::prelude::SeekableImpl for $imp {
            fn tell(&self) -> i64 {
                self.channel.tell()
            }

            fn can_seek(&self) -> bool {
                self.channel.can_seek()
            }

            fn seek(
                &self,
                offset: i64,
                type_: glib::SeekType,
                _cancellable: Option<&gio::Cancellable>,
            ) -> Result<(), glib::Error> {
                self.channel.seek(offset, type_)
            }

            fn can_truncate(&self) -> bool {
                false
            }

            fn truncate(
                &self,
                _offset: i64,
                _cancellable: Option<&gio::Cancellable>,
            ) -> Result<(), glib::Error> {
                Err($crate::gio::half::cannot_truncate())
            }
        }
    };
}
pub(super) use seekable;

/// Implements the property `channel`.
macro_rules! channel_property {
    () => {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: std::sync::LazyLock<[glib::ParamSpec; 1]> =
                std::sync::LazyLock::new(|| [$crate::gio::half::ChannelCell::param_spec()]);
            &*PROPERTIES
        }

        fn property(&self, _id: usize, _pspec: &glib::ParamSpec) -> glib::Value {
            self.channel.get().to_value()
        }

        fn set_property(&self, _id: usize, value: &glib::Value, _pspec: &glib::ParamSpec) {
            self.channel.set(value);
        }
    };
}
pub(super) use channel_property;
