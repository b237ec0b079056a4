//! The C functions.

use crate::sources::{head, sources};

/// The functions of the seed header.
const SEED: [&str; 33] = [
    "qio_channel_has_feature",
    "qio_channel_set_feature",
    "qio_channel_set_name",
    "qio_channel_readv_full",
    "qio_channel_writev_full",
    "qio_channel_readv_all_eof",
    "qio_channel_readv_all",
    "qio_channel_writev_all",
    "qio_channel_readv",
    "qio_channel_writev",
    "qio_channel_read",
    "qio_channel_write",
    "qio_channel_read_all_eof",
    "qio_channel_read_all",
    "qio_channel_write_all",
    "qio_channel_set_blocking",
    "qio_channel_close",
    "qio_channel_shutdown",
    "qio_channel_set_delay",
    "qio_channel_set_cork",
    "qio_channel_io_seek",
    "qio_channel_create_watch",
    "qio_channel_add_watch",
    "qio_channel_add_watch_full",
    "qio_channel_add_watch_source",
    "qio_channel_attach_aio_context",
    "qio_channel_detach_aio_context",
    "qio_channel_yield",
    "qio_channel_wait",
    "qio_channel_set_aio_fd_handler",
    "qio_channel_readv_full_all_eof",
    "qio_channel_readv_full_all",
    "qio_channel_writev_full_all",
];

#[test]
fn every_function_of_the_seed_header_is_there() {
    let code: String = sources().into_iter().map(|source| source.code).collect();
    for function in SEED {
        let alias = format!("#[doc(alias = \"{function}\")]");
        assert!(code.contains(&alias), "{function}");
    }
}

/// The names that the macros of `capi` are called with, each with the name of the function around
/// it.
fn macro_names(code: &str) -> Vec<(String, String)> {
    const MACROS: [&str; 8] = [
        "try_method!(",
        "method!(",
        "function!(",
        "async_method!(",
        "finish_method!(",
        "async_call!(",
        "setter!(",
        "c_name!(",
    ];
    let name = |after: &str| head(after).unwrap_or_default();
    let mut found = Vec::new();
    for function in code.split("extern \"C\" fn ").skip(1) {
        let own = name(function);
        for text in MACROS {
            let uses = function.split(text).skip(1);
            found.extend(uses.map(|after| (own.clone(), name(after))));
        }
    }
    found
}

/// The code of the C functions, without that of the macros.
fn codes_of_functions() -> impl Iterator<Item = String> {
    let is_of_functions =
        |path: &str| path.starts_with("capi/") && !path.starts_with("capi/macros");
    let sources = sources().into_iter();
    sources
        .filter(move |source| is_of_functions(&source.path))
        .map(|source| source.code)
}

#[test]
fn the_macros_of_c_functions_have_the_names_of_these() {
    let names: Vec<_> = codes_of_functions()
        .flat_map(|code| macro_names(&code))
        .collect();
    assert!(names.len() > 100, "the macros are found");
    for (function, named) in names {
        assert_eq!(function, named);
    }
}

/// The functions that return the result of an asynchronous one, each with the name of that.
fn finish_functions(code: &str) -> Vec<(String, String)> {
    let name = |text: &str| head(text).unwrap_or_default();
    let uses = code.split("finish_method!(").skip(1);
    uses.filter_map(|after| after.split_once(','))
        .map(|(own, begun_by)| (name(own), name(begun_by)))
        .collect()
}

#[test]
fn finish_functions_return_the_results_of_their_asynchronous_functions() {
    let pairs: Vec<_> = codes_of_functions()
        .flat_map(|code| finish_functions(&code))
        .collect();
    assert!(pairs.len() > 20, "the macros are found");
    for (finish, begun_by) in pairs {
        assert_eq!(
            finish.strip_suffix("_finish"),
            begun_by.strip_suffix("_async")
        );
    }
}
