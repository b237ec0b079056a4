//! The channels of each example, as `qio top` shows them.

use crate::{
    documents::{gtk_monitor, listen},
    monitored::{Monitored, are_all_examples},
    run::{Program, compile_c, compile_c_with, compile_vala, gjs, python},
    running::Running,
    screen::Screen,
    tls::certificates,
};

/// Starts an example, and waits until its sockets are shown.
#[track_caller]
fn is_shown(example: Program) {
    let (_running, monitored) = start(example);
    monitored.shows(&["QIOChannelSocket"]);
}

fn start(example: Program) -> (Running, Monitored) {
    let monitored = Monitored::new();
    let variables = monitored.variables().into_iter();
    let example = variables.fold(example, |it, (name, value)| it.env(name, value));
    (example.start(), monitored)
}

/// An example that shows what a server sends, which is nothing.
#[track_caller]
fn client_is_shown(example: Program) {
    let (_listener, address) = listen();
    is_shown(example.arg(address));
}

#[test]
fn the_monitor_of_each_example_is_tested_and_documented() {
    are_all_examples("examples/c", "c", &["chat", "echo", "soup"]);
    are_all_examples("examples/python", "py", &["chat", "gtk_monitor", "watch"]);
    are_all_examples("examples/gjs", "js", &["watch"]);
    are_all_examples("examples/vala", "vala", &["echo"]);
}

#[test]
fn qio_top_shows_the_channels_of_each_example_in_c() {
    needs!("libsoup-3.0-dev");
    is_shown(compile_c("examples/c/echo.c", &[]).command());
    let directory = certificates();
    let chat = compile_c("examples/c/chat.c", &[]);
    let chat = chat.command().arg("server").arg("tcp:127.0.0.1:0");
    is_shown(chat.arg(directory.path()));
    is_shown(compile_c_with("examples/c/soup.c", &[], &["libsoup-3.0"]).command());
}

#[test]
fn qio_top_shows_the_channels_of_each_example_in_python() {
    needs!("python3-gi", "gobject-introspection");
    client_is_shown(python("examples/python/watch.py"));
    let directory = certificates();
    let chat = python("examples/python/chat.py");
    let chat = chat.arg("server").arg("tcp:127.0.0.1:0");
    is_shown(chat.arg(directory.path()));
}

#[test]
fn qio_top_shows_the_channels_of_the_example_gtk_monitor() {
    needs!(
        "python3-gi",
        "gobject-introspection",
        "gir1.2-gtk-4.0",
        "xvfb"
    );
    client_is_shown(gtk_monitor(&Screen::start()));
}

#[test]
fn qio_top_shows_the_channels_of_the_example_in_gjs() {
    needs!("gjs", "gobject-introspection");
    client_is_shown(gjs("examples/gjs/watch.js"));
}

#[test]
fn qio_top_shows_the_channels_of_the_example_in_vala() {
    needs!("valac", "gobject-introspection");
    is_shown(compile_vala("examples/vala/echo.vala", &[]).command());
}

#[test]
fn qio_top_shows_the_warnings_of_a_program_in_python() {
    needs!("python3-gi", "gobject-introspection");
    let (_running, monitored) = start(python("tests/lang/inspected.py"));
    let warning = |name, message| format!("warning: QIOChannelSocket \"{name}\": {message}");
    let warnings = [
        warning("blocks the loop", "a read has blocked a thread"),
        warning("closed unread", "it was closed with 10 bytes of input"),
        warning("busy loop", "it was called or polled 10000 times"),
        warning("fired in vain", "its watch has fired 1000 times"),
    ];
    monitored.wait_for(&[], &warnings);
}
