//! Tests of the structure itself: what a reviewer would otherwise have to watch.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The modules of `src/`, from the ground up, each with those that it may import from.
const MODULES: [(&str, &[&str]); 15] = [
    ("error", &[]),
    ("types", &[]),
    ("sync", &[]),
    ("sys", &["sync", "error", "types"]),
    ("hub", &["sys", "sync", "error", "types"]),
    ("gio_context", &["hub", "sys", "sync", "error"]),
    ("watch", &["hub", "sys", "sync", "error", "types"]),
    ("coroutine", &["hub", "error"]),
    (
        "channel",
        &["watch", "coroutine", "hub", "sys", "sync", "error", "types"],
    ),
    (
        "layer",
        &[
            "channel",
            "watch",
            "coroutine",
            "hub",
            "sync",
            "error",
            "types",
        ],
    ),
    (
        "transport",
        &[
            "channel",
            "watch",
            "coroutine",
            "gio_context",
            "hub",
            "sys",
            "sync",
            "error",
            "types",
        ],
    ),
    (
        "net",
        &[
            "transport",
            "channel",
            "coroutine",
            "watch",
            "hub",
            "sys",
            "sync",
            "error",
            "types",
        ],
    ),
    ("prelude", &["channel"]),
    ("guide", &[]),
    (
        "capi",
        &[
            "net",
            "layer",
            "transport",
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
const UNSAFE_MODULES: [&str; 10] = [
    "sync",
    "sys/",
    "hub/",
    "gio_context/",
    "watch/",
    "coroutine.rs",
    "channel/ffi.rs",
    "channel/class/",
    "layer/tls/shim/",
    "capi/",
];

/// The functions of the C library and of the system that are called outside of `sys`: this list
/// only gets shorter.
const OUTSIDE_OF_SYS: [(&str, &str); 1] = [("sync.rs", "libc::pthread_atfork")];

/// The functions of `sys` that make a call again after a signal has interrupted it, or that leave
/// `EINTR` to the caller.
const RETRIES: [&str; 5] = ["call", "once", "retry", "transfer", "transfer_raw"];

/// Calls in `sys` that no signal interrupts, or that must be made once: this list only gets
/// shorter.
const MADE_ONCE: [(&str, &str); 17] = [
    // It always succeeds.
    ("sys/file.rs", "libc::geteuid"),
    // The number is free, also if it reports an interruption.
    ("sys/shared_fd.rs", "libc::close"),
    ("sys/sigpipe.rs", "libc::sigemptyset"),
    ("sys/sigpipe.rs", "libc::sigaddset"),
    ("sys/sigpipe.rs", "libc::sigismember"),
    ("sys/sigpipe.rs", "libc::sigpending"),
    ("sys/sigpipe.rs", "libc::pthread_sigmask"),
    ("sys/spawn.rs", "libc::posix_spawn_file_actions_adddup2"),
    ("sys/spawn.rs", "libc::posix_spawn_file_actions_destroy"),
    ("sys/spawn.rs", "libc::posix_spawn_file_actions_init"),
    ("sys/spawn.rs", "libc::posix_spawnattr_destroy"),
    ("sys/spawn.rs", "libc::posix_spawnattr_init"),
    ("sys/spawn.rs", "libc::posix_spawnattr_setflags"),
    ("sys/spawn.rs", "libc::posix_spawnattr_setsigdefault"),
    ("sys/spawn.rs", "libc::posix_spawnattr_setsigmask"),
    ("sys/spawn.rs", "libc::sigaddset"),
    ("sys/spawn.rs", "libc::sigemptyset"),
];

/// The functions of the seed header.
const SEED: [&str; 33] = [
    "qio_channel_has_feature",
    "qio_channel_set_feature",
    "qio_channel_set_name",
    "qio_channel_readv_full",
    "qio_channel_writev_full",
    "qio_channel_readv_all_eof",
    "qio_channel_readv_all",
    "qio_channel_writev_all",
    "qio_channel_readv",
    "qio_channel_writev",
    "qio_channel_read",
    "qio_channel_write",
    "qio_channel_read_all_eof",
    "qio_channel_read_all",
    "qio_channel_write_all",
    "qio_channel_set_blocking",
    "qio_channel_close",
    "qio_channel_shutdown",
    "qio_channel_set_delay",
    "qio_channel_set_cork",
    "qio_channel_io_seek",
    "qio_channel_create_watch",
    "qio_channel_add_watch",
    "qio_channel_add_watch_full",
    "qio_channel_add_watch_source",
    "qio_channel_attach_aio_context",
    "qio_channel_detach_aio_context",
    "qio_channel_yield",
    "qio_channel_wait",
    "qio_channel_set_aio_fd_handler",
    "qio_channel_readv_full_all_eof",
    "qio_channel_readv_full_all",
    "qio_channel_writev_full_all",
];

/// A source file: its path below `src/` and its text without comments.
struct Source {
    path: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
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

fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn without_comments(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

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

fn head(path: &str) -> Option<String> {
    let name: String = path
        .trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn imports_are_recognised() {
    let found = imports("use crate::{sys::{a, b}, types::C};\nuse crate::error::d; $crate::x!()");
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        ["error", "sys", "types", "x"]
    );
}

/// Whether a file has tests of a module, and nothing else.
fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/")
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

#[test]
fn every_function_of_the_seed_header_is_there() {
    let code: String = sources().into_iter().map(|source| source.code).collect();
    for function in SEED {
        let alias = format!("#[doc(alias = \"{function}\")]");
        assert!(code.contains(&alias), "{function}");
    }
}

/// A call of a function of the system, or of the C library.
#[derive(Debug, PartialEq, Eq)]
struct SystemCall {
    /// As it is written: `libc::poll`.
    function: String,
    /// The call is an argument of one of [`RETRIES`], or inside of one.
    is_retried: bool,
}

/// The calls of functions by paths that begin with the name of a crate of system calls. What only
/// tests do is left out.
fn system_calls(code: &str) -> Vec<SystemCall> {
    let code = code.split("#[cfg(test)]").next().expect("the first part");
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let (mut calls, mut open) = (Vec::new(), Vec::new());
    for (at, c) in code.char_indices() {
        match c {
            '(' => {
                let before = &code[..at];
                let start = before.rfind(|c| !is_path(c)).map_or(0, |i| i + 1);
                let path = &before[start..];
                let last = path.rsplit("::").next().unwrap_or_default();
                let is_function = last.starts_with(|c: char| c.is_ascii_lowercase());
                let is_system = ["libc::", "nix::", "rustix::", "uio::"]
                    .iter()
                    .any(|name| path.starts_with(name));
                if is_function && is_system && !path.starts_with("nix::errno::") {
                    calls.push(SystemCall {
                        function: path.to_owned(),
                        is_retried: open.iter().any(|name| RETRIES.contains(name)),
                    });
                }
                open.push(path);
            }
            ')' => drop(open.pop()),
            _ => {}
        }
    }
    calls
}

#[test]
fn system_calls_are_recognised() {
    let code = "call(|| { let a = b(c); unsafe { libc::poll(x, 1) } }); nix::unistd::read(fd); \
                libc::SOME(1); f(libc::c_int); #[cfg(test)] libc::late()";
    let found = system_calls(code);
    let expected = [("libc::poll", true), ("nix::unistd::read", false)];
    let expected = expected.map(|(function, is_retried)| SystemCall {
        function: function.to_owned(),
        is_retried,
    });
    assert_eq!(found, expected);
}

#[test]
fn system_calls_are_made_in_one_module_and_again_after_signals_in_one_file() {
    let (mut wrong, mut used) = (Vec::new(), BTreeSet::new());
    for source in sources() {
        // Files that only tests have may call what they like.
        if source.path == "sys/call.rs" || is_test(&source.path) {
            continue;
        }
        let is_sys = source.path.starts_with("sys/");
        for call in system_calls(&source.code) {
            let place = (source.path.as_str(), call.function.as_str());
            let exceptions = match is_sys {
                true => MADE_ONCE.as_slice(),
                false => &OUTSIDE_OF_SYS,
            };
            if exceptions.contains(&place) {
                used.insert(format!("{place:?}"));
            } else if !(is_sys && call.is_retried) {
                wrong.push(format!("{place:?}"));
            }
        }
        let may = source.path == "sys/shared_fd.rs";
        for word in ["last_os_error", "Errno::last"] {
            if !may && source.code.contains(word) {
                wrong.push(format!("{} has {word}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let exceptions = OUTSIDE_OF_SYS.len() + MADE_ONCE.len();
    assert_eq!(used.len(), exceptions, "some exceptions are not needed");
}

/// What touches sources and contexts of whatever thread, and the only files that do so: in the
/// thread that runs the context, or has acquired it.
const OWNERS_ONLY: [(&str, &[&str]); 6] = [
    ("g_source_set_ready_time", &[]),
    ("g_source_destroy", &[]),
    ("set_ready_time(", &[]),
    ("g_main_context_wakeup", &[]),
    (
        ".destroy()",
        &["channel/wait.rs", "gio_context/mod.rs", "hub/mod.rs"],
    ),
    (
        "MainContext::new()",
        &[
            "channel/class/tests.rs",
            "channel/poll_io/tests.rs",
            "gio_context/tests.rs",
            "hub/context.rs",
        ],
    ),
];

#[test]
fn sources_and_contexts_are_touched_by_their_owners_only() {
    for Source { path, code } in sources() {
        for (call, files) in OWNERS_ONLY {
            assert!(
                !code.contains(call) || files.contains(&path.as_str()),
                "{path} calls {call}"
            );
        }
    }
}

#[test]
fn mutexes_of_the_process_are_held_across_forks() {
    for Source { path, code } in sources() {
        let may = path == "sync.rs" || path.ends_with("tests.rs");
        let mut statics = code.lines().filter(|line| line.contains("static "));
        let plain = |line: &str| line.contains(": Mutex<") || line.contains(": RwLock<");
        assert!(
            may || !statics.any(plain),
            "{path} has a static mutex that is no `sync::ProcessMutex`"
        );
    }
}

/// The names that the macros of `capi` are called with, each with the name of the function around
/// it.
fn macro_names(code: &str) -> Vec<(String, String)> {
    const MACROS: [&str; 6] = [
        "try_method!(",
        "method!(",
        "function!(",
        "async_method!(",
        "finish_method!(",
        "async_call!(",
    ];
    let name = |after: &str| head(after).unwrap_or_default();
    let mut found = Vec::new();
    for function in code.split("extern \"C\" fn ").skip(1) {
        let own = name(function);
        for text in MACROS {
            let uses = function.split(text).skip(1);
            found.extend(uses.map(|after| (own.clone(), name(after))));
        }
    }
    found
}

#[test]
fn the_macros_of_c_functions_have_the_names_of_these() {
    let names: Vec<_> = sources()
        .iter()
        .filter(|source| source.path.starts_with("capi/") && source.path != "capi/macros.rs")
        .flat_map(|source| macro_names(&source.code))
        .collect();
    assert!(names.len() > 100, "the macros are found");
    for (function, named) in names {
        assert_eq!(function, named);
    }
}

/// Words that `docs/style.md` replaces by a standard term, and how often they occur at most: these
/// numbers only fall.
const HOME_MADE: [(&[&str], usize); 25] = [
    (&["tell", "tells", "told", "telling"], 0),
    (&["nobody", "whoever", "somebody", "everybody"], 0),
    (&["goodbye", "goodbyes", "farewell"], 0),
    (&["shake", "shakes", "shaken", "shaking"], 0),
    (&["lend", "lends", "lent", "lender"], 0),
    (&["guess", "guesses", "guessed"], 1),
    (&["room", "rooms"], 1),
    (&["news"], 0),
    (&["patience"], 0),
    (&["vouch", "vouches", "vouched"], 0),
    (&["believe", "believes", "believed"], 0),
    (&["kin", "beneath", "manner"], 1),
    (&["welcome", "unwelcome"], 0),
    (
        &["who", "whom", "anybody", "anyone", "someone", "everyone"],
        54,
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
        96,
    ),
    (&["know", "knows", "knew"], 30),
    (&["wants"], 11),
    (&["die", "dies", "died"], 0),
    (&["hear", "hears", "heard"], 22),
    (&["say", "says", "said"], 175),
    (&["ask", "asks", "asked"], 287),
    (&["beside"], 36),
    (&["mistake", "mistakes"], 9),
    (
        &["honest", "patient", "starving", "tired", "choked", "anew"],
        8,
    ),
    // American spelling; the word of iproute2 stays.
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
        19,
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
