//! The cost of the resilience mechanisms beside other crates and beside lean reference code.
//!
//! Nothing here is statistics for its own sake: every case runs in turn with all others, so that a
//! change in the machine's speed falls on all alike, and the middle of many short samples counts.
//! A sample is thread CPU time, and one during which the thread was preempted is dropped. Figures
//! for people go to standard error; standard output has one line of JSON for each row, as
//! `cargo xtask bench` reads them. Runs on Linux, whose clocks and counters of threads it reads.

#![expect(
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a program that reports, and counts far below what a float holds exactly"
)]

mod allocations;
mod case;
mod cases;
mod checks;
mod floor;
mod goals;
mod measure;
mod operation;
mod options;
mod report;

use std::env;
use std::process::ExitCode;

use crate::measure::{Runtimes, contention, single};
use crate::options::Options;

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("error: {wrong}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    let runtimes = Runtimes::new()?;
    let cases = {
        // Some peers ask for a runtime when they are made.
        let _inside = runtimes.single.enter();
        cases::all(options)
    };
    let mut figures = report::Figures::default();
    if options.single {
        figures.single = single::measure(&runtimes, &cases, options)?;
        report::single(&figures.single);
    }
    if options.contention {
        figures.shared = contention::measure(&cases, options)?;
        report::shared(&figures.shared);
        report::tasks(&contention::measure_tasks(&runtimes, &cases, options)?);
    }
    if options.filter.is_empty() {
        report::checks(&checks::run(&runtimes));
    }
    let rows = goals::rows(&figures);
    report::goals(&rows);
    report::print(&rows)
}
