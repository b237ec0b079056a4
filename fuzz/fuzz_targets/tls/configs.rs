//! The configurations of both ends. They are the same in every run, and OpenSSL's random numbers
//! are deterministic, so that an input has the same effect each time, and a recorded client fits
//! the server.

use std::{
    ffi::{c_int, c_void},
    ptr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use gio::{TlsAuthenticationMode, TlsProtocolVersion};
use openssl::{
    asn1::{Asn1Integer, Asn1Time},
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::PKey,
    x509::{
        X509, X509NameBuilder,
        extension::{BasicConstraints, SubjectAlternativeName},
    },
};
use qio::{TlsCreds, TlsCredsBuilder, TlsEndpoint, TlsPskHash};

/// The name of the server.
pub const NAME: &str = "fuzz.test";
/// The key that both ends have, and its name.
pub const KEY: (&str, [u8; 16]) = ("alice", *b"sixteen bytes...");

/// The configuration of both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    Certificate,
    Certificate12,
    ClientRequired,
    ClientRequired12,
    ClientRequested,
    Psk,
    PskSha384,
    Psk12,
    PskOrCertificate,
    Alpn,
    Tickets,
    Tickets12,
    Anonymous,
}

impl Setting {
    pub const ALL: [Self; 13] = [
        Self::Certificate,
        Self::Certificate12,
        Self::ClientRequired,
        Self::ClientRequired12,
        Self::ClientRequested,
        Self::Psk,
        Self::PskSha384,
        Self::Psk12,
        Self::PskOrCertificate,
        Self::Alpn,
        Self::Tickets,
        Self::Tickets12,
        Self::Anonymous,
    ];

    pub fn of(byte: u8) -> Self {
        Self::ALL[usize::from(byte) % Self::ALL.len()]
    }

    /// Whether an earlier session is resumed.
    pub fn resumes(self) -> bool {
        matches!(self, Self::Tickets | Self::Tickets12)
    }

    fn has_key(self) -> bool {
        matches!(
            self,
            Self::Psk | Self::PskSha384 | Self::Psk12 | Self::PskOrCertificate
        )
    }

    fn builder(self, endpoint: TlsEndpoint) -> TlsCredsBuilder {
        // Its own authority, and no authority: that is for others to test.
        let mut builder = TlsCreds::builder(endpoint)
            .verify_on_load(false)
            .resumption(self.resumes());
        if matches!(
            self,
            Self::Certificate12
                | Self::ClientRequired12
                | Self::Psk12
                | Self::Tickets12
                | Self::Anonymous
        ) {
            builder = builder.max_version(TlsProtocolVersion::Tls12);
        }
        if self == Self::Anonymous {
            return builder.insecure_anonymous();
        }
        if self.has_key() {
            builder = builder.psk(KEY.0, KEY.1);
        }
        match self {
            Self::Alpn => builder.alpn_protocols(["nbd", "echo"]),
            Self::PskSha384 if endpoint == TlsEndpoint::Client => {
                builder.psk_hash(TlsPskHash::Sha384)
            }
            _ => builder,
        }
    }

    fn make_server(self) -> TlsCreds {
        let (certificate, key) = &*IDENTITY;
        restart_chance(self as u64);
        let mut builder = self.builder(TlsEndpoint::Server);
        if self != Self::Anonymous && (!self.has_key() || self == Self::PskOrCertificate) {
            builder = builder.certificate_pem(certificate.as_slice(), key.as_slice());
        }
        builder = match self {
            Self::ClientRequired | Self::ClientRequired12 => builder
                .trust_pem(certificate.as_slice())
                .client_certificates(TlsAuthenticationMode::Required),
            Self::ClientRequested => builder
                .trust_pem(certificate.as_slice())
                .client_certificates(TlsAuthenticationMode::Requested),
            _ => builder,
        };
        builder.build().expect("good credentials")
    }

    /// A client without sessions.
    pub fn make_client(self) -> TlsCreds {
        let (certificate, key) = &*IDENTITY;
        let builder = self.builder(TlsEndpoint::Client);
        let builder = match self {
            Self::ClientRequired | Self::ClientRequired12 | Self::ClientRequested => {
                builder.certificate_pem(certificate.as_slice(), key.as_slice())
            }
            _ => builder,
        };
        let builder = match self.has_key() || self == Self::Anonymous {
            true => builder,
            false => builder.trust_pem(certificate.as_slice()),
        };
        builder.build().expect("good credentials")
    }

