//! Runs the behaviour scenarios over every face of every mechanism, and prints their table.
//!
//! It takes the arguments of a test program: names to run, `--exact`, `--skip`, `--list`.

mod arguments;
mod breaker;
mod fallback;
mod far_side;
mod gauges;
mod hedge;
mod keyed;
mod limit;
mod retry;
mod stack;
mod standard_stack;
mod timeout;

use std::alloc::System;
use std::io::{self, Write};
use std::process::ExitCode;

use contexter_conformance::Rule;
use contexter_conformance::resilience::{Heap, Suite};
use contexter_service::{Clock, StdClock};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use arguments::Arguments;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn counts(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn heap() -> Heap {
    Heap {
        allocations: || {
            let stats = ALLOCATOR.stats();
            counts(stats.allocations + stats.reallocations)
        },
        live_bytes: || {
            let stats = ALLOCATOR.stats();
            counts(
                stats
                    .bytes_allocated
                    .saturating_sub(stats.bytes_deallocated),
            )
        },
    }
}

fn suite() -> Suite {
    let mut suite = Suite::new().with_heap(heap());
    breaker::add_to(&mut suite);
    retry::add_to(&mut suite);
    hedge::add_to(&mut suite);
    timeout::add_to(&mut suite);
    limit::add_to(&mut suite);
    fallback::add_to(&mut suite);
    stack::add_to(&mut suite);
    keyed::add_to(&mut suite);
    standard_stack::add_to(&mut suite);
    suite
}

/// The name of one scenario on one face, as a test.
fn name(rule: &Rule, face: &str) -> String {
    let name = format!("{}::scenario_{:02}::{face}", rule.mechanism, rule.number);
    name.replace(' ', "_")
}

fn run(arguments: &Arguments, out: &mut impl Write) -> io::Result<bool> {
    let suite = suite();
    let all = suite.rules().count();
    if arguments.list {
        for (rule, face) in suite.rules() {
            let name = name(rule, face);
            if arguments.wants(&name) {
                writeln!(out, "{name}: test")?;
            }
        }
        return Ok(true);
    }
    let start = StdClock.now();
    let report = suite.run_where(|rule, face| arguments.wants(&name(rule, face)));
    let (passed, failed, ignored) = report.counts();
    let ran = report.entries().len();
    writeln!(out, "\nrunning {ran} tests")?;
    if ran > 0 {
        writeln!(out, "\n{}", report.to_markdown())?;
    }
    for entry in report.entries() {
        if entry.verdict.is_fail() {
            writeln!(out, "test {} ... FAILED", name(&entry.rule, &entry.face))?;
        }
    }
    writeln!(
        out,
        "\ntest result: {}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; {} \
         filtered out; finished in {:.2}s\n",
        if failed == 0 { "ok" } else { "FAILED" },
        all - ran,
        (StdClock.now() - start).as_secs_f64()
    )?;
    Ok(failed == 0)
}

fn main() -> ExitCode {
    let arguments = Arguments::read(std::env::args().skip(1));
    match run(&arguments, &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
