//! `src/gio/`.

mod close;
mod input;
mod output;
mod tls;
mod users;
