//! What GLib and GIO have and the crates do not: addresses as bytes of the kernel's, and the
//! sources of a context.
#![allow(unsafe_code)] // The functions are not bound.

use std::net::Ipv4Addr;

use glib::{ControlFlow, MainContext, Priority, translate::*};

/// An IPv4 address as a native socket address, whose family GIO does not interpret.
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

/// How many sources are attached to a context.
pub(crate) fn sources(context: &MainContext) -> usize {
    let newest = glib::idle_source_new(None, Priority::LOW, || ControlFlow::Break);
    let id = newest.attach(Some(context));
    newest.destroy();
    let is_there = |id: &u32| {
        // SAFETY: the context is alive; what is returned is only compared.
        let source =
            unsafe { glib::ffi::g_main_context_find_source_by_id(context.to_glib_none().0, *id) };
        !source.is_null()
    };
    (1..id.as_raw()).filter(is_there).count()
}

/// Makes `pidfd_open(2)` fail with `ENOSYS` in this thread and its children, as on older
/// systems, in sandboxes and under valgrind. For tests that run alone.
pub(crate) fn take_pidfds_away() {
    use nix::libc::{
        BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, ENOSYS, PR_SET_NO_NEW_PRIVS,
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SYS_pidfd_open,
        prctl, sock_filter, sock_fprog,
    };
    let op = |code, k, (jt, jf)| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    // The number of the system call is the first field.
    let mut program = [
        op(BPF_LD | BPF_W | BPF_ABS, 0, (0, 0)),
        op(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open as u32, (0, 1)),
        op(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS as u32, (0, 0)),
        op(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, (0, 0)),
    ];
    let program = sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the program outlives the call, and the kernel copies it.
    unsafe {
        assert_eq!(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0),
            0
        );
    }
}
