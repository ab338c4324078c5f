//! Reads from a far side of which one call in five is slow, alone and hedged.
//!
//! `cargo run -p contexter-retry --example hedge --features tokio`

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::cell::Cell;
use std::time::Duration;

use contexter_retry::{Budget, BudgetConfig, Hedge, HedgeConfig};
use tokio::time::{Instant, sleep};

/// Answers in 5 ms, but takes 200 ms every fifth time.
async fn read(calls: &Cell<u32>) -> Result<&'static str, std::io::Error> {
    calls.set(calls.get() + 1);
    let slow = calls.get().is_multiple_of(5);
    sleep(Duration::from_millis(if slow { 200 } else { 5 })).await;
    Ok("pong")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let budget = Budget::new(BudgetConfig::new().ratio(0.5).reserve(2))?;
    let hedge = Hedge::new(HedgeConfig::new().delay(Duration::from_millis(25)))?
        .with_budget(budget.clone());
    for hedged in [false, true] {
        let calls = Cell::new(0);
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let started = Instant::now();
            if hedged {
                hedge.call(|| read(&calls)).await?;
            } else {
                read(&calls).await?;
            }
            slowest = slowest.max(started.elapsed());
        }
        println!(
            "{}: 20 reads took {} calls, the slowest read {} ms",
            if hedged { "hedged" } else { "alone " },
            calls.get(),
            slowest.as_millis(),
        );
    }
    println!("{} tokens are left for retries", budget.tokens());
    Ok(())
}