    /// The server.
    pub fn server(self) -> TlsCreds {
        static MADE: LazyLock<[TlsCreds; Setting::ALL.len()]> =
            LazyLock::new(|| Setting::ALL.map(Setting::make_server));
        MADE[self as usize].clone()
    }

    /// A client, which has a session only if it was made for this run.
    pub fn client(self) -> TlsCreds {
        static MADE: LazyLock<[TlsCreds; Setting::ALL.len()]> =
            LazyLock::new(|| Setting::ALL.map(Setting::make_client));
        match self.resumes() {
            true => self.make_client(),
            false => MADE[self as usize].clone(),
        }
    }
}

/// A certificate that all ends present and trust, and its key, in PEM form.
pub static IDENTITY: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    restart_chance(1000);
    identity().expect("a certificate")
});

fn identity() -> Result<(Vec<u8>, Vec<u8>), openssl::error::ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, NAME)?;
    let name = name.build();
    let mut x509 = X509::builder()?;
    x509.set_version(2)?;
    let serial = Asn1Integer::from_bn(BigNum::from_u32(1)?.as_ref())?;
    x509.set_serial_number(&serial)?;
    x509.set_subject_name(&name)?;
    x509.set_issuer_name(&name)?;
    x509.set_pubkey(&key)?;
    let (from, to) = (
        Asn1Time::from_str("20200101000000Z")?,
        Asn1Time::from_str("20900101000000Z")?,
    );
    x509.set_not_before(&from)?;
    x509.set_not_after(&to)?;
    x509.append_extension(BasicConstraints::new().critical().build()?)?;
    let names = SubjectAlternativeName::new()
        .dns(NAME)
        .build(&x509.x509v3_context(None, None))?;
    x509.append_extension(names)?;
    x509.sign(&key, MessageDigest::sha256())?;
    Ok((x509.build().to_pem()?, key.private_key_to_pem_pkcs8()?))
}

/// The state of OpenSSL's random numbers.
static CHANCE: AtomicU64 = AtomicU64::new(0);

/// Restarts OpenSSL's random numbers from a seed.
pub fn restart_chance(seed: u64) {
    static METHOD: Method = Method {
        seed: None,
        bytes: Some(fill),
        cleanup: None,
        add: None,
        pseudorand: Some(fill),
        status: Some(is_ready),
    };
    // SAFETY: the method is static, with all functions that OpenSSL calls.
    let set = unsafe { RAND_set_rand_method(ptr::from_ref(&METHOD)) };
    assert_eq!(set, 1, "OpenSSL takes the method");
    CHANCE.store(seed, Ordering::Relaxed);
}

/// Exchanges the state of the random numbers.
pub fn swap_chance(chance: u64) -> u64 {
    CHANCE.swap(chance, Ordering::Relaxed)
}

/// `RAND_METHOD` of OpenSSL.
#[repr(C)]
struct Method {
    seed: Option<unsafe extern "C" fn(*const c_void, c_int) -> c_int>,
    bytes: Option<unsafe extern "C" fn(*mut u8, c_int) -> c_int>,
    cleanup: Option<unsafe extern "C" fn()>,
    add: Option<unsafe extern "C" fn(*const c_void, c_int, f64) -> c_int>,
    pseudorand: Option<unsafe extern "C" fn(*mut u8, c_int) -> c_int>,
    status: Option<unsafe extern "C" fn() -> c_int>,
}

unsafe extern "C" {
    fn RAND_set_rand_method(method: *const Method) -> c_int;
}

unsafe extern "C" fn fill(bytes: *mut u8, len: c_int) -> c_int {
    for i in 0..usize::try_from(len).unwrap_or(0) {
        let number = CHANCE.fetch_add(1, Ordering::Relaxed);
        let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        // SAFETY: OpenSSL hands out so many bytes.
        unsafe { bytes.add(i).write((mixed >> 56) as u8) };
    }
    1
}

unsafe extern "C" fn is_ready() -> c_int {
    1
}
