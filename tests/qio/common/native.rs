//! Addresses that GIO knows as bytes of the kernel's alone.
#![allow(unsafe_code)] // GIO's constructor is not bound.

use std::net::Ipv4Addr;

use glib::translate::*;

/// An address of IPv4, of which GIO is not told what it is.
pub(crate) fn ipv4(address: Ipv4Addr, port: u16) -> gio::SocketAddress {
    let native = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(address).to_be(),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: the address is copied, with its whole length.
    unsafe {
        from_glib_full(gio_sys::g_native_socket_address_new(
            (&raw const native).cast_mut().cast(),
            size_of_val(&native),
        ))
    }
}
