//! Figures for people, rows for `cargo xtask bench`.

use std::io::{self, Write};

use anyhow::Result;
use serde::Serialize;

use crate::checks::Check;
use crate::goals::Judged;
use crate::measure::contention::{Shared, Tasks};
use crate::measure::single::Cost;

/// One row of the table, with the keys that every benchmark of this repository reports.
#[derive(Clone, Debug, Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the keys of a row are the same in every benchmark"
)]
pub(crate) struct Row {
    pub(crate) row: &'static str,
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    pub(crate) peer_name: &'static str,
    pub(crate) unit: &'static str,
    /// Below 1 means that ours is cheaper.
    pub(crate) ratio: f64,
}

/// All that was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) single: Vec<Cost>,
    pub(crate) shared: Vec<Shared>,
}

impl Figures {
    /// Returns the time of a call, if it was measured.
    pub(crate) fn time(&self, case: &str) -> Option<f64> {
        let cost = self.single.iter().find(|cost| cost.name == case)?;
        cost.median.is_finite().then_some(cost.median)
    }

    /// Returns by what factor two threads slow each other down, if it was measured.
    pub(crate) fn slowdown(&self, case: &str) -> Option<f64> {
        let shared = self.shared.iter().find(|shared| shared.name == case)?;
        let slowdown = shared.slowdown();
        slowdown.is_finite().then_some(slowdown)
    }

    /// Returns the most that a call of ours allocates, if one was measured.
    pub(crate) fn most_allocations(&self) -> Option<f64> {
        let ours = self.single.iter().filter(|cost| is_ours(cost.name));
        ours.map(|cost| cost.allocations).reduce(f64::max)
    }
}

fn is_ours(case: &str) -> bool {
    case.split_once('/')
        .is_some_and(|(_group, subject)| subject.starts_with("ours"))
}

/// Prints what one task costs.
pub(crate) fn single(costs: &[Cost]) {
    eprintln!(
        "\n## One task\n\n\
         | case | current_thread ns/call, median | least | 2-worker multi_thread ns/call, median \
         | allocations/call | bytes/call |\n|---|---:|---:|---:|---:|---:|"
    );
    for cost in costs {
        let Cost {
            name,
            median,
            least,
            multi_thread,
            allocations,
            bytes,
        } = cost;
        eprintln!(
            "| {name} | {median:.1} | {least:.1} | {multi_thread:.1} | {allocations:.2} \
             | {bytes:.0} |"
        );
    }
}

/// Prints what two threads cost each other.
pub(crate) fn shared(costs: &[Shared]) {
    eprintln!(
        "\n## One shared instance, two pinned threads, each with its own current_thread runtime\n\n\
         | case | 1 thread ns/call | 2 threads ns/call and thread, median | best decile | slowdown \
         | million calls/s, 1 thread → 2 | windows kept, 1 thread, 2 |\n\
         |---|---:|---:|---:|---:|---|---|"
    );
    for cost in costs {
        let (alone, together) = (cost.alone, cost.together);
        let [kept_alone, kept_together] = cost.kept;
        eprintln!(
            "| {} | {alone:.1} | {together:.1} | {:.1} | {:.2} | {:.2} → {:.2} | {}/{}, {}/{} |",
            cost.name,
            cost.together_best_decile,
            cost.slowdown(),
            1e3 / alone,
            2e3 / together,
            kept_alone.0,
            kept_alone.1,
            kept_together.0,
            kept_together.1,
        );
    }
}

/// Prints what two tasks of one runtime cost each other.
pub(crate) fn tasks(costs: &[Tasks]) {
    eprintln!(
        "\n## One shared instance, two tasks on one runtime with two workers, wall time\n\n\
         | case | ns/call and task, median | best decile |\n|---|---:|---:|"
    );
    for cost in costs {
        eprintln!(
            "| {} | {:.1} | {:.1} |",
            cost.name, cost.median, cost.best_decile
        );
    }
}

/// Prints what must hold beside the times.
pub(crate) fn checks(checks: &[Check]) {
    eprintln!("\n## Beside the times\n\n| what | measured | goal | met |\n|---|---:|---:|---|");
    for check in checks {
        let Check {
            what,
            measured,
            most,
            unit,
        } = check;
        let (goal, met) = most.map_or_else(
            || ("none".to_owned(), ""),
            |most| (format!("{most} {unit}"), met(*measured <= most)),
        );
        eprintln!("| {what} | {measured:.1} {unit} | {goal} | {met} |");
    }
}

/// Prints the rows with their goals.
pub(crate) fn goals(rows: &[Judged]) {
    eprintln!(
        "\n## Goals\n\n\
         | row | ours | peer | peer is | what counts | reach | met |\n|---|---:|---:|---|---:|---:|---|"
    );
    for judged in rows {
        let Row {
            row,
            ours,
            peer,
            peer_name,
            unit,
            ..
        } = &judged.row;
        let reach = judged
            .reach
            .map_or_else(|| "none".to_owned(), |reach| format!("{reach:.2}"));
        eprintln!(
            "| {row} | {ours:.2} {unit} | {peer:.2} | {peer_name} | {:.2} | {reach} | {} |",
            judged.figure,
            judged.is_met().map_or("", met),
        );
    }
}

fn met(is_met: bool) -> &'static str {
    if is_met { "yes" } else { "no" }
}

/// Prints the rows as lines of JSON.
pub(crate) fn print(rows: &[Judged]) -> Result<()> {
    let mut out = io::stdout().lock();
    for judged in rows {
        serde_json::to_writer(&mut out, &judged.row)?;
        writeln!(out)?;
    }
    Ok(())
}
