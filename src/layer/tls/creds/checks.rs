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
use crate::layer::tls::{reason, shim, verdict::subject};

/// Authorities to trust: at least one is good. One of many that has expired does no harm.
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

/// Authorities that a path may lead to. One that has expired, and is no root or has a successor,
/// would only stand in the way of a valid path.
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

/// Certificate revocation lists: authorities that are trusted have signed them. Those of the system
/// are not looked through.
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
            // What OpenSSL has to say of other keys is not for the next caller.
            drop(ErrorStack::get());
            let issuer = subject(issuer);
            return Err(source.wrong(&format!(
                "the certificate revocation list of {issuer} is not signed by a trusted authority"
            )));
        }
    }
    Ok(())
}

/// What an end shows: its own certificate, and those that lead to an authority. The last one of
/// these may have expired if it is a root, or has not signed the end's own: peers may have another
/// path.
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

/// What an end shows leads to one of the authorities.
pub(super) fn leads_to(
    source: &Source,
    chain: &[X509],
    store: &X509StoreRef,
    authorities: &Source,
) -> io::Result<()> {
    let verdict = verify(chain, store)
        .map_err(|e| source.wrong(&format!("unable to verify it: {}", reason(&e))))?;
    match verdict {
        X509VerifyResult::OK => Ok(()),
        verdict => Err(source.wrong(&format!(
            "no chain from the certificate to {authorities}: {}",
            verdict.error_string()
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
    match shim::says_authority(certificate) {
        Some(true) => {}
        Some(false) => return Err("it is not of an authority".to_owned()),
        None => {
            return Err(
                "it is not of an authority: it lacks the basic constraints of one".to_owned(),
            );
        }
    }
    // No peer accepts what it has signed, whether that is critical or not.
    match certificate.key_usage() {
        Some(usage) if !usage.contains(X509KeyUsage::KEY_CERT_SIGN) => {
            Err("its key usage does not allow it to sign certificates".to_owned())
        }
        _ => Ok(()),
    }
}

/// What is not allowed, but not critical either, is up to the peer.
fn is_for(certificate: &X509Ref, endpoint: TlsEndpoint) -> Result<(), String> {
    let (end, purpose) = match endpoint {
        TlsEndpoint::Client => ("client", X509ExtendedKeyUsage::SSL_CLIENT),
        TlsEndpoint::Server => ("server", X509ExtendedKeyUsage::SSL_SERVER),
    };
    let signed_itself = is_same(certificate.subject_name(), certificate.issuer_name());
    if shim::says_authority(certificate) == Some(true) && !signed_itself {
        return Err(format!("it is of an authority, and not of a {end}"));
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

/// Which one of several it is.
fn named(certificate: &X509Ref, of: usize, reason: String) -> String {
    if of == 1 {
        return reason;
    }
    format!("{}: {reason}", subject(certificate.subject_name()))
}
