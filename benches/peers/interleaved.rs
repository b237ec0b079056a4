//! Two sides that are measured in turns.

use std::io;

/// Medians of both sides, and of the ratios of neighbors: drift hits both alike, all the more
/// since the sides take turns in beginning.
pub(crate) struct Interleaved {
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    pub(crate) ratio: f64,
}

/// Measures both sides so often, after some rounds that only warm up.
pub(crate) fn interleaved(
    warm_up: usize,
    rounds: usize,
    mut ours: impl FnMut() -> io::Result<f64>,
    mut theirs: impl FnMut() -> io::Result<f64>,
) -> io::Result<Interleaved> {
    let (mut all, mut all_theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..warm_up + rounds {
        let (a, b) = if round % 2 == 0 {
            let a = ours()?;
            (a, theirs()?)
        } else {
            let b = theirs()?;
            (ours()?, b)
        };
        if round >= warm_up {
            all.push(a);
            all_theirs.push(b);
            ratios.push(a / b);
        }
    }
    Ok(Interleaved {
        ours: median(&mut all),
        theirs: median(&mut all_theirs),
        ratio: median(&mut ratios),
    })
}

/// The middle one.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    percentile(values, 50)
}

pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}
