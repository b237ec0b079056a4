//! Socket addresses between GIO's objects and the kernel's structures.

use std::{ffi::OsStr, io, mem, os::unix::ffi::OsStrExt, path::Path};

use gio::prelude::*;
use glib::translate::*;

/// A socket address in the kernel's representation.
#[derive(Clone, Copy)]
pub(crate) struct Native {
    storage: libc::sockaddr_storage,
    /// The number of valid bytes of `storage`.
    len: libc::socklen_t,
}

impl Native {
    pub(crate) fn new(address: &gio::SocketAddress) -> io::Result<Self> {
        let mut native = Self::empty();
        let len = usize::try_from(address.native_size()).unwrap_or(usize::MAX);
        if len > mem::size_of_val(&native.storage) {
            return Err(nix::errno::Errno::EAFNOSUPPORT.into());
        }
        let mut error = std::ptr::null_mut();
        // SAFETY: the wrapper holds a reference to the address, and `storage` has the `len` bytes
        // that it needs.
        unsafe {
            gio_sys::g_socket_address_to_native(
                address.to_glib_none().0,
                (&raw mut native.storage).cast(),
                len,
                &mut error,
            );
            if !error.is_null() {
                return Err(crate::error::from_glib_error(from_glib_full(error)));
            }
        }
        native.len = len as libc::socklen_t;
        Ok(native)
    }

    /// A vsock address: that of a virtual machine or its host.
    pub(crate) fn vsock(cid: u32, port: u32) -> Self {
        let mut native = Self::empty();
        let place = (&raw mut native.storage).cast::<libc::sockaddr_vm>();
        // SAFETY: `storage` is aligned and large enough for an address of any family, and all
        // zeros, which is a valid `sockaddr_vm`.
        let address = unsafe { &mut *place };
        address.svm_family = libc::AF_VSOCK as libc::sa_family_t;
        address.svm_cid = cid;
        address.svm_port = port;
        native.len = mem::size_of::<libc::sockaddr_vm>() as libc::socklen_t;
        native
    }

    /// The CID and the port of a vsock address.
    pub(crate) fn as_vsock(&self) -> Option<(u32, u32)> {
        let whole = self.len as usize >= mem::size_of::<libc::sockaddr_vm>();
        if self.family() != libc::AF_VSOCK || !whole {
            return None;
        }
        let place = (&raw const self.storage).cast::<libc::sockaddr_vm>();
        // SAFETY: by its family this is a `sockaddr_vm`, and `storage` is initialized.
        let address = unsafe { &*place };
        Some((address.svm_cid, address.svm_port))
    }

    /// Whether there is an address: that of a socket without one has at most a family.
    pub(crate) fn is_named(&self) -> bool {
        self.len as usize > mem::size_of::<libc::sa_family_t>()
    }

    /// Space for an address of any family.
    pub(crate) fn empty() -> Self {
        Self {
            // SAFETY: all zeros is a valid `sockaddr_storage`, of no family.
            storage: unsafe { mem::zeroed() },
            len: mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t,
        }
    }

    pub(crate) fn to_gio(self) -> io::Result<gio::SocketAddress> {
        let mut native = self;
        native.cut_path();
        // SAFETY: `storage` has `len` initialized bytes, which the call only reads; it returns a
        // new reference or NULL.
        let address: Option<gio::SocketAddress> = unsafe {
            from_glib_full(gio_sys::g_socket_address_new_from_native(
                (&raw mut native.storage).cast(),
                native.len as usize,
            ))
        };
        address.ok_or_else(|| nix::errno::Errno::EAFNOSUPPORT.into())
    }

    /// Removes the terminating NUL of a unix path from the length: the kernel counts it, and GIO
    /// since 2.90 makes it a part of the path.
    fn cut_path(&mut self) {
        if self.family() != libc::AF_UNIX {
            return;
        }
        let start = mem::offset_of!(libc::sockaddr_un, sun_path);
        let place = (&raw const self.storage).cast::<libc::sockaddr_un>();
        // SAFETY: by its family this is a `sockaddr_un`, and `storage` is initialized.
        let path = unsafe { &(*place).sun_path };
        // An abstract name begins with a NUL, and may contain others.
        if path[0] != 0
            && let Some(end) = path.iter().position(|byte| *byte == 0)
        {
            self.len = self.len.min((start + end) as libc::socklen_t);
        }
    }

    /// The bytes of an IP address, which has few; `None` for other families.
    pub(crate) fn ip_bytes(&self) -> Option<Box<[u8]>> {
        if !matches!(self.family(), libc::AF_INET | libc::AF_INET6) {
            return None;
        }
        let len = (self.len as usize).min(mem::size_of_val(&self.storage));
        let start = (&raw const self.storage).cast::<u8>();
        // SAFETY: `storage` has at least `len` bytes. All are initialized: `empty` zeroes them,
        // system calls only store, and `sockaddr_storage` has no padding that a move could skip.
        Some(unsafe { std::slice::from_raw_parts(start, len) }.into())
    }

    /// The address with these bytes, which were those of another one.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let mut native = Self::empty();
        let len = bytes.len().min(mem::size_of_val(&native.storage));
        let start = (&raw mut native.storage).cast::<u8>();
        // SAFETY: `len` is at most the length of `bytes` and the size of `storage`, which is a
        // local variable that nothing else refers to. Any bytes are a valid `sockaddr_storage`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start, len) };
        native.len = len as libc::socklen_t;
        native
    }

    pub(crate) fn family(&self) -> i32 {
        self.storage.ss_family.into()
    }

    pub(crate) fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub(crate) fn len(&self) -> libc::socklen_t {
        self.len
    }

    /// The arguments of a system call that returns an address and its length.
    pub(crate) fn as_out(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        ((&raw mut self.storage).cast(), &raw mut self.len)
    }
}

/// The path of a unix address in the file system, without the terminating NUL that GIO 2.90 adds.
pub(crate) fn path_of(address: &gio::SocketAddress) -> Option<&Path> {
    match address.downcast_ref::<gio::UnixSocketAddress>()?.path()? {
        UnixSocketAddressPath::Path(path) => {
            let mut parts = path.as_os_str().as_bytes().split(|byte| *byte == 0);
            Some(Path::new(OsStr::from_bytes(parts.next()?)))
        }
        _ => None,
    }
}
