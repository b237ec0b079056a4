//! Which module imports which, and where `unsafe` may be.

use std::collections::BTreeSet;

use crate::sources::{head, is_test, sources};

/// The modules of `src/`, from the ground up, each with those that it may import from.
const MODULES: [(&str, &[&str]); 20] = [
    ("error", &[]),
    ("types", &[]),
    ("sync", &[]),
    ("log", &[]),
    ("sys", &["sync", "error", "types"]),
    ("observe", &["sys", "log", "sync", "error", "types"]),
    ("hub", &["sys", "sync", "error", "types"]),
    ("gio_context", &["hub", "sys", "sync", "error"]),
    ("monitor", &["observe"]),
    (
        "watch",
        &["hub", "observe", "sys", "sync", "error", "types"],
    ),
    ("coroutine", &["hub", "error"]),
    (
        "channel",
        &[
            "watch",
            "coroutine",
            "hub",
            "observe",
            "sys",
            "log",
            "sync",
            "error",
            "types",
        ],
    ),
    ("hyper", &["channel", "hub"]),
    (
        "gio",
        &["channel", "coroutine", "hub", "sys", "error", "types"],
    ),
    (
        "layer",
        &[
            "channel",
            "watch",
            "coroutine",
            "hub",
            "observe",
            "log",
            "sync",
            "error",
            "types",
        ],
    ),
    (
        "transport",
        &[
            "gio",
            "channel",
            "watch",
            "coroutine",
            "gio_context",
            "hub",
            "sys",
            "log",
            "sync",
            "error",
            "types",
        ],
    ),
    (
        "net",
        &[
            "layer",
            "transport",
            "channel",
            "coroutine",
            "watch",
            "hub",
            "sys",
            "log",
            "sync",
            "error",
            "types",
        ],
    ),
    ("prelude", &["channel", "gio", "layer"]),
    ("guide", &[]),
    (
        "capi",
        &[
            "net",
            "layer",
            "transport",
            "gio",
            "channel",
            "coroutine",
            "watch",
            "hub",
            "sys",
            "error",
            "types",
        ],
    ),
];

/// Where `unsafe` may be: every other module denies it.
const UNSAFE_MODULES: [&str; 13] = [
    "sync",
    "sys/",
    "hub/",
    "gio_context/",
    "watch/",
    "coroutine.rs",
    "channel/ffi.rs",
    "channel/class/",
    "gio/ffi",
    "gio/task.rs",
    "hyper/io.rs",
    "layer/tls/shim/",
    "capi/",
];

/// The module that a file belongs to: `sys` for `sys/poll.rs`.
fn module_of(path: &str) -> &str {
    path.split(['/', '.']).next().expect("not empty")
}

/// The first names of all paths that begin at the root of the crate: `sys` and `types` for
/// `use crate::{sys::FdLease, types::Readiness}`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            Some(group) => found.extend(heads_of_group(group)),
            None => found.extend(head(after)),
        }
    }
    found
}

fn heads_of_group(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut heads) = (0, 0, Vec::new());
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.extend(head(&group[start..i]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.extend(head(&group[start..i]));
                start = i + 1;
            }
            _ => {}
        }
    }
    heads
}

#[test]
fn imports_are_recognised() {
    let found = imports("use crate::{sys::{a, b}, types::C};\nuse crate::error::d; $crate::x!()");
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        ["error", "sys", "types", "x"]
    );
}

#[test]
fn imports_point_down_only() {
    let mut wrong = Vec::new();
    for source in sources() {
        // The tour shows everything; tests of a module may use what is built on it.
        if source.path == "lib.rs" || is_test(&source.path) {
            continue;
        }
        let own = module_of(&source.path);
        let below = MODULES
            .iter()
            .find(|(name, _)| *name == own)
            .unwrap_or_else(|| panic!("{} is in no module of this list", source.path))
            .1;
        for import in imports(&source.code) {
            // The C functions call what Rust programs call: what the root of the crate re-exports.
            let public = own == "capi" && MODULES.iter().all(|(module, _)| *module != import);
            if import != own && !public && !below.contains(&import.as_str()) {
                wrong.push(format!("{} imports {import}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_code_stays_in_its_modules() {
    for source in sources() {
        let may = UNSAFE_MODULES
            .iter()
            .any(|module| source.path.starts_with(module));
        let opens =
            source.code.contains("#![allow(unsafe_code)]") || source.code.contains("unsafe {");
        assert!(may || !opens, "{} is no place for unsafe code", source.path);
    }
}
