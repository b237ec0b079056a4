//! The class: what its virtual functions do.

use std::{
    io::{self, IoSlice, IoSliceMut, SeekFrom},
    os::fd::{BorrowedFd, OwnedFd},
    sync::{Arc, LazyLock, Mutex, OnceLock},
};

use glib::{IOCondition, ParamSpec, prelude::*, subclass::prelude::*};

use super::{
    QIOChannelIOStream, QIOChannelIOStreamClass,
    streams::{Answer, Streams, WaitFor},
};
use crate::{
    channel::{Channel, ChannelExt as _, ChannelImpl, blocking, wait_for, wait_until},
    coroutine,
    error::{closed, invalid, would_block},
    gio::{ForeignInput, ForeignOutput, ForeignStream},
    hub::Direction,
    sys::lock,
    types::{Feature, Flushed, ReadFlags, Readiness, Shutdown, WriteFlags},
    watch::{self, ALWAYS, LayerVtable},
};

#[derive(Debug, Default)]
pub struct ChannelIoStream {
    /// The properties, until the channel is constructed.
    given: Mutex<Given>,
    streams: OnceLock<Arc<Streams>>,
}

#[derive(Debug, Default)]
struct Given {
    whole: Option<ForeignStream>,
    input: Option<ForeignInput>,
    output: Option<ForeignOutput>,
}

#[glib::object_subclass]
impl ObjectSubclass for ChannelIoStream {
    const NAME: &'static str = "QIOChannelIOStream";
    type Type = super::ChannelIoStream;
    type ParentType = Channel;
    type Class = QIOChannelIOStreamClass;
    type Instance = QIOChannelIOStream;

    fn class_init(class: &mut Self::Class) {
        let slots = &mut class.parent_class;
        slots.set_native_class_with(false, |_, _| None, None, Some(abort), None);
    }
}

fn abort(channel: &Channel) {
    if let Some(streams) = streams_of(channel) {
        streams.abort();
    }
}

impl ObjectImpl for ChannelIoStream {
    fn properties() -> &'static [ParamSpec] {
        static PROPERTIES: LazyLock<[ParamSpec; 3]> = LazyLock::new(|| {
            [
                glib::ParamSpecObject::builder::<gio::IOStream>("io-stream")
                    .nick("Stream")
                    .blurb("The stream that the channel reads from and writes to, if it is one")
                    .construct_only()
                    .build(),
                glib::ParamSpecObject::builder::<gio::InputStream>("input-stream")
                    .nick("Input stream")
                    .blurb("The stream that the channel reads from")
                    .construct_only()
                    .build(),
                glib::ParamSpecObject::builder::<gio::OutputStream>("output-stream")
                    .nick("Output stream")
                    .blurb("The stream that the channel writes to")
                    .construct_only()
                    .build(),
            ]
        });
        &*PROPERTIES
    }

    fn property(&self, _id: usize, pspec: &ParamSpec) -> glib::Value {
        let channel = self.obj();
        match pspec.name() {
            "io-stream" => channel.io_stream().to_value(),
            "input-stream" => channel.input_stream().to_value(),
            "output-stream" => channel.output_stream().to_value(),
            name => unreachable!("no property {name}"),
        }
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &ParamSpec) {
        let mut given = lock(&self.given);
        match pspec.name() {
            "io-stream" => {
                let whole: Option<gio::IOStream> = value.get().expect("a stream");
                given.whole = whole.as_ref().map(ForeignStream::new);
            }
            "input-stream" => {
                let input: Option<gio::InputStream> = value.get().expect("a stream");
                given.input = input.as_ref().map(ForeignInput::new);
            }
            "output-stream" => {
                let output: Option<gio::OutputStream> = value.get().expect("a stream");
                given.output = output.as_ref().map(ForeignOutput::new);
            }
            name => unreachable!("no property {name}"),
        }
    }

    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        let channel: &Channel = obj.upcast_ref();
        let Given {
            whole,
            input,
            output,
        } = std::mem::take(&mut *lock(&self.given));
        let (input, output) = match &whole {
            Some(whole) => (whole.input(), whole.output()),
            None => (input, output),
        };
        if input.is_some() || output.is_some() {
            let channel_state = channel.imp().channel_state.clone();
            let streams = Streams::new(whole, input, output, channel_state);
            let can_seek = streams.can_seek();
            self.streams.get_or_init(|| Arc::new(streams));
            channel.add_features(match can_seek {
                true => Feature::SHUTDOWN | Feature::SEEKABLE,
                false => Feature::SHUTDOWN,
            });
        }
    }

    fn dispose(&self) {
        if let Some(streams) = self.streams.get() {
            streams.abandon();
        }
    }
}

