//! Certificates, generated for each test: valid and invalid ones.

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, CrlScope, CustomExtension, DistinguishedName, DnType, IsCa,
    Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

/// Bits of the key usage, as they are encoded.
pub(crate) const SIGNS: u8 = 0x80;
pub(crate) const ENCIPHERS: u8 = 0x20;
pub(crate) const SIGNS_CERTIFICATES: u8 = 0x04;
pub(crate) const SIGNS_LISTS: u8 = 0x02;

/// What a key is for; the last part of the identifier.
pub(crate) const FOR_SERVERS: u8 = 1;
pub(crate) const FOR_CLIENTS: u8 = 2;

/// Whether an extension must be heeded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heed {
    Must,
    May,
}

/// A certificate that is going to be signed.
pub(crate) struct Request(CertificateParams);

impl Request {
    /// Of a certificate authority (CA), which may sign certificates and revocation lists (CRL).
    pub(crate) fn authority(name: &str) -> Self {
        Self::plain(name)
            .constraints(IsCa::Ca(BasicConstraints::Unconstrained))
            .usage(Heed::Must, SIGNS_CERTIFICATES | SIGNS_LISTS)
    }

    /// Of a server, for a name in the subject alone: [`dns`](Self::dns) is what counts.
    pub(crate) fn server(name: &str) -> Self {
        Self::plain(name)
            .constraints(IsCa::ExplicitNoCa)
            .usage(Heed::Must, SIGNS)
            .purpose(Heed::Must, &[FOR_SERVERS])
    }

    pub(crate) fn client(name: &str) -> Self {
        Self::plain(name)
            .constraints(IsCa::ExplicitNoCa)
            .usage(Heed::Must, SIGNS)
            .purpose(Heed::Must, &[FOR_CLIENTS])
    }

    /// Without any extension.
    pub(crate) fn plain(name: &str) -> Self {
        let mut params = CertificateParams::default();
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CountryName, "UK");
        subject.push(DnType::CommonName, name);
        params.distinguished_name = subject;
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2090, 1, 1));
        Self(params)
    }

    pub(crate) fn constraints(mut self, is: IsCa) -> Self {
        self.0.is_ca = is;
        self
    }

    /// Adds non-critical basic constraints of a CA.
    pub(crate) fn perhaps_authority(self) -> Self {
        self.extension(&[2, 5, 29, 19], Heed::May, vec![0x30, 3, 1, 1, 0xff])
    }

    /// The key usage: instead of another one.
    pub(crate) fn usage(self, heed: Heed, bits: u8) -> Self {
        let value = match bits {
            0 => vec![3, 1, 0],
            bits => vec![3, 2, bits.trailing_zeros() as u8, bits],
        };
        self.extension(&[2, 5, 29, 15], heed, value)
    }

    /// The extended key usage: instead of another one.
    pub(crate) fn purpose(self, heed: Heed, purposes: &[u8]) -> Self {
        let each = |last: &u8| [6, 8, 0x2b, 6, 1, 5, 5, 7, 3, *last];
        let list: Vec<_> = purposes.iter().flat_map(each).collect();
        let value = [vec![0x30, list.len() as u8], list].concat();
        self.extension(&[2, 5, 29, 37], heed, value)
    }

    /// A server has to send its revocation status: the TLS feature `status_request`.
    pub(crate) fn must_staple(self) -> Self {
        let id = [1, 3, 6, 1, 5, 5, 7, 1, 24];
        self.extension(&id, Heed::May, vec![0x30, 3, 2, 1, 5])
    }

    /// Takes the key usage and the extended one out.
    pub(crate) fn for_anything(mut self) -> Self {
        self.0.custom_extensions.clear();
        self
    }

    /// The name constraints: DNS names that are permitted, and such as are excluded.
    pub(crate) fn name_constraints(
        self,
        heed: Heed,
        permitted: &[&str],
        excluded: &[&str],
    ) -> Self {
        let subtrees = |tag, names: &[&str]| {
            let each = |name: &&str| der(0x30, &der(0x82, name.as_bytes()));
            let all: Vec<_> = names.iter().flat_map(each).collect();
            match all.is_empty() {
                true => Vec::new(),
                false => der(tag, &all),
            }
        };
        let value = [subtrees(0xa0, permitted), subtrees(0xa1, excluded)].concat();
        self.extension(&[2, 5, 29, 30], heed, der(0x30, &value))
    }

    /// With another common name as well.
    pub(crate) fn also_named(mut self, name: &str) -> Self {
        let common_name = DnType::CustomDnType(vec![2, 5, 4, 3]);
        self.0.distinguished_name.push(common_name, name);
        self
    }

    pub(crate) fn email(mut self, address: &str) -> Self {
        let address = address.try_into().expect("ASCII");
        self.0.subject_alt_names.push(SanType::Rfc822Name(address));
        self
    }

    /// Without a subject.
    pub(crate) fn nameless(mut self) -> Self {
        self.0.distinguished_name = DistinguishedName::new();
        self
    }

    /// Alternative names as they are encoded: instead of others.
    pub(crate) fn alternative_names(self, heed: Heed, names: &[&str]) -> Self {
        let all: Vec<_> = names
            .iter()
            .flat_map(|name| der(0x82, name.as_bytes()))
            .collect();
        self.extension(&[2, 5, 29, 17], heed, der(0x30, &all))
    }

    /// Any extension.
    pub(crate) fn extension(mut self, id: &[u64], heed: Heed, value: Vec<u8>) -> Self {
        let all = &mut self.0.custom_extensions;
        all.retain(|other| !other.oid_components().eq(id.iter().copied()));
        let mut extension = CustomExtension::from_oid_content(id, value);
        extension.set_criticality(heed == Heed::Must);
        all.push(extension);
        self
    }

    pub(crate) fn dns(mut self, name: &str) -> Self {
        let name = name.try_into().expect("ASCII");
        self.0.subject_alt_names.push(SanType::DnsName(name));
        self
    }

    pub(crate) fn ip(mut self, address: &str) -> Self {
        let address: IpAddr = address.parse().expect("an address");
        self.0.subject_alt_names.push(SanType::IpAddress(address));
        self
    }

    /// What revocations call it.
    pub(crate) fn serial(mut self, number: u8) -> Self {
        self.0.serial_number = Some(SerialNumber::from_slice(&[number]));
        self
    }

    pub(crate) fn expired(mut self) -> Self {
        (self.0.not_before, self.0.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        self
    }

    pub(crate) fn expires_in(mut self, left: Duration) -> Self {
        self.0.not_after = (SystemTime::now() + left).into();
        self
    }

    pub(crate) fn not_yet_valid(mut self) -> Self {
        (self.0.not_before, self.0.not_after) =
            (date_time_ymd(2089, 1, 1), date_time_ymd(2090, 1, 1));
        self
    }

    pub(crate) fn signed_by(self, issuer: &Cert) -> Cert {
        let key = KeyPair::generate().expect("a key");
        let signed = self.0.signed_by(&key, &issuer.as_issuer());
        Cert::new(signed.expect("signed").pem(), self.0, key)
    }

    /// With the key of another one: a renewal, or another path.
    pub(crate) fn with_key_of(self, twin: &Cert, issuer: &Cert) -> Cert {
        let key = KeyPair::from_pem(&twin.key).expect("its own key");
        let signed = self.0.signed_by(&key, &issuer.as_issuer());
        Cert::new(signed.expect("signed").pem(), self.0, key)
    }

    pub(crate) fn signed_by_itself(self) -> Cert {
        let key = KeyPair::generate().expect("a key");
        let signed = self.0.self_signed(&key);
        Cert::new(signed.expect("signed").pem(), self.0, key)
    }
}

