//! What credentials carry.

use std::sync::{Arc, OnceLock};

use glib::subclass::prelude::*;
use openssl::ssl::SslContext;

use super::{
    QIOTlsCreds, QIOTlsCredsClass, TlsEndpoint, builder::TlsCredsBuilder, sessions::Sessions,
};

#[derive(Debug, Default)]
pub struct TlsCreds {
    /// Set once, by whoever makes them.
    made: OnceLock<Made>,
}

/// What does not change any more.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) endpoint: TlsEndpoint,
    pub(super) context: SslContext,
    pub(super) verifies_peer: bool,
    /// Those of `context`, and no others.
    pub(super) sessions: Arc<Sessions>,
}

#[glib::object_subclass]
impl ObjectSubclass for TlsCreds {
    const NAME: &'static str = "QIOTlsCreds";
    type Type = super::TlsCreds;
    type Class = QIOTlsCredsClass;
    type Instance = QIOTlsCreds;
}

impl ObjectImpl for TlsCreds {}

impl TlsCreds {
    pub(super) fn set(&self, made: Made) {
        self.made.set(made).expect("set once");
    }

    /// An object that was made by its type alone trusts nobody.
    pub(super) fn made(&self) -> &Made {
        self.made
            .get_or_init(|| TlsCredsBuilder::trusting_nobody().expect("OpenSSL can make a context"))
    }
}
