//! How programs are compiled and run against the library, and what they need.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    io::{self, PipeWriter},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use crate::running::Running;

/// Longer than any program here takes, under valgrind on a busy machine too.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(180);

/// What `path` is in the root of the project.
pub(crate) fn in_root(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The folder of the library, which is up to date.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let capi = |args: &[&str]| {
            let output = Command::new(in_root(".ci/capi"))
                .args(args)
                .current_dir(in_root(""))
                .stdin(Stdio::null())
                .stderr(Stdio::inherit())
                .output()
                .expect("it runs");
            assert!(output.status.success(), ".ci/capi: {}", output.status);
            String::from_utf8(output.stdout).expect("text")
        };
        capi(&[]);
        capi(&["folder"]).trim_end().into()
    });
    &LIBRARY
}

/// A folder for what the tests make.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lang");
        fs::create_dir_all(&folder).expect("writable");
        folder
    });
    &FOLDER
}

/// Where a tool is. Nothing is skipped: a tool that is missing is named with its package.
pub(crate) fn tool(name: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|tool| tool.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: install the package {package}"))
}

/// The options with which a compiler finds a library and its headers.
fn pkg_config(package: &str) -> Vec<String> {
    let output = Command::new(tool("pkg-config", "pkg-config"))
        .args(["--cflags", "--libs", package])
        .env("PKG_CONFIG_PATH", library())
        .output()
        .expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "pkg-config {package}: {errors}");
    let options = String::from_utf8(output.stdout).expect("text");
    options.split_whitespace().map(str::to_owned).collect()
}

/// A compiled program.
pub(crate) struct Binary {
    path: PathBuf,
}

impl Binary {
    pub(crate) fn command(&self) -> Program {
        Program::new(&self.path)
    }

    #[track_caller]
    pub(crate) fn run(&self, last_line: &str) {
        self.command().run(last_line);
    }
}

/// Compiles a program in C, warnings denied.
#[track_caller]
pub(crate) fn compile_c(source: impl AsRef<Path>, options: &[&str]) -> Binary {
    compile_c_with(source, options, &[])
}

/// The same, with other libraries, by the names of their packages in pkg-config.
#[track_caller]
pub(crate) fn compile_c_with(
    source: impl AsRef<Path>,
    options: &[&str],
    packages: &[&str],
) -> Binary {
    let path = place_for(source.as_ref());
    let mut cc = Command::new(tool("cc", "gcc"));
    cc.args(["-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror"])
        // Callbacks and slots seldom need everything that they get.
        .arg("-Wno-unused-parameter")
        .args(options)
        .arg("-o")
        .arg(&path)
        .arg(in_root(source))
        // After the source, which needs them.
        .args(packages.iter().flat_map(|package| pkg_config(package)))
        .args(pkg_config("qio-1.0"));
    compile(cc);
    Binary { path }
}

/// Whether the C compiler makes programs with some options.
pub(crate) fn links_with(options: &[&str]) -> bool {
    let source = folder().join("empty.c");
    fs::write(&source, "int main (void) { return 0; }\n").expect("writable");
    let output = Command::new(tool("cc", "gcc"))
        .args(options)
        .arg("-o")
        .arg(folder().join("empty"))
        .arg(&source)
        .output()
        .expect("it runs");
    output.status.success()
}

/// Compiles a program in Vala, with other files that belong to it.
#[track_caller]
pub(crate) fn compile_vala(source: impl AsRef<Path>, others: &[&str]) -> Binary {
    compile_vala_with(source, others, &[])
}

/// The same, with other options.
#[track_caller]
pub(crate) fn compile_vala_with(
    source: impl AsRef<Path>,
    others: &[&str],
    options: &[&str],
) -> Binary {
    let path = place_for(source.as_ref());
    let mut valac = Command::new(tool("valac", "valac"));
    valac
        .args([
            "--quiet",
            "--debug",
            "--pkg=gio-unix-2.0",
            "--pkg=posix",
            "--pkg=qio-1.0",
        ])
        .args(options)
        .arg(prefixed("--vapidir=", library()))
        .args(["-X", "-w", "--output"])
        .arg(&path)
        .arg(in_root(source))
        .args(others.iter().map(in_root))
        .env("PKG_CONFIG_PATH", library());
    // The C compiler that valac calls is a tool too.
    tool("cc", "gcc");
    compile(valac);
    Binary { path }
}

