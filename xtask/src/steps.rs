//! Runs steps one after the other, stops at the first that fails, and tells what each took.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The steps run so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration, Outcome)>,
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

impl Steps {
    /// Runs one step under its name; the table is printed when it fails.
    pub(crate) fn run<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        println!("\n== {name}");
        let (outcome, took) = timed(step);
        let word = if outcome.is_ok() {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        self.done.push((name.to_owned(), took, word));
        if outcome.is_err() {
            self.print();
        }
        outcome.with_context(|| format!("step `{name}`"))
    }

    /// Notes a step that cannot be run here, and why.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        println!("\n== {name}: skipped, {why}");
        self.done
            .push((name.to_owned(), Duration::ZERO, Outcome::Skipped));
    }

    /// Prints what each step took, in minutes.
    pub(crate) fn print(&self) {
        println!("\n{:<14} {:>8}", "step", "minutes");
        for (name, took, outcome) in &self.done {
            let note = match outcome {
                Outcome::Passed => "",
                Outcome::Failed => "  FAILED",
                Outcome::Skipped => "  skipped",
            };
            println!("{name:<14} {:>8.2}{note}", minutes(*took));
        }
        let all = self.done.iter().map(|(_, took, _)| *took).sum();
        println!("{:<14} {:>8.2}", "all", minutes(all));
    }
}

fn minutes(took: Duration) -> f64 {
    took.as_secs_f64() / 60.0
}

#[expect(
    clippy::disallowed_methods,
    reason = "tells a person how long a build took"
)]
fn timed<T>(step: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = step();
    (value, start.elapsed())
}
