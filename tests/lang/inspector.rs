//! The inspector: a window with live plots, and a page in GTK Inspector.

use crate::{
    run::{Program, folder, in_root, python_has},
    running::Running,
    screen::Screen,
};

/// The colors of the plot: what is read, and what is written. Nothing else has them.
const COLORS: [[u8; 3]; 2] = [[51, 102, 204], [220, 120, 30]];

fn needs_gtk() {
    python_has(
        "import gi; gi.require_version('Gtk', '4.0')",
        "gir1.2-gtk-4.0",
    );
}

/// The inspector on a screen.
fn inspector(screen: &Screen, arguments: &[&str]) -> Running {
    let program = Program::new(in_root(".ci/python")).args(["-m", "qio_inspector"]);
    let program = arguments
        .iter()
        .fold(program, |it, argument| it.arg(argument));
    program
        .env("PYTHONPATH", in_root("data/python"))
        .env("DISPLAY", screen.display())
        .env("GDK_BACKEND", "x11")
        .env("GSK_RENDERER", "cairo")
        .env("GSETTINGS_BACKEND", "memory")
        .env("GTK_A11Y", "none")
        .start()
}

/// Waits for the plot, and for the texts around it, and saves the picture.
#[track_caller]
fn check_plot(screen: &Screen, name: &str) {
    screen.wait_until("the plot shows both directions", |shot| {
        COLORS.iter().all(|color| shot.count(*color) > 100) && shot.colors() > 30
    });
    screen.shot().save(&folder().join(name));
}

#[test]
fn the_inspector_shows_the_channels_of_a_program_in_python() {
    needs!(
        "gobject-introspection",
        "python3-gi",
        "gir1.2-gtk-4.0",
        "xvfb"
    );
    needs_gtk();
    let screen = Screen::start();
    let program = in_root("tests/lang/inspected.py").display().to_string();
    let mut running = inspector(&screen, &["--", &program]);
    running.line_after("inspected: running");
    running.line_after("warnings: qio_inspector+view+Window");
    check_plot(&screen, "inspector.ppm");
    running.stop();
}

#[test]
fn the_inspector_shows_another_process() {
    needs!(
        "gobject-introspection",
        "python3-gi",
        "gir1.2-gtk-4.0",
        "xvfb"
    );
    needs_gtk();
    let screen = Screen::start();
    let python = in_root(".ci/python").display().to_string();
    let program = in_root("tests/lang/inspected.py").display().to_string();
    let mut running = inspector(&screen, &["--exec", &python, &program]);
    running.line_after("inspected: running");
    check_plot(&screen, "inspector_exec.ppm");
    running.stop();
}

#[test]
fn gtk_inspector_has_a_page_with_the_channels() {
    needs!(
        "gobject-introspection",
        "python3-gi",
        "gir1.2-gtk-4.0",
        "xvfb"
    );
    needs_gtk();
    let screen = Screen::start();
    let program = in_root("tests/lang/inspected.py").display().to_string();
    let mut running = inspector(&screen, &["--", &program, "page"]);
    assert_eq!(running.line_after("page: "), "Channels");
    running.line_after("warnings: GtkInspectorWindow");
    check_plot(&screen, "inspector_page.ppm");
    running.stop();
}
