//! `src/channel/`.

mod abort;
mod all;
mod async_stream;
mod blocking;
mod buffers;
mod cancel;
mod class;
mod disk;
mod empty;
mod ext;
mod fd_passing;
mod framing;
mod future;
mod future_fd_passing;
mod future_foreign;
mod limit;
mod proptest;

mod splice;
mod stream;
mod threads;
mod wait;
