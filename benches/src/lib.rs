//! What the benchmarks share: a fair comparison, and the one line in which each reports a row.
//!
//! A benchmark is a plain program (`[[bench]]` with `harness = false`). Every row of its table is
//! one line of JSON on standard output; anything else it prints is for people and belongs on
//! standard error. `cargo xtask bench` reads the lines, prints the table and keeps the list.
//!
//! With the environment variable [`QUICK`] set, everything is small: to see that a benchmark works.

pub mod points;
mod scale;
pub mod text;

pub use scale::{QUICK, grouped, size};

use std::io::{self, Write};

use serde::Serialize;

/// The fewest runs of each side that a median is taken of.
pub const MIN_RUNS: usize = 5;

/// One row of a benchmark's table.
///
/// `ratio` is in cost terms: below 1 means that ours is cheaper than the peer.
///
/// # Examples
///
/// ```
/// use contexter_benches::Row;
///
/// let latency = Row::cost("search p50, 10,000 chunks", 0.6, 0.5, "bare engine", "ms");
/// assert!((latency.ratio - 1.2).abs() < 1e-9);
///
/// let rate = Row::rate("embedding, batch 32", 95.0, 100.0, "bare rten", "chunks/s");
/// assert!((rate.ratio - 100.0 / 95.0).abs() < 1e-9);
///
/// let quality = Row::at_least("hybrid nDCG@10", 0.8, 0.72, "score");
/// assert!((quality.ratio - 0.9).abs() < 1e-9);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Row {
    /// What was measured, with the size it was measured at.
    pub row: String,
    /// Our figure, in `unit`.
    pub ours: f64,
    /// The peer's figure, in `unit`; the goal itself for a goal.
    pub peer: f64,
    /// Who the peer is; `goal` for a goal.
    pub peer_name: String,
    /// The unit of `ours` and `peer`.
    pub unit: String,
    /// Our cost divided by the peer's: lower is better, 1 is a draw.
    pub ratio: f64,
}

impl Row {
    /// Compares two figures of which the lower is better: times, bytes.
    #[must_use]
    pub fn cost(row: &str, ours: f64, peer: f64, peer_name: &str, unit: &str) -> Self {
        Self::new(row, ours, peer, peer_name, unit, ours / peer)
    }

    /// Compares two figures of which the higher is better: things per second.
    #[must_use]
    pub fn rate(row: &str, ours: f64, peer: f64, peer_name: &str, unit: &str) -> Self {
        Self::new(row, ours, peer, peer_name, unit, peer / ours)
    }

    /// Holds a figure of which the higher is better against the least it must reach.
    #[must_use]
    pub fn at_least(row: &str, measured: f64, goal: f64, unit: &str) -> Self {
        Self::new(row, measured, goal, "goal", unit, goal / measured)
    }

    fn new(row: &str, ours: f64, peer: f64, peer_name: &str, unit: &str, ratio: f64) -> Self {
        Self {
            row: row.to_owned(),
            ours,
            peer,
            peer_name: peer_name.to_owned(),
            unit: unit.to_owned(),
            ratio,
        }
    }

    /// Prints the row as the one line of JSON that `cargo xtask bench` collects.
    ///
    /// # Errors
    ///
    /// Fails when standard output cannot be written to.
    pub fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, self)?;
        writeln!(out)
    }
}

/// Measures both sides in turn and returns the median of each, `(ours, peer)`.
///
/// Interleaving lets a change in the machine's speed fall on both sides alike; every second round
/// starts with the peer, so that neither always runs on the caches that the other left. `ours` and
/// `peer` return what one run cost. Fewer than [`MIN_RUNS`] runs are raised to it.
pub fn interleaved(
    runs: usize,
    mut ours: impl FnMut() -> f64,
    mut peer: impl FnMut() -> f64,
) -> (f64, f64) {
    let (mut of_ours, mut of_peer) = (Vec::new(), Vec::new());
    for round in 0..runs.max(MIN_RUNS) {
        if round % 2 == 0 {
            of_ours.push(ours());
            of_peer.push(peer());
        } else {
            of_peer.push(peer());
            of_ours.push(ours());
        }
    }
    (median(&mut of_ours), median(&mut of_peer))
}

/// Returns the middle of the figures, the mean of the two middle ones when their number is even,
/// and NaN when there are none. Sorts them.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match (figures.get(middle), figures.get(middle.wrapping_sub(1))) {
        (Some(upper), Some(lower)) if figures.len().is_multiple_of(2) => {
            f64::midpoint(*upper, *lower)
        }
        (Some(only), _) => *only,
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_figure_or_the_mean_of_the_two() {
        assert!(median(&mut []).is_nan());
        assert_eq!(
            median(&mut [3.0, 1.0, 2.0]).total_cmp(&2.0),
            std::cmp::Ordering::Equal
        );
        assert_eq!(
            median(&mut [4.0, 1.0, 2.0, 3.0]).total_cmp(&2.5),
            std::cmp::Ordering::Equal
        );
    }

    #[test]
    fn both_sides_run_equally_often_and_take_turns_to_start() {
        let order = std::cell::RefCell::new(String::new());
        let side = |name| {
            let order = &order;
            move || {
                order.borrow_mut().push(name);
                1.0
            }
        };
        let _medians = interleaved(1, side('o'), side('p'));
        assert_eq!(*order.borrow(), "oppooppoop");
    }
}
