//! TLS, and layers over and under it.

use crate::{
    certs::{Directory, Request},
    run::{Program, compile_c, compile_vala, gjs, python},
};

#[test]
fn credentials_of_tls_in_python() {
    needs!("python3-gi", "gobject-introspection");
    python("tests/lang/tls_creds.py").run("credentials: ok");
}

#[test]
fn tls_in_python_also_over_a_python_class() {
    needs!("python3-gi", "gobject-introspection");
    run_with_certificates(python("tests/lang/tls.py"), "tls: ok");
}

#[test]
fn tls_in_gjs_also_over_a_gjs_class() {
    needs!("gjs", "gobject-introspection");
    run_with_certificates(gjs("tests/lang/tls.js"), "tls: ok");
}

#[test]
fn tls_in_vala_also_over_a_vala_class() {
    needs!("valac", "gobject-introspection");
    let program = compile_vala("tests/lang/tls.vala", &["tests/lang/common.vala"]);
    run_with_certificates(program.command(), "tls: ok");
}

#[test]
fn a_filter_in_python_throttles_over_tls_and_under_tls() {
    needs!("python3-gi", "gobject-introspection");
    run_with_certificates(python("tests/lang/filter.py"), "filter: ok");
}

#[test]
fn a_filter_in_gjs_counts_over_tls_and_under_tls() {
    needs!("gjs", "gobject-introspection");
    run_with_certificates(gjs("tests/lang/filter.js"), "filter: ok");
}

#[test]
fn a_filter_in_vala_logs_lines_over_tls_and_under_tls() {
    needs!("valac", "gobject-introspection");
    let program = compile_vala("tests/lang/filter.vala", &["tests/lang/common.vala"]);
    run_with_certificates(program.command(), "filter: ok");
}

/// A program that is shown a directory of certificates for both ends: localhost, and alice, a
/// client.
#[track_caller]
pub(crate) fn run_with_certificates(program: Program, last: &str) {
    let directory = certificates();
    program.env("QIO_TEST_PKI", directory.path()).run(last);
}

/// A directory with those of both ends.
pub(crate) fn certificates() -> Directory {
    let authority = Request::authority("an authority").signed_by_itself();
    let middle = Request::authority("one in the middle").signed_by(&authority);
    let server = Request::server("a server")
        .dns("localhost")
        .signed_by(&middle);
    let client = Request::client("alice").signed_by(&middle);
    let directory = Directory::new();
    directory.write("ca-cert.pem", &authority.pem);
    for (end, cert) in [("server", &server), ("client", &client)] {
        let chain = [cert.pem.as_str(), &middle.pem].concat();
        directory.write(&format!("{end}-cert.pem"), chain);
        directory.write(&format!("{end}-key.pem"), &cert.key);
    }
    directory
}

#[test]
fn tls_of_gio_works_over_channels_with_each_peer_in_c() {
    needs!("glib-networking");
    let program = compile_c("tests/lang/gio_tls.c", &[]);
    run_with_certificates(program.command(), "gio_tls: ok");
}

#[test]
fn tls_of_gio_works_over_channels_with_each_peer_in_python() {
    needs!("python3-gi", "gobject-introspection", "glib-networking");
    run_with_certificates(python("tests/lang/gio_tls.py"), "gio_tls: ok");
}

#[test]
fn tls_of_gio_works_over_channels_with_each_peer_in_gjs() {
    needs!("gjs", "gobject-introspection", "glib-networking");
    run_with_certificates(gjs("tests/lang/gio_tls.js"), "gio_tls: ok");
}

#[test]
fn tls_of_gio_works_over_channels_with_each_peer_in_vala() {
    needs!("valac", "gobject-introspection", "glib-networking");
    let program = compile_vala("tests/lang/gio_tls.vala", &["tests/lang/common.vala"]);
    run_with_certificates(program.command(), "gio_tls: ok");
}
