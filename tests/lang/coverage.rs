//! Every function of the headers: used, misused, and without descriptors.

use std::fs;

use crate::{
    parts_in_c,
    run::{compile_c, in_root, python, valgrind},
};

#[test]
fn every_function_of_the_seed_header_works_as_there() {
    needs!("valgrind");
    let seed = compile_c("tests/lang/seed.c", &[]);
    seed.run("seed: ok");
    valgrind(&seed).run("seed: ok");
}

#[test]
fn no_function_of_c_crashes_or_hangs_without_a_free_descriptor() {
    needs!("python3-gi");
    python("tests/lang/no_descriptors.py")
        .arg(in_root("data/Qio-1.0.gir"))
        // Some arguments are none that a function takes: that is a critical warning, and no crash.
        .env("G_DEBUG", "")
        .run("no descriptors: ok");
}

#[test]
fn every_function_is_used_in_c() {
    let others = ["seed.c", "dropped.c", "listener.c", "journey.h", "tls.h"]
        .map(|name| format!("tests/lang/{name}"));
    let sources = parts_in_c().map(|(source, _)| source).chain(others);
    let uses: String = sources
        .map(|source| fs::read_to_string(in_root(source)).expect("readable"))
        .collect();
    let unused: Vec<_> = functions_of_the_headers()
        .into_iter()
        .filter(|function| !uses.contains(&format!("{function} (")))
        // Macros call them: QIO_TYPE_CHANNEL, QIO_CHANNEL_ERROR.
        .filter(|function| !function.ends_with("_get_type") && !function.ends_with("_quark"))
        .collect();
    assert!(unused.is_empty(), "{unused:#?}");
}

#[test]
fn the_page_on_porting_names_functions_that_are_there() {
    let page = fs::read_to_string(in_root("data/porting-from-qemu.md")).expect("readable");
    let functions = functions_of_the_headers();
    let mut count = 0;
    for line in page.lines() {
        // The first column is QEMU's.
        let ours = line.strip_prefix('|').and_then(|row| row.split_once('|'));
        let ours = ours.map_or(line, |(_, ours)| ours);
        let words = ours.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for name in words.filter(|word| word.starts_with("qio_")) {
            let is_there = functions.iter().any(|function| function == name);
            assert!(is_there, "{name}");
            count += 1;
        }
    }
    assert!(count > 8, "{count}");
}

#[test]
fn misuse_is_a_critical_warning_and_never_a_crash() {
    needs!("valgrind");
    let misuse = compile_c("tests/lang/misuse.c", &[]);
    misuse.run("misuse: ok");
    valgrind(&misuse).run("misuse: ok");
}

#[test]
fn every_function_is_misused() {
    let misuse = fs::read_to_string(in_root("tests/lang/misuse.c")).expect("readable");
    let forgotten: Vec<_> = functions_of_the_headers()
        .into_iter()
        .filter(|function| !misuse.contains(&format!("{function} (")))
        // Nothing can be wrong with no argument, and with numbers of which each means something.
        .filter(|function| {
            let harmless = [
                "_get_type",
                "_quark",
                "_null_new",
                "_socket_new",
                "_buffer_new",
                "_listener_new",
                "_counter_new",
                "_backoff_new",
                "_options_builder_new",
                "_prepare_exit",
            ];
            !harmless.iter().any(|end| function.ends_with(end)) && function != "qio_in_coroutine"
        })
        .collect();
    assert!(forgotten.is_empty(), "{forgotten:#?}");
}

fn functions_of_the_headers() -> Vec<String> {
    let mut functions = Vec::new();
    for header in fs::read_dir(in_root("data/include/qio")).expect("readable") {
        let text = fs::read_to_string(header.expect("readable").path()).expect("readable");
        let lines = text
            .lines()
            .filter(|line| !line.starts_with([' ', '#', '/', 't']));
        functions.extend(lines.filter_map(declared_function));
    }
    assert!(functions.len() > 100, "the functions are found");
    functions
}

/// The function that a line declares: `qio_channel_read` for `gssize qio_channel_read (QIOChannel
/// *ioc,`.
fn declared_function(line: &str) -> Option<String> {
    let before = line.split(" (").next()?;
    let start = before.find("qio_")?;
    let name = &before[start..];
    let is_name = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    (is_name && line.contains(" (") && !line.starts_with("G_")).then(|| name.to_owned())
}
