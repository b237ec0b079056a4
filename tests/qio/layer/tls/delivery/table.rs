//! The outcomes as a table, as `docs/tls-matrix.md` has it.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use super::plan::{DIRECTIONS, ENDINGS, End, Plan};

/// How often a cell was run, how often all arrived, and which ends the reader reported.
#[derive(Debug, Default)]
struct Cell {
    runs: usize,
    whole: usize,
    ends: BTreeMap<&'static str, usize>,
}

impl Cell {
    fn text(&self) -> String {
        let ends: Vec<_> = self.ends.keys().copied().collect();
        let ends = ends.join(" or ");
        match self.whole == self.runs {
            true => ends,
            false => format!("**{} of {} whole**, {ends}", self.whole, self.runs),
        }
    }
}

/// The outcome of the end that reads, by client and server, direction and ending.
#[derive(Debug, Default)]
pub(super) struct Table(BTreeMap<([&'static str; 2], usize, usize), Cell>);

impl Table {
    pub(super) fn add(&mut self, pair: [&'static str; 2], plan: Plan, whole: bool, end: &End) {
        let direction = DIRECTIONS.iter().position(|it| *it == plan.direction);
        let ending = ENDINGS.iter().position(|it| *it == plan.ending);
        let key = (pair, direction.expect("one"), ending.expect("one"));
        let cell = self.0.entry(key).or_default();
        cell.runs += 1;
        cell.whole += usize::from(whole);
        let end = match end {
            End::NotRead => "not reported",
            End::Clean => "clean",
            End::Truncated => "truncated",
            End::Reset => "reset",
            End::Other(_) => "an error",
        };
        *cell.ends.entry(end).or_default() += 1;
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "| client | server | direction | close | bye | half-close | kill |\n| --- | --- | --- | --- | --- | --- | --- |\n",
        );
        let mut rows = BTreeMap::<_, [String; ENDINGS.len()]>::new();
        for ((pair, direction, ending), cell) in &self.0 {
            rows.entry((pair, direction)).or_default()[*ending] = cell.text();
        }
        for (([client, server], direction), cells) in rows {
            let direction = ["upload", "download", "both"][*direction];
            let cells = cells.map(|cell| if cell.is_empty() { "–".into() } else { cell });
            let cells = cells.join(" | ");
            writeln!(text, "| {client} | {server} | {direction} | {cells} |").expect("memory");
        }
        text
    }

    /// Prints it, and writes it to the target folder.
    pub(super) fn write(&self) {
        let text = self.text();
        let runs: usize = self.0.values().map(|cell| cell.runs).sum();
        println!("{text}\n{runs} connections");
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tls-matrix.md");
        fs::write(file, text).expect("written");
    }
}
