//! Messages about certificates that do not verify.

use std::net::IpAddr;

use openssl::{
    asn1::Asn1Time,
    nid::Nid,
    x509::{X509NameRef, X509Ref, X509StoreContextRef},
};
use openssl_sys as ffi;

use super::shim;

/// The most characters of a name in messages: the issuer of the certificate has chosen it.
const LONGEST: usize = 100;

/// The most names in a message.
const MOST: usize = 8;

/// How many seconds are left of all these certificates, at most so many.
pub(super) fn seconds_left<'a>(chain: impl Iterator<Item = &'a X509Ref>, most: u64) -> u64 {
    let Ok(now) = Asn1Time::days_from_now(0) else {
        return 0;
    };
    chain.fold(most, |least, certificate| {
        let left = now.diff(certificate.not_after());
        let left = left.map_or(0, |left| {
            i64::from(left.days) * 86_400 + i64::from(left.secs)
        });
        least.min(u64::try_from(left).unwrap_or(0))
    })
}

/// The message of the current error of a verification.
pub(super) fn describe(context: &X509StoreContextRef) -> String {
    let verify_error = context.error();
    let Some(certificate) = context.current_cert() else {
        return verify_error.error_string().to_owned();
    };
    let more = match verify_error.as_raw() {
        ffi::X509_V_ERR_CERT_HAS_EXPIRED => {
            format!(" was valid until {}", certificate.not_after())
        }
        ffi::X509_V_ERR_CERT_NOT_YET_VALID => {
            format!(" is valid from {}", certificate.not_before())
        }
        ffi::X509_V_ERR_HOSTNAME_MISMATCH => format!(" is for {}", named_hosts(certificate)),
        // Only an address as an alternative name counts; a name that looks like one does not.
        ffi::X509_V_ERR_IP_ADDRESS_MISMATCH if !has_address(certificate) => {
            let only = names(certificate).map(|names| format!(", only the name {names}"));
            let only = only.unwrap_or_default();
            format!(" has no IP address as an alternative name{only}")
        }
        ffi::X509_V_ERR_IP_ADDRESS_MISMATCH => format!(" is for {}", named_hosts(certificate)),
        ffi::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
        | ffi::X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        | ffi::X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE => {
            format!(" was issued by {}", subject(certificate.issuer_name()))
        }
        _ => String::new(),
    };
    let whose = subject(certificate.subject_name());
    format!("{}: {whose}{more}", verify_error.error_string())
}

/// A name as it stands in a certificate: `C=UK,CN=qemu.org`.
pub(super) fn subject(name: &X509NameRef) -> String {
    let parts = name.entries().map(|entry| {
        let value = entry.data().to_string();
        let key = entry.object().nid().short_name().unwrap_or("?").to_owned();
        format!("{key}={}", value.unwrap_or_default())
    });
    let all: Vec<_> = parts.collect();
    match all.is_empty() {
        true => "an empty subject".to_owned(),
        false => shown(&all.join(",")),
    }
}

fn has_address(certificate: &X509Ref) -> bool {
    let alternatives = certificate.subject_alt_names();
    let mut alternatives = alternatives.iter().flatten();
    alternatives.any(|name| name.ipaddress().is_some())
}

fn named_hosts(certificate: &X509Ref) -> String {
    names(certificate).unwrap_or_else(|| "no host".to_owned())
}

/// The names and addresses that a certificate of a server is for.
fn names(certificate: &X509Ref) -> Option<String> {
    let alternatives = certificate.subject_alt_names();
    let mut all: Vec<_> = alternatives
        .iter()
        .flatten()
        .filter_map(|name| match (name.dnsname(), name.ipaddress()) {
            (Some(name), _) => Some(shown(name)),
            (_, Some(bytes)) => address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .collect();
    // A common name counts only where there are no alternative names at all.
    if shim::extension(certificate, Nid::SUBJECT_ALT_NAME).is_none() {
        let common = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
        all.extend(common.filter_map(|entry| Some(shown(&entry.data().to_string().ok()?))));
    }
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    match (all.is_empty(), more) {
        (true, _) => None,
        (_, 0) => Some(all.join(", ")),
        _ => Some(format!("{}, and {more} more", all.join(", "))),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

/// Text from a peer, escaped.
fn shown(text: &str) -> String {
    let mut result = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == LONGEST {
            return result + "...";
        }
        match c {
            '"' | '\'' => result.push(c),
            c => result.extend(c.escape_debug()),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, shown};

    #[test]
    fn names_of_others_are_harmless_and_short() {
        assert_eq!(shown("O'Brien \"&\" S\u{f8}n"), "O'Brien \"&\" S\u{f8}n");
        assert_eq!(
            shown("a\r\nb\x1b[2J\u{202e}"),
            "a\\r\\nb\\u{1b}[2J\\u{202e}"
        );
        let long = "x".repeat(1000);
        assert_eq!(shown(&long), "x".repeat(LONGEST) + "...");
    }
}
