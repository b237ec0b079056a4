//! The functions that the headers declare are those that the library exports, and Rust's
//! documentation finds them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::common::{cc, library, output, root};

/// How the names of functions end for which Rust has something else.
const OF_C_ALONE: [&str; 2] = [
    "_get_type",    // `StaticType::static_type()`
    "_error_quark", // `ErrorDomain::domain()`
];

#[test]
fn declared_symbols_are_the_exported_symbols() {
    let (declared, exported) = (declared(), exported());
    let missing: Vec<_> = declared.difference(&exported).collect();
    assert!(missing.is_empty(), "declared and not there: {missing:#?}");
    let hidden: Vec<_> = exported.difference(&declared).collect();
    assert!(hidden.is_empty(), "exported and not declared: {hidden:#?}");
}

#[test]
fn every_c_function_is_a_doc_alias_in_rust() {
    let (declared, aliases) = (declared(), aliases());
    let unknown: Vec<_> = aliases.difference(&declared).collect();
    assert!(unknown.is_empty(), "no such C function: {unknown:#?}");
    let missing: Vec<_> = declared
        .difference(&aliases)
        .filter(|name| !OF_C_ALONE.iter().any(|end| name.ends_with(end)))
        .collect();
    assert!(missing.is_empty(), "no `#[doc(alias)]`: {missing:#?}");
}

/// A function that the file does not have would fail the build of Debian's package.
#[test]
fn exported_symbols_are_those_of_the_package_of_debian() {
    let file = root().join("debian/libqio-1.0-0.symbols");
    let text = fs::read_to_string(file).expect("readable");
    let lines = text.lines().skip(1);
    let listed: BTreeSet<_> = lines
        .map(|line| {
            let (name, version) = line.trim().split_once("@Base ").expect(line);
            assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{line}");
            name.to_owned()
        })
        .collect();
    let exported = exported();
    let differ: Vec<_> = listed.symmetric_difference(&exported).collect();
    assert!(differ.is_empty(), "`make gir` writes them: {differ:#?}");
}

/// The functions of the headers, also those that GLib's macros declare.
fn declared() -> BTreeSet<String> {
    let header = crate::common::include().join("qio/qio.h");
    let text = output(cc().args(["-E", "-P", "-x", "c"]).arg(header));
    let names: BTreeSet<_> = words(&text)
        .filter(|(word, after)| word.starts_with("qio_") && after.trim_start().starts_with('('))
        .map(|(word, _)| word.to_owned())
        .collect();
    assert!(names.len() > 33, "the functions are found");
    names
}

/// The words of a C text, each with what follows it.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| !is_part(c));
        let (word, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
        rest = after;
        (!word.is_empty()).then_some((word, after))
    })
}

fn exported() -> BTreeSet<String> {
    let library = library().join("libqio-1.0.so");
    output(
        Command::new("nm")
            .args(["-D", "--defined-only", "--format=posix"])
            .arg(library),
    )
    .lines()
    .map(|line| line.split(' ').next().expect("a name").to_owned())
    .collect()
}

#[test]
fn programs_find_the_library_by_its_name_and_keep_it() {
    let dynamic = output(
        Command::new("readelf")
            .arg("-d")
            .arg(library().join("libqio-1.0.so")),
    );
    assert!(dynamic.contains("[libqio-1.0.so.0]"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
}

fn aliases() -> BTreeSet<String> {
    let mut text = String::new();
    read(&root().join("src"), &mut text);
    let names = text
        .split("alias = \"")
        .skip(1)
        .map(|after| after.split('"').next());
    names
        .flatten()
        .filter(|name| name.starts_with("qio_"))
        .map(str::to_owned)
        .collect()
}

fn read(path: &Path, text: &mut String) {
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("readable");
        let mut paths: Vec<PathBuf> = entries.map(|it| it.expect("readable").path()).collect();
        paths.sort();
        paths.iter().for_each(|path| read(path, text));
    } else {
        *text += &fs::read_to_string(path).expect("readable");
    }
}
