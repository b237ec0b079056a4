//! `meson.build`, as a subproject of a C program, and installed by that.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use crate::{output, root};

const PROGRAM: &str = "project('client', 'c')\n\
    qio = dependency('qio-1.0', fallback: ['qio', 'qio_dep'])\n\
    client = executable('client', 'client.c', dependencies: qio)\n\
    test('client', client, timeout: 60, env: {'LD_LIBRARY_PATH': meson.project_build_root() / 'subprojects/qio'})\n";

fn meson(folder: &Path, arguments: &[&str]) -> String {
    output(
        Command::new("meson")
            .args(arguments)
            .current_dir(folder)
            .env_remove("DESTDIR")
            .env_remove("MAKEFLAGS"),
    )
}

#[test]
fn a_c_program_has_the_project_as_a_subproject_of_meson() {
    needs!("meson", "gobject-introspection", "valac");
    let capi = output(Command::new(root().join(".ci/capi")).arg("folder"));
    let target = Path::new(capi.trim()).parent().expect("a folder");
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("meson.build"), PROGRAM).expect("written");
    fs::copy(root().join("tests/capi/client.c"), folder.join("client.c")).expect("copied");
    fs::create_dir(folder.join("subprojects")).expect("created");
    symlink(root(), folder.join("subprojects/qio")).expect("linked");

    let shared = format!("-Dqio:cargo-target-dir={}", target.display());
    let library_alone = "-Dqio:command=false";
    meson(
        folder,
        &["setup", "build", "--prefix=/usr", &shared, library_alone],
    );
    meson(folder, &["compile", "-C", "build"]);
    let tested = meson(folder, &["test", "-C", "build"]);
    assert!(tested.contains("1/1 client"), "{tested}");

    let installed = folder.join("installed");
    let destdir = installed.to_str().expect("text");
    meson(folder, &["install", "-C", "build", "--destdir", destdir]);
    let files = output(Command::new("find").arg(&installed).args(["-type", "f"]));
    for name in [
        "/usr/include/qio/qio.h",
        "/pkgconfig/qio-1.0.pc",
        "/girepository-1.0/Qio-1.0.typelib",
        "/usr/share/vala/vapi/qio-1.0.vapi",
    ] {
        assert!(files.contains(name), "{name} in {files}");
    }
}
