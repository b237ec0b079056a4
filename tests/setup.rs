//! `.ci/packages`, with mocks of APT, sudo and the tools that may be missing.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// What the script itself needs, and what is needed to build: here from the machine.
const FROM_MACHINE: [&str; 17] = [
    "sh",
    "sed",
    "tr",
    "grep",
    "sort",
    "cat",
    "mkdir",
    "mktemp",
    "rm",
    "dirname",
    "env",
    "cc",
    "sha256sum",
    "flock",
    "touch",
    "chmod",
    "as",
];

/// A machine with few programs.
struct Machine {
    bin: TempDir,
}

impl Machine {
    /// One where only what is needed to build is there, and APT works: it logs its calls, and an
    /// installed package brings the program that its stand-in names.
    fn new() -> Self {
        let this = Self {
            bin: tempfile::tempdir().expect("a directory"),
        };
        for name in FROM_MACHINE {
            let found = ["/bin", "/usr/bin"]
                .map(|folder| Path::new(folder).join(name))
                .into_iter()
                .find(|path| path.exists());
            symlink(found.expect(name), this.path(name)).expect("linked");
        }
        this.program("cargo", "echo 'cargo 1.92.0 (stand-in)'");
        // No module of GIO is anywhere.
        this.program(
            "pkg-config",
            "case $1 in --variable=*) echo /nowhere ;; esac",
        );
        this.program("id", "echo 0");
        this.program(
            "apt-get",
            r#"echo "apt-get $*" >>"$0.log"
               case " $* " in *" update "*) exit 0 ;; esac
               case " $* " in *" in-the-way "* | *" qemu-utils "*) exit 100 ;; esac
               for name; do case $name in socat | gjs | microsocks) program=$name ;; *) continue ;; esac
               touch "${0%/*}/$program"; chmod +x "${0%/*}/$program"; done"#,
        );
        this
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.bin.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }

    fn packages(&self, purpose: &str, variables: &[(&str, &str)]) -> Output {
        Command::new("/bin/sh")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/packages"))
            .arg(purpose)
            .env_clear()
            .env("PATH", self.bin.path())
            // Where nothing is ever installed for Python, nor from an index.
            .env("CARGO_TARGET_DIR", self.bin.path())
            .env("PIP_NO_INDEX", "1")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("it runs")
    }

    /// The calls of APT, a line each.
    fn calls(&self) -> String {
        fs::read_to_string(self.path("apt-get.log")).unwrap_or_default()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn nothing_is_printed_or_installed_if_nothing_is_missing() {
    let machine = Machine::new();
    let output = machine.packages("demo", &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout) + &text(&output.stderr), "");
    assert_eq!(machine.calls(), "");
}

#[test]
fn a_set_that_conflicts_is_installed_package_by_package_and_nothing_is_ever_removed() {
    let machine = Machine::new();
    let output = machine.packages("test", &[]);
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("packages: missing: "), "{errors}");
    let calls = machine.calls();
    let installs: Vec<_> = calls
        .lines()
        .filter(|line| line.contains(" install "))
        .collect();
    assert!(installs.len() > 10, "{calls}");
    for install in &installs {
        assert!(install.contains(" --no-remove "), "{install}");
    }
    // Packages that are only for some tests are left out if they cannot be had, and named.
    let left_out = text(&output.stdout);
    let left_out: Vec<_> = left_out.lines().collect();
    assert!(left_out.contains(&"qemu-utils"), "{left_out:?}");
    for installed in ["socat", "gjs", "microsocks"] {
        assert!(!left_out.contains(&installed), "{left_out:?}");
    }
    let refused = "qemu-utils cannot be installed without removing another package";
    assert!(errors.contains(refused), "{errors}");
}

#[test]
fn a_package_that_is_needed_to_build_cannot_be_left_out() {
    let machine = Machine::new();
    fs::remove_file(machine.path("flock")).expect("it is there");
    let output = machine.packages("demo", &[]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("still missing: util-linux"), "{errors}");
    assert!(errors.contains("dnf install util-linux"), "{errors}");
    assert!(errors.contains("pacman -S util-linux"), "{errors}");
}

#[test]
fn servers_that_only_tests_need_are_unpacked_with_their_libraries_and_not_installed() {
    let machine = Machine::new();
    machine.program(
        "apt-get",
        r#"echo "apt-get $*" >>"$0.log"
           case " $* " in
           *" -s "*" nginx "*) printf 'Inst library (1)\nInst nginx (1)\n' ;;
           *" download nginx library "*) touch library.deb nginx.deb ;;
           *" download "*) exit 100 ;;
           esac"#,
    );
    // A package has one file, in a folder of programs of the system.
    machine.program(
        "dpkg-deb",
        r#"name=${2##*/}; name=${name%.deb}; mkdir -p "$3/usr/sbin"
           echo true >"$3/usr/sbin/$name"; chmod +x "$3/usr/sbin/$name""#,
    );
    let output = machine.packages("test", &[]);
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{errors}");
    for name in ["library", "nginx"] {
        assert!(machine.path("peers/usr/sbin").join(name).exists(), "{name}");
    }
    let left_out = text(&output.stdout);
    let is_left_out = |package| left_out.lines().any(|name| name == package);
    // APT has the one alone.
    assert!(!is_left_out("nginx"), "{left_out}");
    assert!(is_left_out("haproxy"), "{left_out}");
    let calls = machine.calls();
    let is_installed = |line: &str| line.contains(" install -y ") && line.contains("nginx");
    assert!(!calls.lines().any(is_installed), "{calls}");
}

#[test]
fn qio_install_0_only_prints_and_stops() {
    let machine = Machine::new();
    let output = machine.packages("test", &[("QIO_INSTALL", "0")]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("nothing is installed"), "{errors}");
    assert!(errors.contains("apt-get install "), "{errors}");
    assert!(errors.contains("socat"), "{errors}");
    assert_eq!(machine.calls(), "");
}

#[test]
fn a_user_without_root_continues_with_the_present_tools() {
    let machine = Machine::new();
    machine.program("id", "echo 1000");
    let output = machine.packages("test", &[]);
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(machine.calls(), "");
    assert!(text(&output.stdout).lines().any(|name| name == "socat"));
    assert!(errors.contains("left out"), "{errors}");
}

#[test]
fn sudo_is_used_where_it_needs_no_password() {
    let machine = Machine::new();
    machine.program("id", "echo 1000");
    machine.program(
        "sudo",
        r#"[ "$1" = -n ] || exit 1; shift; [ "$1" != true ] || exit 0; exec "$@""#,
    );
    let output = machine.packages("test", &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stdout).lines().any(|name| name == "socat"));
    assert!(machine.calls().contains(" install "), "{}", machine.calls());
}

#[test]
fn an_old_cargo_is_named_with_the_ways_to_a_newer_one() {
    let machine = Machine::new();
    machine.program("cargo", "echo 'cargo 1.63.0'");
    let output_for = |candidate: &str| {
        machine.program("apt-cache", &format!("echo '  Candidate: {candidate}'"));
        let output = machine.packages("demo", &[]);
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let new = output_for("1.96.0+dfsg1-1~deb12u2");
    assert!(new.contains("cargo 1.63.0 is too old"), "{new}");
    assert!(new.contains("rustup.rs"), "{new}");
    assert!(new.contains("apt-get install rustc-web cargo-web"), "{new}");
    for candidate in ["1.85.0+dfsg3-1~deb12u3", "(none)", ""] {
        let errors = output_for(candidate);
        assert!(!errors.contains("rustc-web"), "{candidate}: {errors}");
    }
}
