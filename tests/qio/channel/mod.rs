//! `src/channel/`.

mod all;
mod class;
mod ext;
mod fds;
mod ready;
mod stream;
mod threads;
