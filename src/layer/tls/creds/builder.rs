//! How credentials are made.

use std::{io, sync::Arc};

use glib::subclass::prelude::*;
use openssl::ssl::{SslContext, SslMethod, SslVerifyMode, SslVersion};

use super::{TlsCreds, TlsEndpoint, imp::Made, sessions::Sessions};

/// Credentials that are going to be made. See [`TlsCreds::builder`].
#[derive(Debug, Clone)]
pub struct TlsCredsBuilder {
    endpoint: TlsEndpoint,
}

impl TlsCredsBuilder {
    pub(super) fn new(endpoint: TlsEndpoint) -> Self {
        Self { endpoint }
    }

    pub(super) fn trusting_nobody() -> io::Result<Made> {
        let mut context = SslContext::builder(SslMethod::tls())?;
        context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        context.set_verify(SslVerifyMode::PEER);
        let sessions = Arc::new(Sessions::default());
        sessions.keep(&mut context);
        Ok(Made {
            endpoint: TlsEndpoint::Client,
            context: context.build(),
            verifies_peer: true,
            sessions,
        })
    }

    /// Makes them.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn build(self) -> io::Result<TlsCreds> {
        let mut made = Self::trusting_nobody()?;
        made.endpoint = self.endpoint;
        let creds: TlsCreds = glib::Object::new();
        creds.imp().set(made);
        Ok(creds)
    }
}
