//! Runs the implementations of all cases alternately, and reports how they compare.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use super::{
    cases::{CASES, Case, Peer, Side},
    counts,
    interleaved::{Interleaved, interleaved},
    verdict::{Verdict, confirmed},
};

struct Row {
    case: &'static str,
    peer: &'static str,
    ours: f64,
    theirs: f64,
    ratio: f64,
    goal: Option<f64>,
}

/// All cases whose names contain `filter`.
pub(crate) fn all(filter: &str) -> ExitCode {
    if let Err(e) = stay_on_one_cpu() {
        eprintln!(concat!(env!("CARGO_CRATE_NAME"), ": not on one CPU: {}"), e);
    }
    println!(
        "{:<26} {:<12} {:>12} {:>12} {:>8} {:>6}",
        "case", "peer", "ours", "peer's", "ratio", "goal"
    );
    let (mut rows, mut failed) = (Vec::new(), false);
    for case in CASES.iter().filter(|case| case.name.contains(filter)) {
        for peer in case.peers {
            let measure = || {
                let row = compare(case, peer)?;
                let verdict = print(&row);
                rows.push(row);
                Ok::<_, io::Error>(verdict)
            };
            match confirmed(measure) {
                Ok(verdict) => failed |= verdict == Verdict::Failed,
                Err(e) => {
                    println!("{:<26} {:<12} {e}", case.name, peer.side.name());
                    failed = true;
                }
            }
        }
    }
    if let Err(e) = write_json(&rows) {
        eprintln!(
            concat!(env!("CARGO_CRATE_NAME"), ": writing the results: {}"),
            e
        );
        failed = true;
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Children inherit it. The last CPU, since the first one has the most interrupts to handle.
fn stay_on_one_cpu() -> nix::Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this)?;
    let mut cpus = (0..CpuSet::count()).rev();
    let last = cpus.find(|cpu| allowed.is_set(*cpu) == Ok(true));
    let mut one = CpuSet::new();
    one.set(last.expect("this process runs"))?;
    sched_setaffinity(this, &one)
}

fn compare(case: &'static Case, peer: &Peer) -> io::Result<Row> {
    let rounds = case.work.rounds();
    let ours = || measure(case, case.style);
    let Interleaved {
        ours,
        theirs,
        ratio,
    } = interleaved(0, rounds, ours, || measure(case, peer.side))?;
    Ok(Row {
        case: case.name,
        peer: peer.side.name(),
        ours,
        theirs,
        ratio,
        goal: peer.goal,
    })
}

/// Runs one side in a separate process.
fn measure(case: &Case, side: Side) -> io::Result<f64> {
    if let Some(ideal) = case.work.ideal(side) {
        return Ok(ideal);
    }
    if case.work.counts_instructions() {
        return counts::instructions(case.name, side.name());
    }
    let child = Command::new(env::current_exe()?)
        .args(["--case", case.name, "--side", side.name()])
        .stderr(Stdio::inherit())
        .output()?;
    if !child.status.success() {
        let failure = format!("{} failed: {}", side.name(), child.status);
        return Err(io::Error::other(failure));
    }
    let result = String::from_utf8_lossy(&child.stdout);
    result.trim().parse().map_err(io::Error::other)
}

fn print(row: &Row) -> Verdict {
    let goal = row.goal.map_or("-".into(), |goal| goal.to_string());
    let verdict = row.goal.map_or(Verdict::Met, |goal| {
        Verdict::at_most(row.case, row.peer, row.ratio, goal)
    });
    println!(
        "{:<26} {:<12} {:>12.0} {:>12.0} {:>8.4} {goal:>6} {}",
        row.case, row.peer, row.ours, row.theirs, row.ratio, verdict
    );
    verdict
}

fn write_json(rows: &[Row]) -> io::Result<()> {
    let objects: Vec<_> = rows.iter().map(json).collect();
    let path = results();
    fs::create_dir_all(path.parent().expect("a file"))?;
    fs::write(&path, format!("[\n{}\n]\n", objects.join(",\n")))?;
    println!("{}", path.display());
    Ok(())
}

/// No name has a character that would need an escape.
fn json(row: &Row) -> String {
    format!(
        r#"  {{"case": "{}", "peer": "{}", "ours": {:.1}, "peers": {:.1}, "ratio": {:.6}}}"#,
        row.case, row.peer, row.ours, row.theirs, row.ratio
    )
}

/// `bench/peers.json`, for the benchmark of that name, in the target directory, wherever that is.
fn results() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let name = concat!("bench/", env!("CARGO_CRATE_NAME"), ".json");
    target.expect("cargo's").join(name)
}
