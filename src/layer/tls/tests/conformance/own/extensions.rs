//! Critical extensions, and certificate revocation lists.

use super::*;

#[test]
fn extensions_are_understood_or_not_critical() {
    let Pki { root, .. } = pki();
    const UNKNOWN: &[u64] = &[1, 2, 3, 4];
    const ISSUER_KEY: &[u64] = &[2, 5, 29, 35];
    const SUBJECT_KEY: &[u64] = &[2, 5, 29, 14];
    const ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
    const NAMES: &[u64] = &[2, 5, 29, 17];
    use Heed::{May, Must};
    let text = |text: &[u8]| der(4, text);
    let key_id = der(0x30, &der(0x80, b"key identifier"));
    for (what, expected, id, heed, value) in [
        ("unknown", Refuse, UNKNOWN, Must, text(b"x")),
        ("unknown, not critical", Accept, UNKNOWN, May, text(b"x")),
        ("critical issuer key", Refuse, ISSUER_KEY, Must, key_id),
        ("critical key", Refuse, SUBJECT_KEY, Must, text(b"key")),
        ("malformed access", Accept, ACCESS, May, text(b"x")),
        ("no names", Refuse, NAMES, May, der(0x30, b"")),
    ] {
        let own = leaf().extension(id, heed, value).signed_by(&root);
        assert_verdict(what, expected, &[&root], &[&own]);
    }
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
