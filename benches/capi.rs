//! The cost of a channel in a C program: compared with the bare system calls, and a ping-pong of
//! watches compared with the same in Rust. `make bench` builds the C library first.
//!
//! The C side is `benches/capi/calls.c`, a separate program: a process has one copy of the types.

#[path = "peers/verdict.rs"]
mod verdict;

use std::{
    convert::Infallible,
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use glib::{ControlFlow, IOCondition};
use qio::{ChannelSocket, prelude::*};
use verdict::{Verdict, confirmed};

const ROUND_TRIPS: u32 = 20_000;
const TURNS: usize = 51;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [case, count] = &arguments[..]
        && case == "watch"
    {
        println!("{:.1}", ping_pong(count.parse().expect("a number")));
        return ExitCode::SUCCESS;
    }
    let program = compile();
    println!(
        "{:<36} {:>9} {:>9} {:>7}  goal",
        "case", "ours ns", "peer ns", "ratio"
    );
    let mut failed = false;
    for line in run(&program, &["calls"]).lines() {
        let fields: Vec<_> = line.split(' ').collect();
        let [name, ours, bare] = fields[..] else {
            panic!("three words in {line:?}");
        };
        let goal = if name == "would-block" { 1.10 } else { 1.05 };
        failed |= row(
            &format!("C {name}, bare calls"),
            number(ours),
            number(bare),
            goal,
        ) == Verdict::Failed;
    }
    let count = ROUND_TRIPS.to_string();
    let this = env::current_exe().expect("this program has a path");
    let turn = || {
        let ours = number(&run(&program, &["watch", &count]));
        let rust = number(&run(&this, &["watch", &count]));
        (ours, rust)
    };
    let watches = || {
        let mut turns: Vec<_> = (0..TURNS).map(|_| turn()).collect();
        turns.sort_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
        let (ours, rust) = turns[TURNS / 2];
        Ok::<_, Infallible>(row("C ping-pong of watches, Rust", ours, rust, 1.05))
    };
    failed |= confirmed(watches) == Ok(Verdict::Failed);
    match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn row(name: &str, ours: f64, peer: f64, goal: f64) -> Verdict {
    let ratio = ours / peer;
    let verdict = Verdict::at_most(name, "", ratio, goal);
    println!("{name:<36} {ours:>9.0} {peer:>9.0} {ratio:>7.3}  {goal:.2} {verdict}");
    verdict
}

fn number(text: &str) -> f64 {
    text.trim().parse().expect("a number")
}

fn run(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    assert!(output.status.success(), "{}: {output:?}", program.display());
    String::from_utf8(output.stdout).expect("text")
}

/// Compiles the C side against the library in `target/capi`.
fn compile() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let headers = here.parent().expect("the project").join("data/include");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("is in target");
    let library = target.join("capi");
    assert!(
        library.join("libqio-1.0.so").exists(),
        "there is no C library in {}: run `make capi`",
        library.display()
    );
    let flags = Command::new("pkg-config")
        .args(["--cflags", "--libs", "gio-unix-2.0"])
        .output()
        .expect("pkg-config runs");
    let flags = String::from_utf8(flags.stdout).expect("text");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("calls");
    let status = Command::new("cc")
        .args(["-O2", "-Wall", "-Wextra", "-o"])
        .arg(&program)
        .arg(here.join("capi/calls.c"))
        .arg(format!("-I{}", headers.display()))
        .arg(format!("-L{}", library.display()))
        .arg(format!("-Wl,-rpath,{}", library.display()))
        .arg("-lqio-1.0")
        .args(flags.split_whitespace())
        .status()
        .expect("cc runs");
    assert!(status.success(), "calls.c compiles");
    program
}

/// The nanoseconds of a round trip between two watches, as in `calls.c`.
fn ping_pong(count: u32) -> f64 {
    // In C the first channel registers this type, which starts a thread of GLib: from then on the
    // kernel counts references of descriptors in each call.
    gio::Task::<bool>::static_type();
    let (client, server) = ChannelSocket::pair().expect("a pair");
    for end in [&client, &server] {
        end.set_blocking(false).expect("a mode");
    }
    let main_loop = glib::MainLoop::new(None, false);
    let (quit, mut left) = (main_loop.clone(), count);
    client.add_watch_local(IOCondition::IN, move |end, _| {
        if !matches!(end.read(&mut [0; 64]), Ok(1..)) {
            return ControlFlow::Continue;
        }
        left -= 1;
        match left {
            0 => quit.quit(),
            _ => assert_eq!(end.write(b"x").expect("sent"), 1),
        }
        ControlFlow::Continue
    });
    server.add_watch_local(IOCondition::IN, |end, _| {
        let mut buf = [0; 64];
        if let Ok(count @ 1..) = end.read(&mut buf) {
            assert_eq!(end.write(&buf[..count]).expect("answered"), count);
        }
        ControlFlow::Continue
    });
    let begin = Instant::now();
    client.write(b"x").expect("the first");
    main_loop.run();
    begin.elapsed().as_nanos() as f64 / f64::from(count)
}
