//! A layer that compresses: gzip, over any channel and under any channel.
//!
//! `cargo run --example gzip` sends a log over TLS, compressed, and prints how much that has saved.
//!
//! Each write ends with a flush of the compressor, so that the peer can read all of it. The end of
//! the data is marked: `shutdown` and `close` send gzip's trailer with the checksum, and a stream
//! without it is an error of the reader.
//!
//! With `QIO_MONITOR=listen` in its environment, `qio top` shows its channels.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use glib::{object::IsA, subclass::prelude::*};
use qio::{
    Channel, ChannelFilter, ChannelSocket, ChannelTls, Shutdown, TlsCreds, TlsEndpoint, prelude::*,
};

mod imp {
    use std::{
        io::{self, IoSlice, IoSliceMut, Write as _},
        os::fd::{BorrowedFd, OwnedFd},
        sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    };

    use flate2::{
        Compression,
        write::{GzDecoder, GzEncoder},
    };
    use glib::IOCondition;
    use qio::{Flushed, ReadFlags, Readiness, Shutdown, WriteFlags, subclass::prelude::*};

    /// How much is read at once: it limits what one read decompresses, to a thousand times that.
    const CHUNK: usize = 4096;

    /// One thread at a time reads, and one writes: a second one waits for it.
    #[derive(Default)]
    pub struct Gzip {
        pub(super) reader: Mutex<Reader>,
        pub(super) writer: Mutex<Writer>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Gzip {
        const NAME: &'static str = "ExampleGzip";
        type Type = super::Gzip;
        type ParentType = qio::ChannelFilter;
    }

    impl ObjectImpl for Gzip {}
    impl ChannelFilterImpl for Gzip {}

    pub(super) struct Reader {
        /// With the data that is not returned yet, from `returned` on.
        decoder: GzDecoder<Vec<u8>>,
        returned: usize,
        pub(super) received: usize,
        is_complete: bool,
    }

    pub(super) struct Writer {
        /// With the output that is not sent yet, from `sent` on.
        encoder: GzEncoder<Vec<u8>>,
        sent: usize,
        is_ended: bool,
    }

    impl Default for Reader {
        fn default() -> Self {
            Self {
                decoder: GzDecoder::new(Vec::new()),
                returned: 0,
                received: 0,
                is_complete: false,
            }
        }
    }

    impl Default for Writer {
        fn default() -> Self {
            Self {
                encoder: GzEncoder::new(Vec::new(), Compression::default()),
                sent: 0,
                is_ended: false,
            }
        }
    }

    impl Reader {
        fn has_data(&self) -> bool {
            self.returned < self.decoder.get_ref().len()
        }

        /// Returns data that is there.
        fn take(&mut self, iov: &mut [IoSliceMut<'_>]) -> usize {
            let mut data = &self.decoder.get_ref()[self.returned..];
            let before = data.len();
            for buf in iov {
                let count = buf.len().min(data.len());
                buf[..count].copy_from_slice(&data[..count]);
                data = &data[count..];
            }
            let count = before - data.len();
            self.returned += count;
            if !self.has_data() {
                self.decoder.get_mut().clear();
                self.returned = 0;
            }
            count
        }

        /// Decompresses input.
        fn feed(&mut self, mut input: &[u8]) -> io::Result<()> {
            self.received += input.len();
            while !input.is_empty() {
                match self.decoder.write(input)? {
                    0 => return Err(invalid("Unexpected data after the end of a gzip stream")),
                    count => input = &input[count..],
                }
            }
            self.decoder.flush()
        }

        /// The base channel has no more input.
        fn finish(&mut self) -> io::Result<()> {
            self.decoder.try_finish().map_err(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof => {
                    io::Error::new(e.kind(), "Gzip stream is truncated")
                }
                _ => invalid(&format!("Unable to decompress: {e}")),
            })?;
            self.is_complete = true;
            Ok(())
        }
    }

    impl Writer {
        fn unsent(&self) -> &[u8] {
            &self.encoder.get_ref()[self.sent..]
        }

        fn end(&mut self) -> io::Result<()> {
            self.is_ended = true;
            self.encoder.try_finish()
        }
    }

    impl Gzip {
        /// Sends what is compressed. Would-block if the base channel does not take it all.
        fn send(&self, writer: &mut Writer) -> io::Result<()> {
            while !writer.unsent().is_empty() {
                let iov = [IoSlice::new(writer.unsent())];
                writer.sent += self.parent_writev(&iov, &[], WriteFlags::empty())?;
            }
            writer.encoder.get_mut().clear();
            writer.sent = 0;
            Ok(())
        }
    }

