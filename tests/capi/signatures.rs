//! The prototypes of the headers are those of the Rust functions.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::common::{cc, output, root};

/// cbindgen writes prototypes of the Rust functions, and the compiler reads them after the headers:
/// it calls what differs "conflicting types".
#[test]
fn prototypes_are_those_of_rust() {
    let mut sources = Vec::new();
    walk(&root().join("src/capi"), &mut sources);
    let prototypes = in_c(
        &sources,
        "item_types = [\"functions\"]\n\
         [export.rename]\n\
         iovec = \"struct iovec\"\n\
         IOHandler = \"QIOHandler\"\n\
         ChannelFunc = \"QIOChannelFunc\"\n\
         ClientFunc = \"QIONetListenerClientFunc\"\n\
         PasswordFunc = \"QIOTlsPasswordFunc\"\n\
         KeyLogFunc = \"QIOTlsKeyLogFunc\"\n\
         CoroutineFunc = \"QIOCoroutineFunc\"\n",
    );

    let expected: BTreeSet<_> = sources.iter().flat_map(|path| functions(path)).collect();
    for name in &expected {
        let found = prototypes.contains(&format!("{name}("));
        assert!(found, "{name}: cbindgen does not see it");
    }
    assert!(expected.len() > 33, "the functions are found");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("prototypes.c");
    fs::write(&file, prototypes).expect("written");
    output(cc().args(["-std=gnu11", "-fsyntax-only"]).arg(file));
}

/// gtk-rs has enums as `int`, and the compiler as `unsigned`: one of them gives in.
const HEADER: &str = "\
#include <stdint.h>
#include <qio/qio-types.h>
#define QIOChannelShutdown int
#include <qio/qio.h>
typedef gsize AtomicUsize;";

/// What cbindgen makes of Rust files, as a C file that includes the headers first.
pub(crate) fn in_c(sources: &[PathBuf], export: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("cbindgen.toml");
    fs::write(
        &config,
        format!(
            "language = \"C\"\nstyle = \"both\"\nno_includes = true\nusize_is_size_t = true\n\
             header = '''{HEADER}'''\n[export]\n{export}"
        ),
    )
    .expect("written");
    let config = cbindgen::Config::from_file(config).expect("a configuration");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in sources {
        builder = builder.with_src(source);
    }
    let mut text = Vec::new();
    builder
        .generate()
        .expect("cbindgen reads it")
        .write(&mut text);
    String::from_utf8(text).expect("text")
}

/// The names of the functions that a file exports.
fn functions(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).expect("readable");
    let exported = text.split("#[unsafe(no_mangle)]").skip(1);
    exported
        .map(|after| {
            let name = after.split("fn ").nth(1).expect("a function");
            name.split('(').next().expect("a name").to_owned()
        })
        .collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
    files.sort();
}
