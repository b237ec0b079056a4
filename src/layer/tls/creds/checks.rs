//! Validates certificates for what they are to be used for: faults are reported when credentials
//! are loaded, and not when some peer refuses them.

use std::{cmp::Ordering, io};

use openssl::{
    asn1::Asn1Time,
    error::ErrorStack,
    nid::Nid,
    stack::Stack,
    x509::{
        X509, X509Crl, X509ExtendedKeyUsage, X509KeyUsage, X509NameRef, X509Ref, X509StoreContext,
        X509VerifyResult, store::X509StoreRef,
    },
};

use super::{TlsEndpoint, source::Source};
use crate::layer::tls::{reason, shim, verify_error::subject};

/// Checks trust anchors: at least one must be valid. An expired one among others does no harm.
pub(super) fn authorities(source: &Source, all: &[X509]) -> io::Result<()> {
    let mut first = None;
    for certificate in all {
        match is_valid(certificate).and_then(|()| is_authority(certificate)) {
            Ok(()) => return Ok(()),
            Err(reason) => first = first.or(Some(named(certificate, all.len(), reason))),
        }
    }
    first.map_or(Ok(()), |reason| Err(source.wrong(&reason)))
}

fn is_same(one: &X509NameRef, other: &X509NameRef) -> bool {
    one.try_cmp(other).is_ok_and(Ordering::is_eq)
}

fn is_root(certificate: &X509Ref) -> bool {
    is_same(certificate.subject_name(), certificate.issuer_name())
}

/// Returns the trust anchors that are used. An expired one that is no root, or has a successor,
/// would only hide a valid path.
pub(super) fn usable(all: Vec<X509>) -> Vec<X509> {
    let stays: Vec<_> = all
        .iter()
        .map(|one| {
            let mut others = all.iter().filter(|it| is_valid(it).is_ok());
            let has_successor = others.any(|it| is_same(it.subject_name(), one.subject_name()));
            is_valid(one).is_ok() || is_root(one) && !has_successor
        })
        .collect();
    let mut stays = stays.into_iter();
    all.into_iter()
        .filter(|_| stays.next() == Some(true))
        .collect()
}

/// Checks that trust anchors have signed the CRLs. The system trust store is not searched.
pub(super) fn crls(
    source: &Source,
    all: &[X509Crl],
    authorities: &[X509],
    system: bool,
) -> io::Result<()> {
    for crl in all {
        let issuer = crl.issuer_name();
        let is_issuer = |it: &&X509| it.subject_name().try_cmp(issuer).is_ok_and(|it| it.is_eq());
        let mut issuers = authorities.iter().filter(is_issuer).peekable();
        if issuers.peek().is_none() && system {
            continue;
        }
        let signed = |it: &X509| {
            it.public_key()
                .is_ok_and(|key| crl.verify(&key).unwrap_or(false))
        };
        if !issuers.any(signed) {
            // Errors of other keys must not stay in the queue of this thread.
            drop(ErrorStack::get());
            let issuer = subject(issuer);
            return Err(source.wrong(&format!(
                "the certificate revocation list of {issuer} is not signed by a trusted authority"
            )));
        }
    }
    Ok(())
}

/// Checks the own certificate and its chain. The last one may have expired if it is a root, or did
/// not issue the own certificate: peers may have another path.
pub(super) fn own(source: &Source, chain: &[X509], endpoint: TlsEndpoint) -> io::Result<()> {
    let last = chain.len() - 1;
    for (at, certificate) in chain.iter().enumerate() {
        let wrong = |reason| source.wrong(&named(certificate, chain.len(), reason));
        match is_valid(certificate).map_err(wrong) {
            Err(e) if at == last && (at > 1 || at == 1 && is_root(certificate)) => {
                glib::g_warning!("Qio", "{}; peers that need it will refuse the others", e);
            }
            valid => valid?,
        }
        match at {
            0 => is_for(certificate, endpoint),
            _ => is_authority(certificate),
        }
        .map_err(wrong)?;
    }
    Ok(())
}

/// Checks that the own chain leads to one of the CAs.
pub(super) fn leads_to(
    source: &Source,
    chain: &[X509],
    store: &X509StoreRef,
    authorities: &Source,
) -> io::Result<()> {
    let verify_error = verify(chain, store)
        .map_err(|e| source.wrong(&format!("unable to verify it: {}", reason(&e))))?;
    match verify_error {
        X509VerifyResult::OK => Ok(()),
        verify_error => Err(source.wrong(&format!(
            "no chain from the certificate to {authorities}: {}",
            verify_error.error_string()
        ))),
    }
}

fn verify(chain: &[X509], store: &X509StoreRef) -> Result<X509VerifyResult, ErrorStack> {
    let (own, rest) = chain.split_first().ok_or_else(ErrorStack::get)?;
    let mut others = Stack::new()?;
    for certificate in rest {
        others.push(certificate.clone())?;
    }
    X509StoreContext::new()?.init(store, own, &others, |context| {
        context.verify_cert()?;
        Ok(context.error())
    })
}

fn is_valid(certificate: &X509Ref) -> Result<(), String> {
    let now = Asn1Time::days_from_now(0).map_err(|e| reason(&e).to_owned())?;
    if certificate.not_after() < now {
        return Err(format!("it has expired on {}", certificate.not_after()));
    }
    if certificate.not_before() > now {
        let from = certificate.not_before();
        return Err(format!("it is not valid before {from}"));
    }
    Ok(())
}

fn is_authority(certificate: &X509Ref) -> Result<(), String> {
    match shim::is_ca(certificate) {
        Some(true) => {}
        Some(false) => return Err("not a CA certificate".to_owned()),
        None => {
            return Err("not a CA certificate: no basic constraints".to_owned());
        }
    }
    // No peer accepts certificates that it has signed, whether that is critical or not.
    match certificate.key_usage() {
        Some(usage) if !usage.contains(X509KeyUsage::KEY_CERT_SIGN) => {
            Err("its key usage does not allow it to sign certificates".to_owned())
        }
        _ => Ok(()),
    }
}

/// Checks key usages, as far as they are critical: otherwise the peer decides.
fn is_for(certificate: &X509Ref, endpoint: TlsEndpoint) -> Result<(), String> {
    let (end, purpose) = match endpoint {
        TlsEndpoint::Client => ("client", X509ExtendedKeyUsage::SSL_CLIENT),
        TlsEndpoint::Server => ("server", X509ExtendedKeyUsage::SSL_SERVER),
    };
    let signed_itself = is_same(certificate.subject_name(), certificate.issuer_name());
    if shim::is_ca(certificate) == Some(true) && !signed_itself {
        return Err(format!("a CA certificate, and not that of a {end}"));
    }
    if let Some(usage) = certificate.key_usage()
        && !usage.contains(X509KeyUsage::DIGITAL_SIGNATURE)
        && shim::is_critical(certificate, Nid::KEY_USAGE)
    {
        return Err("its key usage does not allow digital signatures".to_owned());
    }
    if let Some(purposes) = certificate.extended_key_usage()
        && !purposes.intersects(purpose | X509ExtendedKeyUsage::ANYEKU)
        && shim::is_critical(certificate, Nid::EXT_KEY_USAGE)
    {
        return Err(format!(
            "its extended key usage does not allow it to be that of a {end}"
        ));
    }
    Ok(())
}

/// Adds the subject of a certificate to a reason.
fn named(certificate: &X509Ref, of: usize, reason: String) -> String {
    if of == 1 {
        return reason;
    }
    format!("{}: {reason}", subject(certificate.subject_name()))
}
