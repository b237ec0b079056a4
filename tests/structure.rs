//! Tests of the structure itself: what a reviewer would otherwise have to watch.

#[path = "structure/c_functions.rs"]
mod c_functions;
#[path = "structure/calls.rs"]
mod calls;
#[path = "structure/cycles.rs"]
mod cycles;
#[path = "structure/documents.rs"]
mod documents;
#[path = "structure/imports.rs"]
mod imports;
#[path = "structure/lengths.rs"]
mod lengths;
#[path = "structure/sources.rs"]
mod sources;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Words that `docs/style.md` replaces by a standard term, and how often they occur at most: these
/// numbers only fall.
const HOME_MADE: [(&[&str], usize); 25] = [
    // The method `tell` of GSeekable, in src/gio.
    (&["tell", "tells", "told", "telling"], 6),
    (&["nobody", "whoever", "somebody", "everybody"], 0),
    (&["goodbye", "goodbyes", "farewell"], 0),
    (&["shake", "shakes", "shaken", "shaking"], 0),
    (&["lend", "lends", "lent", "lender"], 0),
    (&["guess", "guesses", "guessed"], 0),
    (&["room", "rooms"], 0),
    (&["news"], 0),
    (&["patience"], 0),
    (&["vouch", "vouches", "vouched"], 0),
    (&["believe", "believes", "believed"], 0),
    (&["kin", "beneath", "manner"], 0),
    (&["welcome", "unwelcome"], 0),
    (
        &["who", "whom", "anybody", "anyone", "someone", "everyone"],
        0,
    ),
    (
        &[
            "stranger",
            "strangers",
            "guest",
            "guests",
            "crowd",
            "crowds",
            "door",
            "doorman",
        ],
        0,
    ),
    (&["know", "knows", "knew"], 0),
    (&["wants"], 0),
    (&["die", "dies", "died"], 0),
    (&["hear", "hears", "heard"], 0),
    (&["say", "says", "said"], 0),
    (&["ask", "asks", "asked"], 0),
    (&["beside"], 0),
    (&["mistake", "mistakes"], 0),
    (
        &["honest", "patient", "starving", "tired", "choked", "anew"],
        0,
    ),
    // American spelling; `ip neighbour` of iproute2, in tests/qio/common/network.rs.
    (
        &[
            "behaviour",
            "neighbour",
            "neighbours",
            "honour",
            "honours",
            "colour",
            "licence",
        ],
        2,
    ),
];

/// The texts that the words are counted in: sources, headers and documents, but not the glossary.
fn texts() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in [
        "src",
        "tests",
        "examples",
        "benches",
        "fuzz/examples",
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
        let is_table = line.trim_start_matches([' ', '/', '!']).starts_with('|');
        // A table cannot be broken, nor can an address.
        is_prose && line.chars().count() > 100 && !is_table && !line.contains("://")
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
    assert!(long.is_empty(), "{} long lines: {long:#?}", long.len());
}
