//! Descriptors as arguments and results.

use std::{
    ffi::c_int,
    io,
    os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd},
};

use gio::prelude::*;
use gio_sys::GUnixFDList;
use glib::translate::*;
use libc::size_t;

use super::{Argument, Out};
use crate::{
    channel::class::{borrowed_fds, give_fds},
    error::{from_glib_error, with_context},
    sys,
};

/// Descriptors to be sent.
impl Argument<(*mut c_int, size_t)> for &[BorrowedFd<'_>] {
    unsafe fn from_c((fds, nfds): (*mut c_int, size_t), name: &str) -> Result<Self, String> {
        if fds.is_null() && nfds > 0 {
            return Err(format!("{name} != NULL"));
        }
        // SAFETY: the C contract: `nfds` numbers, of descriptors that stay open during the call.
        unsafe { borrowed_fds(fds, nfds) }.map_err(|_| "fd >= 0".to_owned())
    }
}

/// Where received descriptors and their number are returned, if the caller takes them.
pub(super) struct ReceivedFds(*mut *mut c_int, *mut size_t);

impl Argument<(*mut *mut c_int, *mut size_t)> for ReceivedFds {
    unsafe fn from_c((fds, nfds): (*mut *mut c_int, *mut size_t), _: &str) -> Result<Self, String> {
        match fds.is_null() == nfds.is_null() {
            true => Ok(Self(fds, nfds)),
            false => Err("(fds == NULL) == (nfds == NULL)".to_owned()),
        }
    }
}

impl ReceivedFds {
    /// Reads with descriptors, if the caller takes them, and returns them to the caller.
    pub(super) fn receive<R>(
        &self,
        read: impl FnOnce(Option<&mut Vec<OwnedFd>>) -> io::Result<R>,
    ) -> io::Result<R> {
        if self.0.is_null() {
            return read(None);
        }
        let mut received = Vec::new();
        let result = read(Some(&mut received));
        if result.is_err() {
            received.clear();
        }
        // SAFETY: the C contract, which `from_c` demands: two variables of the caller.
        unsafe { give_fds(received, self.0, self.1) };
        result
    }
}

/// Returns descriptors as a list, NULL for none, if the caller takes them.
pub(super) fn return_fds(received: Vec<OwnedFd>, fds: Option<Out<*mut GUnixFDList>>) {
    if let Some(fds) = fds {
        let list = (!received.is_empty()).then(|| gio::UnixFDList::from_array(received));
        fds.set(list.into_glib_ptr());
    }
}

/// Calls `f` with duplicates of the descriptors in a list, whose owner may change it meanwhile.
pub(super) fn with_fds<R>(
    list: Option<&gio::UnixFDList>,
    f: impl FnOnce(&[BorrowedFd<'_>]) -> io::Result<R>,
) -> io::Result<R> {
    let fds = duplicates(list)?;
    let fds: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
    f(&fds)
}

/// Duplicates of the descriptors in a list, if there is one.
pub(super) fn duplicates(list: Option<&gio::UnixFDList>) -> io::Result<Vec<OwnedFd>> {
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    let get = |index| list.get(index).map_err(from_glib_error);
    (0..list.length()).map(get).collect()
}

/// The number of a descriptor that the caller transfers if the call succeeds. It may be closed: the
/// caller may not have opened it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct CallersFd(c_int);

/// A descriptor that is not closed unless it is taken out.
pub(super) struct Taken(pub(super) Option<OwnedFd>);

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(fd) = self.0.take() {
            let _ = fd.into_raw_fd();
        }
    }
}

impl Argument<c_int> for CallersFd {
    unsafe fn from_c(fd: c_int, name: &str) -> Result<Self, String> {
        match fd >= 0 {
            true => Ok(Self(fd)),
            false => Err(format!("{name} >= 0")),
        }
    }
}

/// -1 is none.
impl Argument<c_int> for Option<CallersFd> {
    unsafe fn from_c(fd: c_int, name: &str) -> Result<Self, String> {
        match fd {
            -1 => Ok(None),
            // SAFETY: forwarded: the same argument.
            fd => unsafe { CallersFd::from_c(fd, name) }.map(Some),
        }
    }
}

impl CallersFd {
    pub(super) fn number(self) -> c_int {
        self.0
    }

    /// The descriptor, if it is open.
    pub(super) fn take(self) -> io::Result<Taken> {
        sys::file::is_close_on_exec(self.0)
            .map_err(|e| with_context(e, format!("Unable to take over descriptor {}", self.0)))?;
        // SAFETY: it is open, as was checked, and the caller's to transfer: the C contract, which
        // `from_c` demands.
        Ok(Taken(Some(unsafe { OwnedFd::from_raw_fd(self.0) })))
    }
}
