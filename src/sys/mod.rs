//! System calls: the only module that makes them.
//!
//! The functions take and return types of `std`, repeat calls that a signal has interrupted
//! ([`call`]), return errors as [`std::io::Error::from_raw_os_error`], and do not depend on
//! channels.
#![allow(unsafe_code)]

pub(crate) mod address;
mod call;
pub(crate) mod credentials;
pub(crate) mod datagram;
pub(crate) mod dummy;
pub(crate) mod epoll;
pub(crate) mod exits;
pub(crate) mod fd_info;
pub(crate) mod file;
mod hazard;
pub(crate) mod listen;
pub(crate) mod listen_fds;
pub(crate) mod options;
pub(crate) mod poll;
pub(crate) mod process;
pub(crate) mod release;
pub(crate) mod scm;
mod shared_fd;
#[cfg(test)]
mod shared_fd_tests;
mod sigpipe;
pub(crate) mod socket;
pub(crate) mod socket_info;
pub(crate) mod spawn;
pub(crate) mod splice;
mod stream;
pub(crate) mod thread;
pub(crate) mod usage;
pub(crate) mod vectored;
pub(crate) mod zero_copy;

pub(crate) use self::{
    hazard::prepare_process,
    shared_fd::{FdGuard, FdLease, HazardGuard, SharedFd},
    sigpipe::without_sigpipe,
    stream::StreamSocket,
};
pub(crate) use crate::sync::lock;

use self::call::{call, once, retry, transfer, transfer_raw};
