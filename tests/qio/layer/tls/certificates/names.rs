//! Host names and addresses of server certificates.

use super::{
    NAME,
    Verdict::{Agreed, ClientRefuses},
    shown_by_server,
};
use crate::common::{certs::Request, in_time};

#[test]
fn names_and_addresses() {
    needs!("glib-networking");
    in_time(|| {
        let one = || {
            Request::server(NAME)
                .dns("www.qemu.org")
                .dns("qemu.org")
                .ip("192.168.122.1")
                .ip("fec0::dead:beaf")
        };
        for name in ["qemu.org", "www.qemu.org", "WWW.Qemu.Org", "qemu.org."] {
            shown_by_server("a name", one(), name, Agreed);
        }
        for address in ["192.168.122.1", "fec0::dead:beaf", "[fec0::dead:beaf]"] {
            shown_by_server("an address", one(), address, Agreed);
        }
        let list = "C=UK,CN=qemu.org is for www.qemu.org, qemu.org, 192.168.122.1, fec0::dead:beaf";
        let not_the_name = format!("hostname mismatch: {list}");
        let refused = ClientRefuses(&not_the_name, "bad certificate");
        for name in ["wiki.qemu.org", "qemu.or", "www.qemu.org.uk"] {
            shown_by_server("another name", one(), name, refused);
        }
        let not_the_address = format!("IP address mismatch: {list}");
        let refused = ClientRefuses(&not_the_address, "bad certificate");
        for address in ["192.168.122.2", "fec0::dead:beae", "::ffff:192.168.122.1"] {
            shown_by_server("another address", one(), address, refused);
        }
        // The common name is ignored if there are alternative names.
        let two = || {
            Request::server(NAME)
                .dns("www.qemu.org")
                .dns("wiki.qemu.org")
        };
        shown_by_server("a name", two(), "wiki.qemu.org", Agreed);
        shown_by_server(
            "the common name in addition to alternative names",
            two(),
            NAME,
            ClientRefuses(
                "hostname mismatch: C=UK,CN=qemu.org is for www.qemu.org, wiki.qemu.org",
                "bad certificate",
            ),
        );
        // Without others it does; but it is no address.
        let three = |name| Request::server(name);
        shown_by_server("the common name alone", three(NAME), NAME, Agreed);
        shown_by_server(
            "another common name",
            three("qemu.com"),
            NAME,
            ClientRefuses(
                "hostname mismatch: C=UK,CN=qemu.com is for qemu.com",
                "bad certificate",
            ),
        );
        shown_by_server(
            "an address as a common name",
            three("192.168.122.1"),
            "192.168.122.1",
            ClientRefuses(
                "IP address mismatch: C=UK,CN=192.168.122.1 has no IP address as an alternative name, \
                 only the name 192.168.122.1",
                "bad certificate",
            ),
        );
    });
}

#[test]
fn wildcards() {
    needs!("glib-networking");
    in_time(|| {
        for (pattern, name, good) in [
            ("*.qemu.org", "www.qemu.org", true),
            ("*.qemu.org", "WWW.QEMU.ORG", true),
            ("*.qemu.org", "qemu.org", false),
            ("*.qemu.org", "a.www.qemu.org", false),
            ("*.qemu.org", "www.qemu.com", false),
            ("w*.qemu.org", "www.qemu.org", false),
            ("*w.qemu.org", "www.qemu.org", false),
            ("www.*.org", "www.qemu.org", false),
            ("*.*.org", "www.qemu.org", false),
            ("*", "qemu", false),
            ("*.org", "qemu.org", false),
        ] {
            let text = format!("hostname mismatch: C=UK,CN=any is for {pattern}");
            let verdict = match good {
                true => Agreed,
                false => ClientRefuses(&text, "bad certificate"),
            };
            let cert = Request::server("any").dns(pattern);
            shown_by_server(&format!("{pattern} for {name}"), cert, name, verdict);
        }
    });
}

#[test]
fn many_names_are_not_all_reported() {
    needs!("glib-networking");
    in_time(|| {
        let cert = (0..50).fold(Request::server("many"), |cert, number| {
            cert.dns(&format!("{number}.example"))
        });
        shown_by_server(
            "fifty names",
            cert,
            NAME,
            ClientRefuses(
                "hostname mismatch: C=UK,CN=many is for 0.example, 1.example, 2.example, 3.example, \
                 4.example, 5.example, 6.example, 7.example, and 42 more",
                "bad certificate",
            ),
        );
    });
}
