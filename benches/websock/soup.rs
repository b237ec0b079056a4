//! libsoup, whose connections run over any stream of GIO: the streams of our channels, and its own
//! sockets. The library is loaded at run time: without it its cases are skipped.
#![allow(unsafe_code)] // functions of a C library

use std::{
    cell::Cell,
    ffi::{CStr, c_char, c_int, c_void},
    io, mem, ptr,
    rc::Rc,
    time::{Duration, Instant},
};

use gio::prelude::*;
use glib::translate::{FromGlib, ToGlibPtr, from_glib_full};
use qio::ChannelSocket;

use super::{
    ends::{Net, URI},
    work::{DOCUMENTS, Work},
};

type New = unsafe extern "C" fn(
    *mut c_void,
    *mut glib_sys::GUri,
    c_int,
    *const c_char,
    *const c_char,
    *mut glib_sys::GList,
) -> *mut glib::gobject_ffi::GObject;
type Send = unsafe extern "C" fn(*mut c_void, c_int, *mut glib_sys::GBytes);
type GetType = unsafe extern "C" fn() -> usize;
type Configure = unsafe extern "C" fn(
    *mut c_void,
    c_int,
    *mut glib_sys::GHashTable,
    *mut *mut glib_sys::GError,
) -> c_int;

const CLIENT: c_int = 1;
const SERVER: c_int = 2;
const TEXT: c_int = 1;

fn symbol(name: &CStr) -> io::Result<*mut c_void> {
    // SAFETY: both names end with a NUL; the library stays loaded.
    let symbol = unsafe {
        let library = libc::dlopen(c"libsoup-3.0.so.0".as_ptr(), libc::RTLD_NOW);
        match library.is_null() {
            true => ptr::null_mut(),
            false => libc::dlsym(library, name.as_ptr()),
        }
    };
    match symbol.is_null() {
        true => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "libsoup is not installed",
        )),
        false => Ok(symbol),
    }
}

/// The extension, with its default parameters, for one end.
fn deflate(role: c_int) -> io::Result<*mut glib_sys::GList> {
    // SAFETY: the functions of these names have these types; the reference to the object goes to
    // the list, and the list to the connection.
    unsafe {
        let get_type = symbol(c"soup_websocket_extension_deflate_get_type")?;
        let get_type = mem::transmute::<*mut c_void, GetType>(get_type)();
        let configure = symbol(c"soup_websocket_extension_configure")?;
        let configure = mem::transmute::<*mut c_void, Configure>(configure);
        let extension = glib::Object::with_type(glib::Type::from_glib(get_type));
        let pointer: *mut glib::gobject_ffi::GObject = extension.to_glib_full();
        configure(pointer.cast(), role, ptr::null_mut(), ptr::null_mut());
        Ok(glib_sys::g_list_append(ptr::null_mut(), pointer.cast()))
    }
}

fn connection(stream: &gio::IOStream, role: c_int, compressed: bool) -> io::Result<glib::Object> {
    let uri = glib::Uri::parse(URI, glib::UriFlags::NONE).expect("a URI");
    let extensions = match compressed {
        true => deflate(role)?,
        false => ptr::null_mut(),
    };
    // SAFETY: the function of that name has this type, takes references of its own to stream and
    // URI, and returns a new object.
    unsafe {
        let new = symbol(c"soup_websocket_connection_new")?;
        let new = mem::transmute::<*mut c_void, New>(new);
        let stream: *mut gio::ffi::GIOStream = stream.to_glib_none().0;
        let uri = uri.to_glib_none().0;
        let object = new(
            stream.cast(),
            uri,
            role,
            ptr::null(),
            ptr::null(),
            extensions,
        );
        Ok(from_glib_full(object))
    }
}

fn send(connection: &glib::Object, send: Send, data: &glib::Bytes) {
    let object: *mut glib::gobject_ffi::GObject = connection.to_glib_none().0;
    // SAFETY: the connection is alive, and takes a reference to the data.
    unsafe { send(object.cast(), TEXT, data.to_glib_none().0) };
}

fn stream(fd: std::os::fd::OwnedFd, bridge: bool) -> io::Result<gio::IOStream> {
    if bridge {
        use qio::prelude::*;
        return Ok(ChannelSocket::new_fd(fd)?.io_stream().upcast());
    }
    let socket = gio::Socket::from_fd(fd).map_err(io::Error::other)?;
    Ok(socket.connection_factory_create_connection().upcast())
}

/// Both ends on one main loop.
pub(crate) fn measure(work: Work, net: Net, bridge: bool) -> io::Result<Duration> {
    let compressed = matches!(work, Work::Deflate { .. });
    let function = symbol(c"soup_websocket_connection_send_message")?;
    // SAFETY: the function of that name has this type.
    let function = unsafe { mem::transmute::<*mut c_void, Send>(function) };
    let context = glib::MainContext::new();
    let body = || {
        let (here, there) = net.pair()?;
        let client = connection(&stream(here, bridge)?, CLIENT, compressed)?;
        let server = connection(&stream(there, bridge)?, SERVER, compressed)?;
        let received = Rc::new(Cell::new(0));
        let (count, documents) = match work {
            Work::Deflate { count } => (count, DOCUMENTS.iter().map(glib::Bytes::from).collect()),
            Work::PingPong { trips } => (
                trips,
                vec![glib::Bytes::from_static(b"twenty bytes of text")],
            ),
            _ => return Err(io::Error::other("libsoup is no peer of that case")),
        };
        let start = Instant::now();
        let counter = received.clone();
        if compressed {
            client.connect_local("message", false, move |_| {
                counter.set(counter.get() + 1);
                None
            });
            for document in documents.iter().cycle().take(count) {
                send(&server, function, document);
            }
        } else {
            let (text, trips) = (documents[0].clone(), count);
            let peer = client.downgrade();
            client.connect_local("message", false, move |_| {
                counter.set(counter.get() + 1);
                if let Some(client) = peer.upgrade().filter(|_| counter.get() < trips) {
                    send(&client, function, &text);
                }
                None
            });
            let (text, peer) = (documents[0].clone(), server.downgrade());
            server.connect_local("message", false, move |_| {
                if let Some(server) = peer.upgrade() {
                    send(&server, function, &text);
                }
                None
            });
            send(&client, function, &documents[0]);
        }
        while received.get() < count {
            context.iteration(true);
        }
        Ok(start.elapsed())
    };
    context.with_thread_default(body).expect("its own")
}
