//! Programs that listen for `qio top`, as their environment demands.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// Longer than anything takes that is going to happen at all.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The folder of the sockets of a program.
pub(crate) struct Monitored(tempfile::TempDir);

impl Monitored {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// What its environment has.
    pub(crate) fn variables(&self) -> [(&'static str, PathBuf); 2] {
        [
            ("QIO_MONITOR", "listen".into()),
            ("XDG_RUNTIME_DIR", self.0.path().into()),
        ]
    }

    /// Waits until `qio top --json PID` shows a channel of each class.
    #[track_caller]
    pub(crate) fn shows(&self, classes: &[&str]) {
        let texts: Vec<_> = classes
            .iter()
            .map(|class| format!("\"class\":\"{class}\""))
            .collect();
        self.wait_for(&["--json"], &texts);
    }

    /// Waits until `qio top PID` shows some texts, for the program that listens.
    #[track_caller]
    pub(crate) fn wait_for(&self, options: &[&str], texts: &[String]) {
        let (deadline, mut shown) = (Instant::now() + TIMEOUT, String::new());
        while !texts.iter().all(|text| shown.contains(text)) {
            assert!(Instant::now() < deadline, "{texts:?} are not in {shown}");
            // Between two attempts.
            thread::sleep(Duration::from_millis(20));
            let sockets = fs::read_dir(self.0.path().join("qio-monitor"));
            let Some(socket) = sockets.into_iter().flatten().next() else {
                continue;
            };
            let output = Command::new(env!("CARGO_BIN_EXE_qio"))
                .args(["top", "--once"])
                .args(options)
                .arg(socket.expect("readable").file_name())
                .env("XDG_RUNTIME_DIR", self.0.path())
                .output()
                .expect("it runs");
            shown = String::from_utf8_lossy(&output.stdout).into_owned();
            shown += &String::from_utf8_lossy(&output.stderr);
        }
    }
}

/// Makes sure that the examples in a folder are these, and that each header has the variable.
#[track_caller]
pub(crate) fn are_all_examples(folder: &str, extension: &str, examples: &[&str]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|it| it == extension) {
            let text = fs::read_to_string(&path).expect("text");
            let mut head = text.lines().take(20);
            let is_named = head.any(|line| line.contains("QIO_MONITOR=listen"));
            assert!(is_named, "{}", path.display());
            let name = path.file_stem().expect("a name").to_owned();
            found.push(name.into_string().expect("text"));
        }
    }
    found.sort();
    assert_eq!(found, examples);
}
