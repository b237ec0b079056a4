//! Type stubs for Python: complete, and as mypy sees them.

use std::fs;

use crate::run::{Program, folder, in_root, library, python};

/// mypy, with the stubs of the library and those of PyGObject.
fn mypy(arguments: [&'static str; 2]) -> Program {
    Program::new(in_root(".ci/python"))
        .args(["-m", "mypy", "--strict", "--cache-dir"])
        .arg(folder().join("mypy"))
        .args(arguments)
        .env("PYTHONPATH", library())
        // It is of the distribution, and uses no library of ours.
        .env("LD_LIBRARY_PATH", "")
}

#[test]
fn the_stubs_have_every_name_of_the_library_and_of_the_override() {
    needs!("python3-gi", "gobject-introspection");
    let stubs = library().join("gi-stubs/repository/Qio.pyi");
    python("tests/lang/stubs.py").arg(stubs).run("stubs: ok");
}

#[test]
fn mypy_accepts_the_stubs_and_a_program_and_rejects_wrong_types() {
    needs!("python3-gi", "gobject-introspection", "mypy");
    const FINE: &str = "Success: no issues found in 1 source file";
    python("tests/lang/typed.py").run("typed: ok");
    mypy(["--package", "gi.repository.Qio"]).run(FINE);
    mypy(["--no-pretty", "tests/lang/typed.py"]).run(FINE);

    let wrong = "tests/lang/mistyped.py";
    let mut running = mypy(["--no-pretty", wrong]).start();
    assert_eq!(running.wait().code(), Some(1), "{}", running.errors());
    let found: Vec<_> = running.rest().lines().filter_map(error).collect();
    let text = fs::read_to_string(in_root(wrong)).expect("readable");
    let lines = text.lines().zip(1..);
    let expected: Vec<_> = lines
        .filter_map(|(line, number)| Some((number, line.split_once("  # ")?.1.to_owned())))
        .collect();
    assert!(expected.len() > 10);
    assert_eq!(found, expected);
}

/// The line and the code of an error: `file.py:5: error: text  [code]`.
fn error(line: &str) -> Option<(usize, String)> {
    let (place, text) = line.split_once(": error: ")?;
    let number = place.rsplit(':').next()?.parse().ok()?;
    let code = text.rsplit_once('[')?.1.trim_end_matches(']');
    Some((number, code.to_owned()))
}
