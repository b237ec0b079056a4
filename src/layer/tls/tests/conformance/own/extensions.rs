//! Critical extensions, and certificate revocation lists.

use super::*;

#[test]
fn extensions_are_understood_or_not_critical() {
    let Pki { root, .. } = pki();
    let own = |what: &str, expected, id: &[u64], heed, value: Vec<u8>| {
        let own = leaf().extension(id, heed, value).signed_by(&root);
        assert_verdict(what, expected, &[&root], &[&own]);
    };
    let key_id = || der(0x30, &der(0x80, b"key identifier"));
    own("unknown", Refuse, &[1, 2, 3, 4], Heed::Must, der(4, b"x"));
    own(
        "unknown, not critical",
        Accept,
        &[1, 2, 3, 4],
        Heed::May,
        der(4, b"x"),
    );
    own(
        "critical authority key identifier",
        Refuse,
        &[2, 5, 29, 35],
        Heed::Must,
        key_id(),
    );
    own(
        "critical subject key identifier",
        Refuse,
        &[2, 5, 29, 14],
        Heed::Must,
        der(4, b"key"),
    );
    own(
        "malformed access to information",
        Accept,
        &[1, 3, 6, 1, 5, 5, 7, 1, 1],
        Heed::May,
        der(4, b"x"),
    );
    own(
        "no names",
        Refuse,
        &[2, 5, 29, 17],
        Heed::May,
        der(0x30, b""),
    );
    let zero = leaf().serial(0).signed_by(&root);
    assert_verdict("number zero", Accept, &[&root], &[&zero]);
    let policies = Request::authority("issuer");
    // requireExplicitPolicy, which is to be critical.
    let policies = policies.extension(&[2, 5, 29, 36], Heed::May, der(0x30, &der(0x80, &[0])));
    let policies = policies.signed_by(&root);
    assert_verdict(
        "policies",
        Accept,
        &[&root],
        &[&leaf().signed_by(&policies), &policies],
    );
    assert_verdict(
        "stapling",
        Refuse,
        &[&root],
        &[&leaf().must_staple().signed_by(&root)],
    );
}

#[test]
fn revocation_lists_revoke_or_refuse() {
    let Pki { root, .. } = pki();
    let own = leaf().serial(7).signed_by(&root);
    for (what, list, expected) in [
        ("another", root.revokes(&[8]), Accept),
        ("this one", root.revokes(&[7]), Refuse),
        ("an old list", root.revoked_once(&[8]), Refuse),
        (
            "a list of authorities",
            root.revokes_authorities(&[8]),
            Refuse,
        ),
    ] {
        with_crl(what, expected, &[&root], &[&own], Some(&list));
    }
    let mute = Request::authority("mute").usage(Heed::Must, SIGNS_CERTIFICATES);
    let mute = mute.signed_by_itself();
    let own = leaf().signed_by(&mute);
    with_crl(
        "an issuer that may not sign lists",
        Refuse,
        &[&mute],
        &[&own],
        Some(&mute.revokes(&[8])),
    );
}
