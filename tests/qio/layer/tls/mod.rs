//! TLS.

mod creds;
