//! `src/channel/`.

mod all;
mod async_stream;
mod cancel;
mod class;
mod disk;
mod ext;
mod fds;
mod future;
mod future_fds;
mod future_foreign;
mod limit;
mod program;
mod ready;
mod splice;
mod stream;
mod threads;
