//! The string representation of addresses.

use std::{
    fmt::{self, Write as _},
    os::unix::ffi::OsStrExt,
};

use super::{CIDS, Host, Kind, VSOCK_ANY};

pub(super) fn write(kind: &Kind, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match kind {
        Kind::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
        Kind::Unix(path) => write!(f, "unix:{}", Path(path.as_os_str().as_bytes())),
        Kind::Abstract(name) => write!(f, "unix:@{}", Bytes(name)),
        Kind::Vsock { cid, port } => {
            f.write_str("vsock:")?;
            match CIDS.iter().find(|(_, number)| number == cid) {
                Some((name, _)) => f.write_str(name)?,
                None => write!(f, "{cid}")?,
            }
            match *port {
                VSOCK_ANY => f.write_str(":any"),
                port => write!(f, ":{port}"),
            }
        }
        Kind::Fd(number) => write!(f, "fd:{number}"),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => Ok(()),
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address, None) => write!(f, "[{address}]"),
            Self::V6(address, Some(scope)) => write!(f, "[{address}%{scope}]"),
        }
    }
}

/// A path. An `@` at its beginning is escaped, as it marks an abstract name.
pub(super) struct Path<'a>(pub(super) &'a [u8]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_first() {
            Some((b'@', rest)) => write!(f, "%40{}", Bytes(rest)),
            _ => write!(f, "{}", Bytes(self.0)),
        }
    }
}

/// Bytes, as text where they are valid.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c == '%' || c.is_control() {
                    true => codes(f, c.encode_utf8(&mut [0; 4]).as_bytes())?,
                    false => f.write_char(c)?,
                }
            }
            codes(f, chunk.invalid())?;
        }
        Ok(())
    }
}

/// Each byte as `%` and two digits.
pub(super) fn codes(f: &mut impl fmt::Write, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "%{byte:02X}"))
}
