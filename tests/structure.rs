//! Tests of the structure itself: what a reviewer would otherwise have to watch.

#[path = "structure/c_functions.rs"]
mod c_functions;
#[path = "structure/calls.rs"]
mod calls;
#[path = "structure/cycles.rs"]
mod cycles;
#[path = "structure/imports.rs"]
mod imports;
#[path = "structure/sources.rs"]
mod sources;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Words of the glossary (`docs/style.md`) that a standard term stands for, and how often they occur at most: these
/// numbers only fall.
const HOME_MADE: [(&[&str], usize); 13] = [
    (&["tell", "tells", "told", "telling"], 482),
    (&["nobody", "whoever", "somebody", "everybody"], 226),
    (&["goodbye", "goodbyes", "farewell"], 0),
    (&["shake", "shakes", "shaken", "shaking"], 58),
    (&["lend", "lends", "lent", "lender"], 9),
    (&["guess", "guesses", "guessed"], 4),
    (&["room", "rooms"], 180),
    (&["news"], 2),
    (&["patience"], 9),
    (&["vouch", "vouches", "vouched"], 2),
    (&["believe", "believes", "believed"], 1),
    (&["kin", "beneath", "manner"], 5),
    (&["welcome", "unwelcome"], 56),
];

/// How many lines of comments, headers and Markdown have more than 100 columns: this number only falls.
const LONG_LINES: usize = 63;

/// The texts that the words are counted in: sources, headers and documents, but the glossary itself.
fn texts() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in [
        "src",
        "tests",
        "examples",
        "benches",
        "fuzz/fuzz_targets",
        "data",
        "docs",
    ] {
        walk_all(&root.join(folder), &mut files);
    }
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ];
    files.extend(documents.map(|name| root.join(name)));
    files
        .into_iter()
        .filter(|file| !file.ends_with("docs/style.md") && !file.ends_with("tests/structure.rs"))
        .filter_map(|file| fs::read_to_string(&file).ok().map(|text| (file, text)))
        .collect()
}

fn walk_all(directory: &Path, files: &mut Vec<PathBuf>) {
    const TEXTS: [&str; 8] = ["rs", "h", "c", "py", "js", "vala", "md", "toml"];
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        let extension = path.extension().and_then(|it| it.to_str());
        if path.is_dir() {
            walk_all(&path, files);
        } else if extension.is_some_and(|it| TEXTS.contains(&it)) {
            files.push(path);
        }
    }
}

#[test]
fn home_made_words_become_fewer() {
    let texts = texts();
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphabetic());
        words.map(str::to_lowercase).collect()
    };
    let all: Vec<String> = texts.iter().flat_map(|(_, text)| words(text)).collect();
    for (group, most) in HOME_MADE {
        let count = all
            .iter()
            .filter(|word| group.contains(&word.as_str()))
            .count();
        assert!(
            count <= most,
            "{} occur {count} times, {most} at most: `docs/style.md` has the standard terms",
            group.join(", ")
        );
    }
}

#[test]
fn lines_of_comments_and_documents_have_at_most_100_columns() {
    let is_long = |file: &Path, line: &str| {
        let is_prose = file.extension().is_some_and(|it| it == "md" || it == "h")
            || line.trim_start().starts_with("//");
        // A table cannot be broken, nor can an address.
        is_prose && line.chars().count() > 100 && !line.starts_with('|') && !line.contains("://")
    };
    let long: Vec<String> = texts()
        .iter()
        .flat_map(|(file, text)| {
            let lines = text.lines().enumerate();
            let long = lines.filter(|(_, line)| is_long(file, line));
            long.map(|(i, _)| format!("{}:{}", file.display(), i + 1))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(
        long.len() <= LONG_LINES,
        "{} long lines: {long:#?}",
        long.len()
    );
}