fn prefixed(prefix: &str, path: &Path) -> OsString {
    let mut option = OsString::from(prefix);
    option.push(path);
    option
}

/// The path of a compiled program: one for each test, and each thread of it.
fn place_for(source: &Path) -> PathBuf {
    let thread = thread::current();
    let test = thread.name().unwrap_or("test").replace("::", "-");
    let language = source.extension().and_then(OsStr::to_str);
    let name = source.file_stem().and_then(OsStr::to_str).expect("text");
    folder().join(format!("{name}-{}-{test}", language.expect("text")))
}

#[track_caller]
fn compile(mut compiler: Command) {
    let output = compiler.output().expect("it runs");
    let output_text =
        String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler:?}\n{output_text}");
    assert!(
        !output_text.contains("warning:"),
        "{compiler:?}\n{output_text}"
    );
}

/// A compiled program, with valgrind watching: an error of memory, or a definite leak, is its
/// failure.
pub(crate) fn valgrind(binary: &Binary) -> Program {
    valgrind_with(binary, &[])
}

/// The same for threads that race: each gets time slices.
pub(crate) fn fair_valgrind(binary: &Binary) -> Program {
    valgrind_with(binary, &["--fair-sched=yes"])
}

fn valgrind_with(binary: &Binary, options: &'static [&'static str]) -> Program {
    const SUPPRESSIONS: &str = "/usr/share/glib-2.0/valgrind/glib.supp";
    assert!(
        Path::new(SUPPRESSIONS).exists(),
        "{SUPPRESSIONS} is missing: install the package libglib2.0-dev"
    );
    Program::new(tool("valgrind", "valgrind"))
        .args(["--quiet", "--leak-check=full", "--num-callers=40"])
        .args([
            "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite",
        ])
        .args(options.iter().copied())
        .arg("--error-exitcode=9")
        .arg(format!("--suppressions={SUPPRESSIONS}"))
        .arg(&binary.path)
        .env("G_SLICE", "always-malloc")
}

/// A script in Python, for the interpreter that has the introspection module.
pub(crate) fn python(script: impl AsRef<Path>) -> Program {
    python_has("import gi", "python3-gi");
    // With the overrides, as users have them.
    Program::new(in_root(".ci/python"))
        .arg(in_root(script))
        .env("PYTHONPATH", in_root("data/python"))
}

/// Makes sure that something works in Python, by its package.
pub(crate) fn python_has(statement: &str, package: &str) {
    assert!(
        python_runs(statement),
        "\"{statement}\" fails in Python: install the package {package}"
    );
}

/// Whether a statement works in Python.
pub(crate) fn python_runs(statement: &str) -> bool {
    let output = Command::new(in_root(".ci/python"))
        .args(["-c", statement])
        .output()
        .expect("it runs");
    output.status.success()
}

/// A module for GJS.
pub(crate) fn gjs(module: impl AsRef<Path>) -> Program {
    Program::new(tool("gjs", "gjs"))
        .arg("-m")
        .arg(in_root(module))
        // With the overrides, as users have them.
        .env("GJS_PATH", in_root("data/gjs"))
}

/// A program to be run with the library.
pub(crate) struct Program {
    command: Command,
    limit: Duration,
}

impl Program {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command
            .env("LD_LIBRARY_PATH", library())
            .env("GI_TYPELIB_PATH", library())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("G_DEBUG", "fatal-criticals")
            .stdin(Stdio::null());
        Self {
            command,
            limit: TIMEOUT,
        }
    }

    /// Sets how long it may take at most, `TIMEOUT` by default.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = &'static str>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs the program, which must succeed, with a last line as expected.
    #[track_caller]
    pub(crate) fn run(self, last_line: &str) {
        let mut running = self.start();
        let status = running.wait();
        let output = running.rest();
        assert!(
            status.success() && output.lines().last() == Some(last_line),
            "{status}\n{output}{}",
            running.errors(),
        );
    }

    /// Starts the program with a pipe as its standard input, of which this returns the other end.
    pub(crate) fn start_with_input(mut self) -> (Running, PipeWriter) {
        let (input, writer) = io::pipe().expect("a pipe");
        self.command.stdin(input);
        (self.start(), writer)
    }

    pub(crate) fn start(mut self) -> Running {
        let child = self
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{:?}: {e}", self.command));
        let deadline = Instant::now() + self.limit;
        Running::new(child, deadline)
    }
}
