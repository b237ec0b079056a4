//! Verification of certificate chains by OpenSSL: which of its errors count, their flags, and
//! additional checks.

use std::cmp::Ordering;

use gio::TlsCertificateFlags;
use openssl::{
    error::ErrorStack,
    nid::Nid,
    ssl::SslRef,
    x509::{
        X509, X509Ref, X509StoreContextRef, X509VerifyResult, extension::SubjectAlternativeName,
    },
};
use openssl_sys as ffi;

use super::{shim, verify_error};

/// The settings of the credentials.
#[derive(Debug, Default)]
pub(super) struct Policy {
    /// The issuers that have a CRL, in DER.
    pub(super) crl_issuers: Vec<Vec<u8>>,
    /// Certificates of other issuers are not refused.
    pub(super) allows_missing_crl: bool,
}

/// The result of a verification.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) errors: TlsCertificateFlags,
    /// The first error, and the same as a message.
    pub(super) first: Option<(X509VerifyResult, String)>,
    /// The leaf first.
    pub(super) chain: Vec<X509>,
}

impl Findings {
    fn add(&mut self, error: X509VerifyResult, reason: String) {
        self.errors |= flag(error);
        self.first.get_or_insert((error, reason));
    }
}

impl Policy {
    /// Verifies the chain of a store context; with `finds_all` past the first error, which is only
    /// for chains that a handler decides on: verifying a chain without a trust anchor costs what
    /// the peer chooses.
    pub(super) fn verify(
        &self,
        ssl: &SslRef,
        context: &mut X509StoreContextRef,
        finds_all: bool,
    ) -> Findings {
        let mut findings = Findings {
            errors: TlsCertificateFlags::empty(),
            first: None,
            chain: Vec::new(),
        };
        let good = shim::verify_chain(context, &mut |good, context| {
            if good {
                return true;
            }
            if self.passes_over(context) {
                context.set_error(X509VerifyResult::OK);
                return true;
            }
            findings.add(context.error(), verify_error::describe(context));
            finds_all
        });
        let chain = context.chain().into_iter().flatten();
        findings.chain = chain.map(ToOwned::to_owned).collect();
        if !good && findings.errors.is_empty() {
            let error = context.error();
            findings.add(error, error.error_string().to_owned());
        }
        if findings.errors.is_empty() || finds_all {
            for reason in check_further(ssl, &findings.chain) {
                findings.add(shim::cert_rejected(), reason);
            }
        }
        // If the handshake continues, by another path or without the session, OpenSSL would take
        // what is left in the queue of this thread, such as a wrong signature, for its own errors.
        drop(ErrorStack::get());
        findings
    }

    /// Whether the chain of an earlier handshake verifies now.
    pub(super) fn verifies_again(&self, ssl: &SslRef, chain: &[X509]) -> bool {
        let found = shim::with_chain(ssl, chain, |context| self.verify(ssl, context, false));
        found.is_ok_and(|findings| findings.errors.is_empty())
    }

    /// Whether an error of OpenSSL's does not count: of an issuer without any CRL, where that is
    /// allowed, and of the trust anchor itself; and of a name that is the common name of a
    /// certificate without alternative names.
    fn passes_over(&self, context: &X509StoreContextRef) -> bool {
        match context.error().as_raw() {
            ffi::X509_V_ERR_UNABLE_TO_GET_CRL => {
                let issuer = context
                    .current_cert()
                    .and_then(|it| it.issuer_name().to_der().ok());
                let last = context.chain().map_or(0, |chain| chain.len());
                let is_anchor = context.error_depth() as usize + 1 == last;
                let has_crl = issuer.is_none_or(|issuer| self.crl_issuers.contains(&issuer));
                !has_crl && (self.allows_missing_crl || is_anchor)
            }
            ffi::X509_V_ERR_HOSTNAME_MISMATCH => shim::is_for_common_name(context),
            error => OMISSIONS.contains(&error),
        }
    }

    /// Another path to a trust anchor: OpenSSL tries one only, whichever of several certificates of
    /// an issuer it meets first. Each of these is left out in turn.
    pub(super) fn other_path(
        &self,
        ssl: &SslRef,
        presented: &[X509],
        found: &Findings,
    ) -> Option<Findings> {
        let (own, _) = found.chain.split_first()?;
        let mut certificates = vec![own.clone()];
        certificates.extend(presented.iter().filter(|it| *it != own).cloned());
        let mut left = vec![(certificates, found.chain.clone())];
        let mut attempts = 0;
        while let Some((certificates, chain)) = left.pop() {
            for used in &chain[1..] {
                let has_other = certificates
                    .iter()
                    .any(|it| it != used && same_subject(it, used));
                if !has_other || !certificates.contains(used) {
                    continue;
                }
                if attempts == MOST_PATHS {
                    return None;
                }
                attempts += 1;
                let mut rest = certificates.clone();
                rest.retain(|it| it != used);
                let verify = |context: &mut X509StoreContextRef| self.verify(ssl, context, false);
                let next = shim::with_chain(ssl, &rest, verify).ok()?;
                if next.errors.is_empty() {
                    return Some(next);
                }
                left.push((rest, next.chain));
            }
        }
        None
    }
}

