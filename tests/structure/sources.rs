//! The sources, as the tests read them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A source file: its path below `src/` and its text without comments.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) code: String,
}

pub(crate) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    // The command is a crate of its own, which forbids `unsafe`.
    files.retain(|file| !file.starts_with(root.join("bin")));
    files.sort();
    let sources: Vec<_> = files
        .iter()
        .map(|file| Source {
            path: file
                .strip_prefix(&root)
                .expect("below")
                .display()
                .to_string(),
            code: without_comments(&fs::read_to_string(file).expect("readable")),
        })
        .collect();
    assert!(sources.len() > 20, "the sources are found");
    sources
}

pub(crate) fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

pub(crate) fn without_comments(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether a file has tests of a module, and nothing else.
pub(crate) fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/")
}

/// The first name of a path.
pub(crate) fn head(path: &str) -> Option<String> {
    let name: String = path
        .trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}