    impl ChannelImpl for Gzip {
        fn readv(
            &self,
            iov: &mut [IoSliceMut<'_>],
            _fds: Option<&mut Vec<OwnedFd>>,
            flags: ReadFlags,
        ) -> io::Result<usize> {
            let mut reader = lock(&self.reader);
            while !reader.has_data() && !reader.is_complete {
                let mut input = [0; CHUNK];
                match self.parent_readv(&mut [IoSliceMut::new(&mut input)], None, flags)? {
                    0 => reader.finish()?,
                    count => reader.feed(&input[..count])?,
                }
            }
            Ok(reader.take(iov))
        }

        fn writev(
            &self,
            iov: &[IoSlice<'_>],
            fds: &[BorrowedFd<'_>],
            _flags: WriteFlags,
        ) -> io::Result<usize> {
            if !fds.is_empty() {
                let message = "Unable to compress descriptors";
                return Err(io::Error::new(io::ErrorKind::Unsupported, message));
            }
            let mut writer = lock(&self.writer);
            if writer.is_ended {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            // Not more output while there is some: the base channel sets the pace.
            self.send(&mut writer)?;
            for buf in iov {
                writer.encoder.write_all(buf)?;
            }
            writer.encoder.flush()?;
            match self.send(&mut writer) {
                Err(e) if e.kind() != io::ErrorKind::WouldBlock => Err(e),
                // The next write, or a flush, sends the rest.
                _ => Ok(iov.iter().map(|buf| buf.len()).sum()),
            }
        }

        fn wait_fd(&self, condition: IOCondition) -> Readiness {
            // While another thread reads, this one waits for the base channel.
            let has_data = match self.reader.try_lock() {
                Ok(reader) => reader.has_data() || reader.is_complete,
                Err(TryLockError::Poisoned(_)) => true,
                Err(TryLockError::WouldBlock) => false,
            };
            match condition.contains(IOCondition::IN) && has_data {
                true => Readiness::Now,
                false => self.parent_wait_fd(condition),
            }
        }

        fn flush(&self) -> io::Result<Flushed> {
            self.send(&mut lock(&self.writer))?;
            self.parent_flush()
        }

        fn shutdown(&self, how: Shutdown) -> io::Result<()> {
            if how != Shutdown::Read {
                let mut writer = lock(&self.writer);
                if !writer.is_ended {
                    writer.end()?;
                }
                // After would-block the caller flushes, and tries again.
                self.send(&mut writer)?;
            }
            self.parent_shutdown(how)
        }

        fn close(&self) -> io::Result<()> {
            let mut writer = lock(&self.writer);
            let has_data = !writer.unsent().is_empty();
            let mut sent = Ok(());
            if !writer.is_ended {
                sent = writer.end();
            }
            sent = sent.and_then(|()| self.send(&mut writer));
            drop(writer);
            let closed = self.parent_close();
            match sent {
                // A peer that has disconnected needs no trailer.
                Err(e) if !has_data && is_disconnected(&e) => closed,
                sent => sent.and(closed),
            }
        }
    }

    fn is_disconnected(e: &io::Error) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        matches!(e.kind(), BrokenPipe | ConnectionReset)
    }

    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn invalid(message: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, message)
    }
}

glib::wrapper! {
    /// Compresses what is written, and decompresses what is read.
    pub struct Gzip(ObjectSubclass<imp::Gzip>) @extends ChannelFilter, Channel;
}

impl Gzip {
    /// A layer over a channel.
    pub fn new(base: &impl IsA<Channel>) -> Self {
        glib::Object::builder()
            .property("base-channel", base.as_ref())
            .build()
    }

    /// How many compressed bytes were received.
    pub fn received(&self) -> usize {
        let reader = self.imp().reader.lock();
        reader.map_or(0, |reader| reader.received)
    }
}

/// The lines that are sent.
const LINES: usize = 100_000;

async fn run() -> io::Result<()> {
    let creds = |end| {
        TlsCreds::builder(end)
            .psk("alice", *b"sixteen bytes...")
            .build()
    };
    let (here, there) = ChannelSocket::pair()?;
    let client = ChannelTls::new_client(&here, &creds(TlsEndpoint::Client)?, None)?;
    let server = ChannelTls::new_server(&there, &creds(TlsEndpoint::Server)?)?;
    let (client, server) = (Gzip::new(&client), Gzip::new(&server));
    client.set_blocking(false)?;
    server.set_blocking(false)?;

    let sender = qio::spawn_local(async move {
        let mut log = Vec::new();
        for number in 0..LINES {
            writeln!(log, "{number:06}: the same as before, but for the number")?;
        }
        client.write_all_future(&log).await?;
        client.flush_future().await?;
        client.shutdown(Shutdown::Write)?;
        client.flush_future().await?;
        Ok::<_, io::Error>(log.len())
    });
    let mut lines = 0;
    while server.read_line_future(1000).await?.is_some() {
        lines += 1;
    }
    let sent = sender.await.map_err(io::Error::other)??;
    let received = server.received();
    println!("gzip: ok, {lines} lines of {sent} bytes arrived as {received} bytes");
    server.close_future().await
}

#[allow(dead_code)] // where this file is a module
fn main() -> ExitCode {
    match glib::MainContext::default().block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("gzip: {e}");
            ExitCode::FAILURE
        }
    }
}
