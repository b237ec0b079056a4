//! The C library: that its headers, its symbols, its introspection data and the Rust code declare
//! the same, and that it works where it is installed. Needs a compiler and what `make capi` needs;
//! `make test` provides all of it.

#[macro_use]
#[path = "../qio/common/skip.rs"]
mod skip;

mod classes;
mod common;
mod gir;
mod headers;
mod install;
mod signatures;
mod symbols;