/// A value of less than 128 bytes, in DER.
pub(crate) fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    [&[tag, value.len() as u8], value].concat()
}

/// A certificate with its key.
pub(crate) struct Cert {
    /// Both in PEM form.
    pub(crate) pem: String,
    pub(crate) key: String,
    params: CertificateParams,
    pair: KeyPair,
}

impl Cert {
    fn new(pem: String, params: CertificateParams, pair: KeyPair) -> Self {
        let key = pair.serialize_pem();
        Self {
            pem,
            key,
            params,
            pair,
        }
    }

    /// The same, presented together with other certificates.
    pub(crate) fn with_pem(&self, pem: String) -> Self {
        let pair = KeyPair::from_pem(&self.key).expect("its own key");
        Self::new(pem, self.params.clone(), pair)
    }

    fn as_issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.pair)
    }

    /// The certificate revocation list (CRL), in PEM form.
    pub(crate) fn revokes(&self, serials: &[u8]) -> String {
        self.revocations(serials, 2090)
    }

    /// The same, of another time.
    pub(crate) fn revoked_once(&self, serials: &[u8]) -> String {
        self.revocations(serials, 2021)
    }

    /// The same, until then.
    pub(crate) fn revokes_until(&self, serials: &[u8], until: SystemTime) -> String {
        self.revocations_of(serials, until, None)
    }

    /// A list that is about other certificates than those of ends.
    pub(crate) fn revokes_authorities(&self, serials: &[u8]) -> String {
        let until = date_time_ymd(2090, 1, 1).into();
        self.revocations_of(serials, until, Some(CrlScope::CaCertsOnly))
    }

    fn revocations(&self, serials: &[u8], until: i32) -> String {
        self.revocations_of(serials, date_time_ymd(until, 1, 1).into(), None)
    }

    fn revocations_of(&self, serials: &[u8], until: SystemTime, scope: Option<CrlScope>) -> String {
        let revoked = |number: &u8| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[*number]),
            revocation_time: date_time_ymd(2020, 2, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 2, 1),
            next_update: until.into(),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: scope.map(|scope| CrlIssuingDistributionPoint {
                distribution_point: CrlDistributionPoint {
                    uris: vec!["http://crl.test/".to_owned()],
                },
                scope: Some(scope),
            }),
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let signed = list.signed_by(&self.as_issuer()).expect("signed");
        signed.pem().expect("PEM")
    }
}

/// A directory in QEMU's layout, removed with the test.
pub(crate) struct Directory(tempfile::TempDir);

impl Directory {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    /// What a server has that trusts an authority.
    pub(crate) fn of_server(authorities: &str, server: &Cert) -> Self {
        Self::of("server", authorities, server)
    }

    /// What a client has.
    pub(crate) fn of_client(authorities: &str, client: &Cert) -> Self {
        Self::of("client", authorities, client)
    }

    fn of(end: &str, authorities: &str, cert: &Cert) -> Self {
        let this = Self::new();
        this.write("ca-cert.pem", authorities);
        this.write(&format!("{end}-cert.pem"), &cert.pem);
        this.write(&format!("{end}-key.pem"), &cert.key);
        this
    }

    /// Writes a file, which only its owner can read.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its own");
        path
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).expect("it was there");
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}