impl ChannelImpl for ChannelIoStream {
    fn readv(
        &self,
        iov: &mut [IoSliceMut<'_>],
        _fds: Option<&mut Vec<OwnedFd>>,
        flags: ReadFlags,
    ) -> io::Result<usize> {
        let obj = self.obj();
        let channel: &Channel = obj.upcast_ref();
        let streams = self.streams()?;
        loop {
            match streams.read(iov) {
                Err(e) if would_block(&e) && waits(channel, flags.contains(ReadFlags::NO_WAIT)) => {
                    wait_for(channel, IOCondition::IN)?;
                }
                result => return result,
            }
        }
    }

    fn writev(
        &self,
        iov: &[IoSlice<'_>],
        _fds: &[BorrowedFd<'_>],
        flags: WriteFlags,
    ) -> io::Result<usize> {
        let obj = self.obj();
        let channel: &Channel = obj.upcast_ref();
        let streams = self.streams()?;
        let waits = || waits(channel, flags.contains(WriteFlags::NO_WAIT));
        loop {
            // A coroutine is suspended before a write, and not in it.
            let answer = (waits() && !coroutine::in_coroutine()).then(Arc::<Answer>::default);
            match streams.write(iov, answer.as_ref()) {
                Err(e) if would_block(&e) && waits() => wait_for(channel, IOCondition::OUT)?,
                Ok(count) if !streams.output_can_poll() => {
                    return finish(channel, streams, count, answer);
                }
                result => return result,
            }
        }
    }

    fn close(&self) -> io::Result<()> {
        let obj = self.obj();
        let channel: &Channel = obj.upcast_ref();
        channel.imp().mark_closed();
        let may_wait =
            (channel.is_blocking() || blocking::in_pool_thread()) && !coroutine::in_coroutine();
        match self.streams.get() {
            Some(streams) => streams.close(may_wait),
            None => Ok(()),
        }
    }

    fn create_watch(&self, condition: IOCondition) -> glib::Source {
        let obj = self.obj();
        let channel: &Channel = obj.upcast_ref();
        // A stream reports neither errors nor hang-ups without an attempt: only the close does.
        let is_for_end = (condition - ALWAYS).is_empty();
        let (wait_fd, needs): (
            watch::WaitFdFn,
            fn(&glib::Object, IOCondition) -> IOCondition,
        ) = match is_for_end {
            true => (|_, _| Readiness::Watch, |_, _| IOCondition::empty()),
            false => (
                |object, condition| readiness(object, condition).0,
                |object, condition| readiness(object, condition).1,
            ),
        };
        let layer = LayerVtable {
            needs,
            watch: watch_streams,
        };
        channel.watched(|watched| watch::layered(watched, condition, wait_fd, layer))
    }

    fn set_blocking(&self, _enabled: bool) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.streams()?.shut_down(how)
    }

    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        let obj = self.obj();
        let channel: &Channel = obj.upcast_ref();
        let streams = self.streams()?;
        loop {
            match streams.seek(to) {
                Err((side, e)) if would_block(&e) && waits(channel, false) => {
                    wait_for(channel, side.condition())?;
                }
                result => return result.map_err(|(_, e)| e),
            }
        }
    }

    fn wait_fd(&self, condition: IOCondition) -> Readiness {
        readiness(self.obj().upcast_ref(), condition).0
    }

    fn flush(&self) -> io::Result<Flushed> {
        self.streams()?.flush()
    }
}

impl ChannelIoStream {
    pub(super) fn streams(&self) -> io::Result<&Arc<Streams>> {
        self.streams
            .get()
            .ok_or_else(|| invalid("The channel has no stream: none of its properties was set"))
    }
}

fn streams_of(object: &impl IsA<glib::Object>) -> Option<&Arc<Streams>> {
    let channel: &super::ChannelIoStream = object.upcast_ref().downcast_ref()?;
    channel.imp().streams().ok()
}

/// Whether a call waits until it has a result.
fn waits(channel: &Channel, no_wait: bool) -> bool {
    !no_wait && channel.is_blocking()
}

/// Waits for the result of a write that a thread of the pool makes.
fn finish(
    channel: &Channel,
    streams: &Streams,
    count: usize,
    answer: Option<Arc<Answer>>,
) -> io::Result<usize> {
    let Some(answer) = answer else {
        return Ok(count);
    };
    loop {
        let waited = wait_until(channel, IOCondition::OUT, None, &|| answer.is_done());
        let is_closed = channel.is_closed();
        if answer.is_done() || is_closed || waited.is_err() {
            return match answer.take() {
                Some(result) => result.map(|()| count),
                None if is_closed => Err(closed()),
                // Without a descriptor to wait with it continues, as in non-blocking mode.
                None => {
                    streams.accept_write();
                    Ok(count)
                }
            };
        }
    }
}

/// What to wait for, and the conditions for which a source of the streams is needed.
fn readiness(object: &glib::Object, condition: IOCondition) -> (Readiness, IOCondition) {
    match streams_of(object).map(|streams| streams.wait_for(condition)) {
        Some(WaitFor::Fd(fd)) => (Readiness::Fd(fd, condition), IOCondition::empty()),
        Some(WaitFor::Source) => (Readiness::Watch, condition),
        Some(WaitFor::Call) => (Readiness::Watch, IOCondition::empty()),
        Some(WaitFor::Nothing) | None => (Readiness::Now, IOCondition::empty()),
    }
}

/// A watch of the streams themselves, for one direction or for both.
fn watch_streams(object: &glib::Object, conditions: IOCondition) -> Option<glib::Source> {
    let channel: &Channel = object.downcast_ref()?;
    let streams = streams_of(channel)?;
    let watch = |condition: IOCondition, side| {
        let source = streams.create_source(side)?;
        Some(channel.watched(|watched| match source {
            Some(source) => watch::adopt_any(watched, condition, source),
            None => watch::nval_watch(watched, condition),
        }))
    };
    let [read, write] = watch::directions(conditions).map(|side| side - ALWAYS);
    match (read.is_empty(), write.is_empty()) {
        (false, false) => {
            let children = [
                watch(read, Direction::Read)?,
                watch(write, Direction::Write)?,
            ];
            Some(channel.watched(|watched| watch::either(watched, conditions, children)))
        }
        (true, _) => watch(write, Direction::Write),
        (_, true) => watch(read, Direction::Read),
    }
}
