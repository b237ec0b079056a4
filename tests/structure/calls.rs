//! System calls, and what is touched by its owner only.

use std::collections::BTreeSet;

use crate::sources::{Source, is_test, sources};

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
