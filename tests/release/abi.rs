//! `.ci/abi`, in repositories made for that: what it passes, and what it reports.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::{copy, output, root, run};

const HEADER: &str = "data/include/qio/qio-channel.h";

fn git(folder: &Path, arguments: &[&str]) {
    output(
        Command::new("git")
            .args(["-c", "user.name=test", "-c", "user.email=test@localhost"])
            .args(arguments)
            .current_dir(folder),
    );
}

/// A repository with the files that a closure writes, in one commit.
fn repository(write: impl FnOnce(&Path)) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    copy(&[".ci/abi", ".ci/capi", ".ci/install"], folder.path());
    write(folder.path());
    git(folder.path(), &["init", "--quiet"]);
    git(folder.path(), &["add", "."]);
    git(folder.path(), &["commit", "--quiet", "--message", "first"]);
    folder
}

/// One with the headers, and the tag of a release.
fn with_headers() -> TempDir {
    let folder = repository(|folder| copy(&["data/include"], folder));
    git(folder.path(), &["tag", "v0.1.0"]);
    folder
}

fn abi(folder: &TempDir, part: &str) -> (bool, String) {
    // The tool is where this project has it.
    let folder_of_capi = output(Command::new(root().join(".ci/capi")).arg("folder"));
    let target = Path::new(folder_of_capi.trim()).parent();
    let target = target.expect("a folder").to_owned();
    fs::create_dir_all(folder.path().join("target")).expect("created");
    let installed = target.join("tools");
    // Where they are not installed yet, that is done through the link.
    fs::create_dir_all(&installed).expect("created");
    let tools = folder.path().join("target/tools");
    if !tools.exists() {
        std::os::unix::fs::symlink(installed, tools).expect("linked");
    }
    run(Command::new(folder.path().join(".ci/abi"))
        .arg(part)
        .env_remove("CARGO_TARGET_DIR"))
}

/// Replaces a text that a file has.
#[track_caller]
fn replace(folder: &TempDir, file: &str, from: &str, to: &str) {
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).expect("readable");
    assert!(text.contains(from), "{from} in {file}");
    fs::write(path, text.replace(from, to)).expect("written");
}

#[track_caller]
fn assert_reported((success, text): (bool, String), parts: &[&str]) {
    assert!(!success, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn without_a_tag_there_is_no_release_to_compare_with() {
    needs!("git");
    let folder = repository(|_| ());
    let (success, text) = abi(&folder, "all");
    assert!(success, "{text}");
    assert!(
        text.contains("there is no release to compare with"),
        "{text}"
    );
}

#[test]
fn without_a_repository_the_comparison_fails() {
    needs!("git");
    let folder = repository(|_| ());
    fs::remove_dir_all(folder.path().join(".git")).expect("removed");
    assert_reported(abi(&folder, "all"), &["no repository of git"]);
}

#[test]
fn headers_with_new_functions_have_the_abi_of_the_release() {
    needs!("abigail-tools", "git");
    let folder = with_headers();
    let (success, text) = abi(&folder, "c");
    assert!(success && text.contains("are those of v0.1.0"), "{text}");
    let function = "void qio_channel_abort (";
    let both = format!("void qio_channel_abort_soon (QIOChannel *ioc);\n{function}");
    replace(&folder, HEADER, function, &both);
    let (success, text) = abi(&folder, "c");
    assert!(success, "{text}");
}

#[test]
fn a_removed_function_changes_the_abi() {
    needs!("abigail-tools", "git");
    let folder = with_headers();
    replace(
        &folder,
        HEADER,
        "void qio_channel_abort (",
        "void qio_channel_end (",
    );
    assert_reported(
        abi(&folder, "c"),
        &[
            "Removed variable",
            "qio_channel_abort",
            "not that of v0.1.0",
        ],
    );
}

#[test]
fn a_class_structure_of_another_size_changes_the_abi() {
    needs!("abigail-tools", "git");
    let folder = with_headers();
    replace(
        &folder,
        HEADER,
        "gpointer padding[12];",
        "gpointer padding[13];",
    );
    assert_reported(abi(&folder, "c"), &["_QIOChannelClass", "size changed"]);
}

#[test]
fn a_parameter_of_another_type_changes_the_abi() {
    needs!("abigail-tools", "git");
    let folder = with_headers();
    let (from, to) = (
        "qio_channel_new_fd (int fd,",
        "qio_channel_new_fd (gint64 fd,",
    );
    replace(&folder, HEADER, from, to);
    assert_reported(
        abi(&folder, "c"),
        &["function_qio_channel_new_fd", "parameter 1"],
    );
}

#[test]
#[ignore = "needs cargo-semver-checks, which takes minutes to build: `make abi`"]
fn a_removed_rust_function_needs_a_version_that_allows_it() {
    needs!("git");
    let folder = repository(|folder| {
        let manifest = "[package]\nname = \"qio\"\nversion = \"1.0.0\"\nedition = \"2024\"\n";
        fs::write(folder.join("Cargo.toml"), manifest).expect("written");
        fs::write(
            folder.join("Cargo.lock"),
            "version = 4\n\n[[package]]\nname = \"qio\"\nversion = \"1.0.0\"\n",
        )
        .expect("written");
        fs::create_dir(folder.join("src")).expect("created");
        fs::write(
            folder.join("src/lib.rs"),
            "pub fn one() {}\npub fn two() {}\n",
        )
        .expect("written");
    });
    git(folder.path(), &["tag", "v1.0.0"]);
    let (success, text) = abi(&folder, "rust");
    assert!(success, "{text}");
    replace(&folder, "src/lib.rs", "pub fn two() {}\n", "");
    assert_reported(
        abi(&folder, "rust"),
        &["function_missing", "does not allow"],
    );
    for file in ["Cargo.toml", "Cargo.lock"] {
        replace(&folder, file, "1.0.0", "2.0.0");
    }
    let (success, text) = abi(&folder, "rust");
    assert!(success, "{text}");
}
