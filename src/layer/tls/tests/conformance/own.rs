//! Cases of our own, for each kind in which verdicts have differed from those of x509-limbo.

mod extensions;

use super::{
    super::certs::{
        Cert, ENCIPHERS, FOR_CLIENTS, FOR_SERVERS, Heed, Request, SIGNS, SIGNS_CERTIFICATES, der,
    },
    Case,
};
use rcgen::{BasicConstraints, IsCa};

const HOST: &str = "a.example.test";

/// What a channel does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Accept,
    Refuse,
}
use Does::{Accept, Refuse};

/// The authorities of the cases.
struct Pki {
    root: Cert,
    /// Signed by the root.
    issuer: Cert,
}

fn pki() -> Pki {
    let root = Request::authority("root").signed_by_itself();
    let issuer = Request::authority("issuer").signed_by(&root);
    Pki { root, issuer }
}

fn leaf() -> Request {
    Request::server("leaf").dns(HOST)
}

fn with_path_len(request: Request, len: u8) -> Request {
    request.constraints(IsCa::Ca(BasicConstraints::Constrained(len)))
}

/// What a client does with a server that presents these certificates with the key of the first one.
fn assert_verdict(what: &str, expected: Does, trusted: &[&Cert], presented: &[&Cert]) {
    with_crl(what, expected, trusted, presented, None);
}

fn with_crl(
    what: &str,
    expected: Does,
    trusted: &[&Cert],
    presented: &[&Cert],
    crls: Option<&str>,
) {
    run(what, expected, true, trusted, presented, crls);
}

fn run(
    what: &str,
    expected: Does,
    is_server: bool,
    trusted: &[&Cert],
    presented: &[&Cert],
    crls: Option<&str>,
) {
    let pem = |certs: &[&Cert]| certs.iter().map(|it| it.pem.as_str()).collect::<String>();
    let case = Case {
        is_server,
        name: HOST,
        time: None,
        trusted: &pem(trusted),
        chain: &pem(presented),
        key: Some(&presented[0].key),
        crls,
    };
    let result = case.run();
    assert_eq!(result.is_ok(), expected == Accept, "{what}: {result:?}");
}

#[test]
fn a_path_is_found_if_there_is_one() {
    let Pki { root, issuer } = pki();
    let own = leaf().signed_by(&issuer);
    assert_verdict("a chain", Accept, &[&root], &[&own, &issuer]);
    let direct = leaf().signed_by(&root);
    assert_verdict("without an intermediate", Accept, &[&root], &[&direct]);
    assert_verdict("one that is missing", Refuse, &[&root], &[&own]);
    assert_verdict("a trusted intermediate", Accept, &[&issuer], &[&own]);
    let unneeded = Request::authority("other").expired().signed_by_itself();
    assert_verdict(
        "one that is not needed",
        Accept,
        &[&root],
        &[&own, &issuer, &unneeded],
    );
    let third = Request::authority("third").signed_by(&issuer);
    let deep = leaf().signed_by(&third);
    assert_verdict(
        "in the wrong order",
        Accept,
        &[&root],
        &[&deep, &issuer, &third],
    );
    let expired = Request::authority("issuer")
        .expired()
        .with_key_of(&issuer, &root);
    assert_verdict(
        "a trusted one has expired",
        Accept,
        &[&root, &expired],
        &[&own, &issuer],
    );
    assert_verdict(
        "a presented one has expired",
        Accept,
        &[&root],
        &[&own, &expired, &issuer],
    );
    assert_verdict("only that one", Refuse, &[&root], &[&own, &expired]);
    // Two of the same name and key: only the last one leads anywhere.
    let elsewhere = Request::authority("elsewhere").signed_by_itself();
    let astray = Request::authority("issuer").with_key_of(&issuer, &elsewhere);
    assert_verdict(
        "another path",
        Accept,
        &[&root],
        &[&own, &astray, &elsewhere, &issuer],
    );
    let narrow = Request::authority("narrow").name_constraints(Heed::Must, &[], &["example.test"]);
    let narrow = narrow.signed_by(&root);
    let below = Request::authority("issuer").with_key_of(&issuer, &narrow);
    assert_verdict(
        "another path, of other constraints",
        Accept,
        &[&root],
        &[&own, &below, &narrow, &issuer],
    );
    assert_verdict(
        "the constrained path alone",
        Refuse,
        &[&root],
        &[&own, &below, &narrow],
    );
}

#[test]
fn an_authority_is_one_by_its_constraints_and_key_usage() {
    let Pki { root, .. } = pki();
    let below = |what: &str, expected, issuer: Request| {
        let issuer = issuer.signed_by(&root);
        let own = leaf().signed_by(&issuer);
        assert_verdict(what, expected, &[&root], &[&own, &issuer]);
    };
    let of = |name| Request::authority(name);
    below(
        "no authority",
        Refuse,
        of("issuer").constraints(IsCa::ExplicitNoCa),
    );
    below(
        "no constraints",
        Refuse,
        of("issuer").constraints(IsCa::NoCa),
    );
    below(
        "another usage",
        Refuse,
        of("issuer").usage(Heed::Must, SIGNS),
    );
    below("no usage", Accept, of("issuer").for_anything());
    below(
        "a length that suffices",
        Accept,
        with_path_len(of("issuer"), 0),
    );
    let short = with_path_len(of("short"), 0).signed_by(&root);
    let issuer = of("issuer").signed_by(&short);
    let own = leaf().signed_by(&issuer);
    assert_verdict(
        "a length that does not",
        Refuse,
        &[&root],
        &[&own, &issuer, &short],
    );
    let own = |usage| leaf().usage(Heed::Must, usage).signed_by(&root);
    assert_verdict(
        "a leaf that signs certificates",
        Refuse,
        &[&root],
        &[&own(SIGNS | SIGNS_CERTIFICATES)],
    );
    assert_verdict(
        "a leaf that enciphers only",
        Accept,
        &[&root],
        &[&own(ENCIPHERS)],
    );

    let lax = of("lax")
        .constraints(IsCa::NoCa)
        .perhaps_authority()
        .signed_by_itself();
    assert_verdict(
        "a root with lax constraints",
        Accept,
        &[&lax],
        &[&leaf().signed_by(&lax)],
    );
    let bare = of("bare").constraints(IsCa::NoCa).signed_by_itself();
    assert_verdict(
        "a root without constraints",
        Refuse,
        &[&bare],
        &[&leaf().signed_by(&bare)],
    );
    let nameless = of("").nameless().signed_by(&root);
    let own = leaf().signed_by(&nameless);
    assert_verdict(
        "an authority without a name",
        Refuse,
        &[&root],
        &[&own, &nameless],
    );
}

