//! What a release is checked with, and what it is packed as.

#[macro_use]
#[path = "../qio/common/skip.rs"]
mod skip;

mod abi;
mod meson;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// The root of the project.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command, and returns whether it succeeds with all that it prints.
#[track_caller]
fn run(command: &mut Command) -> (bool, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = match command.output() {
        Ok(output) => output,
        Err(e) => panic!("{command:?}: {e}; `make test` installs what the tests need"),
    };
    let text = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
    (status.success(), text.into_owned())
}

/// Runs a command that has to succeed.
#[track_caller]
fn output(command: &mut Command) -> String {
    let (success, text) = run(command);
    assert!(success, "{command:?}:\n{text}");
    text
}

/// Copies files, and folders with all in them, from the root of the project.
fn copy(names: &[&str], folder: &Path) {
    for name in names {
        let to = folder.join(name);
        fs::create_dir_all(to.parent().expect("a folder")).expect("created");
        output(Command::new("cp").arg("-r").arg(root().join(name)).arg(to));
    }
}
