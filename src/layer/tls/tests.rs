//! What cannot be seen from outside.

mod buffers;
#[path = "../../../tests/qio/common/certs.rs"]
#[allow(dead_code)] // the tests outside use the rest
pub(super) mod certs;
mod conformance;
mod replay;