#[test]
fn name_constraints_count_for_the_host_as_well() {
    let Pki { root, .. } = pki();
    let below =
        |what: &str, expected, heed, permitted: &[&str], excluded: &[&str], own: Request| {
            let issuer = Request::authority("issuer").name_constraints(heed, permitted, excluded);
            let issuer = issuer.signed_by(&root);
            assert_verdict(
                what,
                expected,
                &[&root],
                &[&own.signed_by(&issuer), &issuer],
            );
        };
    let wild = || Request::server("leaf").dns("*.example.test");
    below(
        "permitted",
        Accept,
        Heed::Must,
        &["example.test"],
        &[],
        leaf(),
    );
    below(
        "not permitted",
        Refuse,
        Heed::Must,
        &["other.test"],
        &[],
        leaf(),
    );
    below(
        "excluded",
        Refuse,
        Heed::Must,
        &[],
        &["example.test"],
        leaf(),
    );
    below(
        "not critical",
        Refuse,
        Heed::May,
        &["other.test"],
        &[],
        leaf(),
    );
    below(
        "of names below",
        Accept,
        Heed::Must,
        &[".example.test"],
        &[],
        leaf(),
    );
    below(
        "a wildcard for it",
        Refuse,
        Heed::Must,
        &["example.test"],
        &[HOST],
        wild(),
    );
    below(
        "a wildcard for others",
        Accept,
        Heed::Must,
        &["example.test"],
        &["b.example.test"],
        wild(),
    );
    below("none at all", Refuse, Heed::Must, &[], &[], leaf());
    let own = leaf().name_constraints(Heed::Must, &["example.test"], &[]);
    assert_verdict("of a leaf", Refuse, &[&root], &[&own.signed_by(&root)]);
}

#[test]
fn a_host_is_an_alternative_name_or_the_common_name_without_any() {
    let Pki { root, .. } = pki();
    let own = |what: &str, expected, request: Request| {
        assert_verdict(what, expected, &[&root], &[&request.signed_by(&root)]);
    };
    let named = |name: &str| Request::server("leaf").dns(name);
    own("another one", Refuse, named("b.example.test"));
    own("a wildcard", Accept, named("*.example.test"));
    own("a wildcard of two labels", Refuse, named("*.test"));
    own("a part of a label", Refuse, named("a*.example.test"));
    own("a common name", Accept, Request::server(HOST));
    own(
        "a common name in addition to others",
        Refuse,
        Request::server(HOST).dns("b.example.test"),
    );
    own(
        "a name in addition to another common name",
        Accept,
        Request::server("b.example.test").dns(HOST),
    );
    own("underscores", Accept, named("a_b.example.test").dns(HOST));
    let nameless = |heed| {
        Request::server("")
            .nameless()
            .alternative_names(heed, &[HOST])
    };
    own("no subject", Accept, nameless(Heed::Must));
    own(
        "no subject, and names that may be ignored",
        Refuse,
        nameless(Heed::May),
    );
    own(
        "critical names",
        Accept,
        Request::server("leaf").alternative_names(Heed::Must, &[HOST]),
    );
}

#[test]
fn a_certificate_is_for_its_purpose_and_its_time() {
    let Pki { root, .. } = pki();
    let own = |what: &str, expected, request: Request| {
        assert_verdict(what, expected, &[&root], &[&request.signed_by(&root)]);
    };
    own(
        "of a client",
        Refuse,
        leaf().purpose(Heed::Must, &[FOR_CLIENTS]),
    );
    own(
        "of both",
        Accept,
        leaf().purpose(Heed::May, &[FOR_SERVERS, FOR_CLIENTS]),
    );
    own("of nothing special", Accept, leaf().for_anything());
    own("expired", Refuse, leaf().expired());
    own("not yet valid", Refuse, leaf().not_yet_valid());
    for (purpose, expected) in [(FOR_SERVERS, Accept), (FOR_CLIENTS, Refuse)] {
        let root = Request::authority("root").purpose(Heed::May, &[purpose]);
        let root = root.signed_by_itself();
        assert_verdict(
            "a root with a purpose",
            expected,
            &[&root],
            &[&leaf().signed_by(&root)],
        );
    }
    let old = Request::authority("root").expired().signed_by_itself();
    assert_verdict(
        "an expired root",
        Refuse,
        &[&old],
        &[&leaf().signed_by(&old)],
    );
    let client = |request: Request, expected| {
        let own = request.signed_by(&root);
        run("a client", expected, false, &[&root], &[&own], None);
    };
    client(Request::client("client"), Accept);
    client(Request::server("client"), Refuse);
}