/// Additional checks of a chain that OpenSSL accepts. Returns the reasons to refuse it.
fn check_further(ssl: &SslRef, chain: &[X509]) -> Vec<String> {
    let Some((own, issuers)) = chain.split_first() else {
        return Vec::new();
    };
    let mut reasons = Vec::new();
    let mut reject = |certificate: &X509Ref, why: &str| {
        let whose = verify_error::subject(certificate.subject_name());
        reasons.push(format!("{whose}: {why}"));
    };
    if shim::extension(own, Nid::NAME_CONSTRAINTS).is_some() {
        reject(own, "name constraints in an end-entity certificate");
    }
    for issuer in issuers {
        let constraints = shim::extension(issuer, Nid::NAME_CONSTRAINTS);
        if constraints.is_some_and(|der| !has_subtrees(der)) {
            reject(issuer, "empty name constraints");
        }
    }
    // A wildcard may be for names that an issuer must not certify.
    let mut constrained = issuers
        .iter()
        .filter(|it| shim::extension(it, Nid::NAME_CONSTRAINTS).is_some())
        .peekable();
    if constrained.peek().is_some()
        && let Some(host) = shim::host(ssl)
    {
        let obeys = |host: &X509, issuer| shim::obeys_constraints(host, issuer);
        let host = certificate_for(host);
        if let Some(issuer) =
            constrained.find(|issuer| !host.as_ref().is_ok_and(|host| obeys(host, issuer)))
        {
            reject(issuer, "its name constraints exclude the host");
        }
    }
    if !ssl.is_server() && must_staple(own) {
        reject(
            own,
            "requires a stapled OCSP response (must-staple), which is not supported",
        );
    }
    reasons
}

/// Errors of OpenSSL's strict mode that are ignored: requirements of RFC 5280 for CA certificates
/// that many private CAs omit, and that the verification does not depend on.
const OMISSIONS: [i32; 4] = [
    85, // X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER
    86, // X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER
    89, // X509_V_ERR_CA_BCONS_NOT_CRITICAL
    92, // X509_V_ERR_CA_CERT_MISSING_KEY_USAGE
];

/// The most other paths that are tried.
const MOST_PATHS: usize = 8;

/// Whether two certificates have the same subject.
fn same_subject(one: &X509, other: &X509) -> bool {
    let (one, other) = (one.subject_name(), other.subject_name());
    one.try_cmp(other).is_ok_and(Ordering::is_eq)
}

/// An unsigned certificate with one DNS name, to check name constraints with.
fn certificate_for(host: &str) -> Result<X509, ErrorStack> {
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    let name = SubjectAlternativeName::new()
        .dns(host)
        .build(&builder.x509v3_context(None, None))?;
    builder.append_extension(name)?;
    Ok(builder.build())
}

/// Whether name constraints, in DER, have any subtree: `SEQUENCE { [0] { … }, [1] { … } }`, of
/// which one must be there.
fn has_subtrees(der: &[u8]) -> bool {
    const EMPTY: [&[u8]; 4] = [
        &[0x30, 0],
        &[0x30, 2, 0xa0, 0],
        &[0x30, 2, 0xa1, 0],
        &[0x30, 4, 0xa0, 0, 0xa1, 0],
    ];
    !EMPTY.contains(&der)
}

/// The number of the TLS feature extension, `NID_tlsfeature`.
const TLS_FEATURE: i32 = 1020;

/// Whether a certificate has the TLS feature `status_request` (RFC 7633).
fn must_staple(certificate: &X509Ref) -> bool {
    const STATUS_REQUEST: [u8; 3] = [2, 1, 5];
    let features = shim::extension(certificate, Nid::from_raw(TLS_FEATURE));
    // A SEQUENCE of INTEGER, each of one byte where it is this one.
    features.is_some_and(|der| der.windows(3).any(|it| it == STATUS_REQUEST))
}

/// The flag of an error.
fn flag(error: X509VerifyResult) -> TlsCertificateFlags {
    match error.as_raw() {
        ffi::X509_V_ERR_CERT_NOT_YET_VALID => TlsCertificateFlags::NOT_ACTIVATED,
        ffi::X509_V_ERR_CERT_HAS_EXPIRED => TlsCertificateFlags::EXPIRED,
        ffi::X509_V_ERR_CERT_REVOKED => TlsCertificateFlags::REVOKED,
        ffi::X509_V_ERR_HOSTNAME_MISMATCH
        | ffi::X509_V_ERR_IP_ADDRESS_MISMATCH
        | ffi::X509_V_ERR_EMAIL_MISMATCH => TlsCertificateFlags::BAD_IDENTITY,
        ffi::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
        | ffi::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        | ffi::X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE
        | ffi::X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
        | ffi::X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
        | ffi::X509_V_ERR_CERT_UNTRUSTED
        | ffi::X509_V_ERR_CERT_SIGNATURE_FAILURE
        | ffi::X509_V_ERR_INVALID_CA => TlsCertificateFlags::UNKNOWN_CA,
        ffi::X509_V_ERR_EE_KEY_TOO_SMALL
        | ffi::X509_V_ERR_CA_KEY_TOO_SMALL
        | ffi::X509_V_ERR_CA_MD_TOO_WEAK => TlsCertificateFlags::INSECURE,
        _ => TlsCertificateFlags::GENERIC_ERROR,
    }
}
