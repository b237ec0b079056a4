//! The object, and its configuration.

use std::sync::{Arc, LazyLock, OnceLock};

use glib::{ParamSpec, prelude::*, subclass::prelude::*};
use openssl::ssl::SslContext;

use super::{
    QIOTlsCreds, QIOTlsCredsClass, TlsEndpoint, builder::TlsCredsBuilder, key_log::Sink,
    sessions::Sessions,
};
use crate::layer::tls::verify::Policy;

#[derive(Debug, Default)]
pub struct TlsCreds {
    /// Set once, when they are built.
    config: OnceLock<Config>,
}

/// The configuration, which never changes.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) endpoint: TlsEndpoint,
    pub(super) context: SslContext,
    pub(super) verifies_peer: bool,
    /// The most bytes of a handshake that are taken of the peer.
    pub(super) max_handshake_size: usize,
    /// Session tickets that a server sends with TLS 1.3.
    pub(super) tickets: u8,
    /// The cipher suites that need an extended master secret, by their numbers on the wire.
    pub(super) cbc_suites: Arc<[[u8; 2]]>,
    pub(super) policy: Arc<Policy>,
    pub(super) alpn: Vec<Vec<u8>>,
    /// The sessions of `context`, and no others.
    pub(super) sessions: Arc<Sessions>,
    /// The callback of the key log.
    pub(super) key_log: Option<Sink>,
}

#[glib::object_subclass]
impl ObjectSubclass for TlsCreds {
    const NAME: &'static str = "QIOTlsCreds";
    type Type = super::TlsCreds;
    type Class = QIOTlsCredsClass;
    type Instance = QIOTlsCreds;
}

impl ObjectImpl for TlsCreds {
    fn properties() -> &'static [ParamSpec] {
        static PROPERTIES: LazyLock<[ParamSpec; 2]> = LazyLock::new(|| {
            [
                glib::ParamSpecEnum::builder::<TlsEndpoint>("endpoint")
                    .nick("Endpoint")
                    .blurb("Which endpoint the credentials are for")
                    .read_only()
                    .build(),
                glib::ParamSpecBoolean::builder("verifies-peer")
                    .nick("Verifies the peer")
                    .blurb("Whether the certificate of the peer is verified")
                    .read_only()
                    .build(),
            ]
        });
        &*PROPERTIES
    }

    fn property(&self, _id: usize, pspec: &ParamSpec) -> glib::Value {
        match pspec.name() {
            "endpoint" => self.config().endpoint.to_value(),
            "verifies-peer" => self.config().verifies_peer.to_value(),
            name => unreachable!("no property {name}"),
        }
    }
}

impl TlsCreds {
    pub(super) fn set(&self, config: Config) {
        self.config.set(config).expect("set once");
    }

    /// An object that was constructed by its type alone has no trust anchors.
    pub(super) fn config(&self) -> &Config {
        self.config.get_or_init(|| {
            TlsCredsBuilder::without_trust_anchors().expect("OpenSSL can make a context")
        })
    }
}
