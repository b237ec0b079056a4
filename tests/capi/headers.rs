//! The headers compile alone, as C and C++.

use std::{path::Path, process::Command};

use crate::common::{cc, cxx, headers, output};

#[test]
fn each_header_compiles_alone_as_c99() {
    for header in headers() {
        output(strict(&mut cc(), "-std=c99", "c").arg(header));
    }
}

#[test]
fn each_header_compiles_alone_as_cxx17() {
    needs!("g++");
    for header in headers() {
        output(strict(&mut cxx(), "-std=c++17", "c++").arg(header));
    }
}

/// Compiles a header as if it were a program: one that is included is not checked as strictly.
fn strict<'a>(compiler: &'a mut Command, standard: &str, language: &str) -> &'a mut Command {
    compiler
        .args([standard, "-x", language, "-fsyntax-only"])
        .args(["-Wall", "-Wextra", "-pedantic", "-Werror"])
}

#[test]
fn one_header_includes_all_others() {
    let all = headers();
    let main = all
        .iter()
        .find(|path| path.ends_with("qio.h"))
        .expect("qio.h");
    let text = std::fs::read_to_string(main).expect("readable");
    for header in all.iter().filter(|path| *path != main) {
        let name = header.file_name().expect("a name");
        let line = format!("#include <{}>", Path::new("qio").join(name).display());
        assert!(text.contains(&line), "{line}");
    }
}
