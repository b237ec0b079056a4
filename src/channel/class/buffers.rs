//! Lists of buffers that virtual functions cannot take unchanged.

use std::io::{self, IoSlice, IoSliceMut};
#[cfg(feature = "hyper")]
use std::{mem::MaybeUninit, ptr};

use crate::{error::invalid, sys::vectored::IOV_MAX};

/// The largest byte count that a result can have.
const MOST: usize = isize::MAX as usize;

/// Whether a list exceeds a limit: it is longer than `IOV_MAX`, or larger than a result can report.
#[inline]
pub(super) fn exceed_limits(len: usize, total: usize) -> bool {
    len > IOV_MAX || total > MOST
}

/// The non-empty buffers of a list that [exceeds a limit](exceed_limits), if it has empty ones,
/// which would count for `IOV_MAX`. Fails for a list that is too large.
#[cold]
#[inline(never)]
pub(super) fn to_read<'a>(
    iov: &'a mut [IoSliceMut<'_>],
    total: usize,
) -> io::Result<Option<Vec<IoSliceMut<'a>>>> {
    check_total(total)?;
    if !iov.iter().any(|buf| buf.is_empty()) {
        return Ok(None);
    }
    let some = iov.iter_mut().filter(|buf| !buf.is_empty());
    Ok(Some(some.map(|buf| IoSliceMut::new(buf)).collect()))
}

/// As [`to_read`].
#[cold]
#[inline(never)]
pub(super) fn to_write<'a>(
    iov: &'a [IoSlice<'_>],
    total: usize,
) -> io::Result<Option<Vec<IoSlice<'a>>>> {
    check_total(total)?;
    if !iov.iter().any(|buf| buf.is_empty()) {
        return Ok(None);
    }
    let some = iov.iter().filter(|buf| !buf.is_empty());
    Ok(Some(some.map(|buf| IoSlice::new(buf)).collect()))
}

fn check_total(total: usize) -> io::Result<()> {
    match total > MOST {
        true => Err(invalid(
            "The total size of the buffers exceeds the largest byte count",
        )),
        false => Ok(()),
    }
}

/// Initializes memory with zeros.
#[cfg(feature = "hyper")]
pub(crate) fn zeroed(memory: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    memory.fill(MaybeUninit::new(0));
    // SAFETY: all bytes are initialized.
    unsafe { assume_init(memory) }
}

/// # Safety
///
/// All bytes must be initialized, or the slice be only written to.
#[cfg(feature = "hyper")]
pub(super) unsafe fn assume_init(memory: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    // SAFETY: `MaybeUninit<u8>` has the layout of `u8`; the caller guarantees that no byte is read
    // before it is initialized, which is the contract of this function.
    unsafe { &mut *(ptr::from_mut(memory) as *mut [u8]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_no_result_can_report_is_refused() {
        let too_much = MOST + 1;
        assert!(exceed_limits(1, too_much));
        let e = to_read(&mut [], too_much).expect_err("too much");
        assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
        let e = to_write(&[], too_much).expect_err("too much");
        assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
        assert!(to_write(&[], MOST).expect("it fits").is_none());
    }
}
