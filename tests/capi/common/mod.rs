//! What the tests of the C library need: the library itself, compilers, and programs to run.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
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

/// The headers, without the one that includes all.
pub(crate) fn headers() -> Vec<PathBuf> {
    let folder = fs::read_dir(include().join("qio")).expect("readable");
    let mut headers: Vec<_> = folder
        .map(|entry| entry.expect("readable").path())
        .collect();
    headers.sort();
    assert!(headers.len() > 5, "the headers are found");
    headers
}

/// Runs a command that has to succeed, and returns what it prints.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{}", told(command, &output));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a command.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Output {
    match command.output() {
        Ok(output) => output,
        Err(e) => panic!("{command:?}: {e}; `make test` installs what the tests need"),
    }
}

/// All that a command has said.
pub(crate) fn told(command: &Command, output: &Output) -> String {
    format!(
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// What pkg-config says, as words.
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

/// Compiles a C program with the library, and returns where it is: in `folder`. The program is run
/// by [`with_library`].
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

/// A command that finds the library and its typelib: a program, or an interpreter.
pub(crate) fn with_library(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env("LD_LIBRARY_PATH", library())
        .env("GI_TYPELIB_PATH", library())
        .env("PYTHONPATH", root().join("data/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The script that runs a python3 that knows PyGObject.
pub(crate) fn python() -> PathBuf {
    root().join(".ci/python")
}
