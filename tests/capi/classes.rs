//! The structs of the classes are as large in C as in Rust, and their slots are the same.

use std::fs;

use crate::common::{cc, compile, headers, in_time, library, output, root};

/// The types that the headers declare, each with the beginning of its functions' names.
fn types() -> Vec<(String, String)> {
    let mut types = Vec::new();
    for header in headers() {
        let text = fs::read_to_string(header).expect("readable");
        for declaration in text.split("\nG_DECLARE_DERIVABLE_TYPE").skip(1) {
            let mut arguments = declaration.trim_start().trim_start_matches('(').split(',');
            let mut next = || arguments.next().expect("an argument").trim().to_owned();
            types.push((next(), next()));
        }
    }
    assert!(types.len() > 5, "the classes are found");
    types
}

#[test]
fn structs_have_the_sizes_that_rust_registers() {
    let queries: String = types()
        .iter()
        .map(|(name, functions)| {
            format!("  wrong += differs ({functions}_get_type (), sizeof ({name}), sizeof ({name}Class));\n")
        })
        .collect();
    let source = format!(
        r#"#include <qio/qio.h>

static int
differs (GType type, gsize instance, gsize class)
{{
  GTypeQuery query;

  g_type_query (type, &query);
  if (query.instance_size == instance && query.class_size == class)
    return 0;
  g_print ("%s: instance of %u in Rust, %zu in C; class of %u in Rust, %zu in C\n",
           query.type_name, query.instance_size, instance, query.class_size, class);
  return 1;
}}

int
main (void)
{{
  int wrong = 0;

{queries}  return wrong;
}}
"#
    );
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sizes.c");
    fs::write(&file, source).expect("written");
    let sizes = compile(&file, folder.path());
    output(in_time(sizes).env("LD_LIBRARY_PATH", library()));
}

/// The compiler compares C's class struct with what cbindgen makes of Rust's.
#[test]
fn slots_have_the_types_and_places_of_rust() {
    let ffi = root().join("src/channel/ffi.rs");
    let text = fs::read_to_string(&ffi).expect("readable");
    let slots: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("    pub io_")?.split(':').next())
        .collect();
    assert!(slots.len() > 10, "the slots are found");

    let structs = crate::signatures::in_c(
        &[ffi],
        "item_types = [\"structs\", \"typedefs\"]\n\
         rename = { QIOChannelClass = \"RustClass\", iovec = \"struct iovec\", NativeClass = \"void\" }\n\
         include = [\"QIOChannelClass\"]\n\
         exclude = [\"QIOChannel\"]\n",
    );
    let checks: String = slots
        .iter()
        .map(|slot| {
            format!(
                "_Static_assert (G_STRUCT_OFFSET (QIOChannelClass, io_{slot}) == G_STRUCT_OFFSET (RustClass, io_{slot}), \"place\");\n\
                 _Static_assert (__builtin_types_compatible_p (__typeof__ (((QIOChannelClass *) 0)->io_{slot}), \
                 __typeof__ (((RustClass *) 0)->io_{slot})), \"types\");\n"
            )
        })
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("slots.c");
    fs::write(&file, structs + &checks).expect("written");
    output(cc().args(["-std=gnu11", "-fsyntax-only"]).arg(file));
}
