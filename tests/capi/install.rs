//! `make install`, and programs that see nothing but what it has installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::common::{in_time, library, output, pkg_config, python, root};

/// Runs make with settings, and without those of the make that may run these tests.
#[track_caller]
fn make(target: &str, settings: &[String]) -> String {
    library();
    output(
        Command::new("make")
            .arg("-C")
            .arg(root())
            .arg(target)
            .args(settings)
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL")
            .env_remove("MAKEFILES")
            .env("XDG_DATA_DIRS", "/usr/local/share:/usr/share"),
    )
}

/// The environment that `make install` prints for an installation outside the default paths.
fn printed_environment(installed: &str) -> Vec<(&str, &str)> {
    let lines = installed.lines().filter(|line| line.starts_with("  "));
    lines
        .flat_map(str::split_whitespace)
        .filter_map(|word| word.split_once('='))
        .collect()
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// The folder of the only file of a name.
#[track_caller]
fn folder_of(name: &str, all: &[PathBuf]) -> PathBuf {
    let found: Vec<_> = all.iter().filter(|path| path.ends_with(name)).collect();
    assert_eq!(found.len(), 1, "{name} in {all:#?}");
    found[0].parent().expect("a folder").into()
}

fn source(name: &str) -> PathBuf {
    root().join("tests/capi").join(name)
}

#[test]
fn an_installed_package_serves_c_and_python() {
    needs!("gobject-introspection", "valac", "python3-gi");
    let folder = tempfile::tempdir().expect("a folder");
    let destdir = folder.path().join("package");
    let settings = [
        format!("DESTDIR={}", destdir.display()),
        "PREFIX=/usr".into(),
    ];
    make("install", &settings);

    let all = files(&destdir);
    let lib = folder_of("libqio-1.0.so.0", &all);
    assert_eq!(
        lib.strip_prefix(&destdir).expect("below"),
        Path::new(&pkg_config(&["--variable=libdir", "glib-2.0"])[0][1..]),
        "in the directory of GLib"
    );

    // pkg-config puts the folder before the paths of GLib as well, which is not there.
    let flags = output(
        Command::new("pkg-config")
            .args(["--cflags", "--libs", "qio-1.0"])
            .env("PKG_CONFIG_SYSROOT_DIR", &destdir)
            .env("PKG_CONFIG_PATH", folder_of("qio-1.0.pc", &all))
            .env("PKG_CONFIG_ALLOW_SYSTEM_CFLAGS", "1")
            .env("PKG_CONFIG_ALLOW_SYSTEM_LIBS", "1"),
    );
    assert!(flags.contains(&format!("-L{}", lib.display())), "{flags}");
    let client = folder.path().join("client");
    output(
        Command::new("cc")
            .arg(source("client.c"))
            .arg("-o")
            .arg(&client)
            .args(flags.split_whitespace())
            .args(pkg_config(&["--cflags", "--libs", "gio-unix-2.0"])),
    );
    output(in_time(&client).env("LD_LIBRARY_PATH", &lib));

    output(
        in_time(python())
            .arg(source("client.py"))
            .env("LD_LIBRARY_PATH", &lib)
            .env("GI_TYPELIB_PATH", folder_of("Qio-1.0.typelib", &all)),
    );

    make("uninstall", &settings);
    assert!(files(&destdir).is_empty(), "{:?}", files(&destdir));
}

#[test]
fn a_private_prefix_serves_static_programs_and_with_the_printed_environment_bindings() {
    needs!("gobject-introspection", "valac", "python3-gi", "gjs");
    let folder = tempfile::tempdir().expect("a folder");
    let prefix = folder.path().join("own");
    let settings = [format!("PREFIX={}", prefix.display())];
    let installed = make("install", &settings);
    let environment = printed_environment(&installed);

    let flags = output(
        Command::new("pkg-config")
            .args(["--static", "--cflags", "--libs", "qio-1.0"])
            .envs(environment.iter().copied()),
    );
    let archive = prefix.join("lib/libqio-1.0.a").display().to_string();
    let client = folder.path().join("static");
    output(
        Command::new("cc")
            .arg(source("client.c"))
            .arg("-o")
            .arg(&client)
            .args(flags.split_whitespace().map(|flag| match flag {
                "-lqio-1.0" => &archive,
                other => other,
            })),
    );
    output(&mut in_time(&client));

    let client = folder.path().join("vala");
    output(
        Command::new("valac")
            .args(["--pkg", "qio-1.0", "--quiet", "-X", "-w"])
            .arg(source("client.vala"))
            .arg("-o")
            .arg(&client)
            .envs(environment.iter().copied()),
    );
    output(in_time(&client).envs(environment.iter().copied()));

    output(
        in_time(python())
            .arg(source("client.py"))
            .arg("--overrides")
            .envs(environment.iter().copied()),
    );
    output(
        in_time("gjs")
            .arg("-m")
            .arg(source("client.js"))
            .envs(environment.iter().copied()),
    );
    // In the folder of the overrides' package, where type checkers find stubs.
    let stubs = folder_of("gi-stubs/repository/Qio.pyi", &files(&prefix));
    let overrides = folder_of("gi/overrides/Qio.py", &files(&prefix));
    assert_eq!(stubs.ancestors().nth(2), overrides.ancestors().nth(2));

    make("uninstall", &settings);
    assert!(files(&prefix).is_empty(), "{:?}", files(&prefix));
}
