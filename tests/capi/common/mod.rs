//! What the tests of the C library need: the library itself, compilers, and programs to run.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The root of the project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder with the C library and all that belongs to it, as new as its sources.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let script = root().join(".ci/capi");
        let built = Command::new(&script).output().expect("a shell");
        assert!(
            built.status.success(),
            "the C library cannot be built; `make test` installs what it needs:\n{}",
            String::from_utf8_lossy(&built.stderr)
        );
        output(Command::new(script).arg("folder")).trim().into()
    })
}

/// The folder of the headers, as `#include <qio/qio.h>` needs it.
pub(crate) fn include() -> PathBuf {
    root().join("data/include")
}

/// The headers.
pub(crate) fn headers() -> Vec<PathBuf> {
    let folder = fs::read_dir(include().join("qio")).expect("readable");
    let mut headers: Vec<_> = folder
        .map(|entry| entry.expect("readable").path())
        .collect();
    headers.sort();
    assert!(headers.len() > 5, "the headers are found");
    headers
}

/// A command that runs a program, and ends it when it hangs.
pub(crate) fn in_time(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.arg("60").arg(program);
    command
}

/// Runs a command that has to succeed, and returns what it prints.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> String {
    let output = match command.output() {
        Ok(output) => output,
        Err(e) => panic!("{command:?}: {e}; `make test` installs what the tests need"),
    };
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

/// The output of pkg-config, split into words.
pub(crate) fn pkg_config(arguments: &[&str]) -> Vec<String> {
    let words = output(Command::new("pkg-config").args(arguments));
    words.split_whitespace().map(str::to_owned).collect()
}

/// A C compiler that is shown our headers and those of GLib.
pub(crate) fn cc() -> Command {
    compiler("cc")
}

/// A C++ compiler, likewise.
pub(crate) fn cxx() -> Command {
    compiler("c++")
}

fn compiler(name: &str) -> Command {
    let mut compiler = Command::new(name);
    compiler
        .arg("-I")
        .arg(include())
        .args(pkg_config(&["--cflags", "gio-unix-2.0"]));
    compiler
}

/// Compiles a C program with the library, and returns where it is: in `folder`.
#[track_caller]
pub(crate) fn compile(source: &Path, folder: &Path) -> PathBuf {
    let program = folder.join(source.file_stem().expect("a name"));
    output(
        cc().args([
            "-std=gnu11",
            "-g",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wno-unused-parameter",
        ])
        .arg(source)
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(library())
        .arg("-lqio-1.0")
        .args(pkg_config(&["--libs", "gio-unix-2.0"])),
    );
    program
}

/// The script that runs a python3 that has PyGObject.
pub(crate) fn python() -> PathBuf {
    root().join(".ci/python")
}
