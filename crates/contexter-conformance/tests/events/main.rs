//! The suite of event transports itself: a naive broker keeps every rule, and one with a known defect
//! breaks the rules that the defect is against.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod flaws;
mod naive;
mod report;

use contexter_conformance::events::{Findings, Suite};

use naive::{Flaw, Naive};

/// The suite over a naive broker, in paused time: there is no socket anywhere.
fn suite(flaw: Flaw) -> Suite {
    Suite::new("naive", move |settings| async move {
        Ok(Box::new(Naive::new(flaw, &settings)) as _)
    })
    .at_once(1)
}

/// Runs the rules of these codes.
async fn run(flaw: Flaw, codes: &[&str]) -> Findings {
    let code = |rule: &contexter_conformance::Rule| format!("{}{}", rule.mechanism, rule.number);
    suite(flaw)
        .run_where(|rule| codes.contains(&code(rule).as_str()))
        .await
}
