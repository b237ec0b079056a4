//! The lengths of files of code.

use std::{fs, path::Path};

use crate::walk_all;

/// The most lines of a file.
const MOST: usize = 400;

/// Files that are longer, and their lines: these numbers only fall.
const LONGER: &[(&str, usize)] = &[
    (".ci/reference", 454),
    ("src/channel/ext.rs", 473),
    ("src/channel/ext_future.rs", 444),
    ("tests/lang/await.py", 430),
    ("tests/lang/event_loop.py", 487),
    ("tests/lang/misuse.c", 1332),
    ("tests/lang/tls.vala", 406),
    ("tests/lang/tls_authorize.c", 448),
    ("tests/lang/websock.c", 475),
    ("tests/qio/layer/tls/delivery/programs.rs", 449),
    ("tests/qio/layer/tls/protocol_violations.py", 458),
];

/// The files of code and scripts, by their paths in the tree.
fn files() -> Vec<(String, usize)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let folders = [
        "src",
        "tests",
        "benches",
        "examples",
        "fuzz/examples",
        "fuzz/fuzz_targets",
    ];
    for folder in folders {
        walk_all(&root.join(folder), &mut files);
    }
    let scripts = fs::read_dir(root.join(".ci")).expect("readable");
    files.extend(scripts.map(|entry| entry.expect("readable").path()));
    let lengths = files.iter().filter_map(|file| {
        let path = file.strip_prefix(root).expect("below");
        let text = fs::read_to_string(file).ok()?;
        Some((path.display().to_string(), text.lines().count()))
    });
    lengths.collect()
}

#[test]
fn files_have_at_most_400_lines() {
    let files = files();
    assert!(files.len() > 100, "the files are found");
    let most = |path: &str| {
        let longer = LONGER.iter().find(|(name, _)| *name == path);
        longer.map_or(MOST, |(_, lines)| *lines)
    };
    let long: Vec<_> = files
        .iter()
        .filter(|(path, lines)| *lines > most(path))
        .collect();
    assert!(long.is_empty(), "split by concern: {long:#?}");
    let is_exact = |(name, listed): &&(&str, usize)| {
        *listed > MOST && files.iter().any(|it| it == &(name.to_string(), *listed))
    };
    let fallen: Vec<_> = LONGER.iter().filter(|it| !is_exact(it)).collect();
    assert!(
        fallen.is_empty(),
        "shorter, to be lowered or removed: {fallen:?}"
    );
}
