//! A provider that fails, is cut off, and recovers: `cargo run -p contexter-resilience --example
//! standard_stack`. Takes about four seconds.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contexter_resilience::{Error, StackConfig, StandardStack, UnlessRejected};
use contexter_service::{Cx, DefaultClock};
use tokio::time::Instant;

/// A provider with an outage, as seen from the caller.
struct Provider {
    started: Instant,
    requests: AtomicU32,
}

impl Provider {
    const OUTAGE: std::ops::Range<Duration> =
        Duration::from_millis(500)..Duration::from_millis(1800);

    async fn ask(&self) -> Result<&'static str, Error<&'static str>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(5)).await;
        if Self::OUTAGE.contains(&self.started.elapsed()) {
            return Err(Error::Inner("503 service unavailable"));
        }
        Ok("200 ok")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // As it would stand in a configuration file; everything left out has its default.
    let config: StackConfig = serde_json::from_str(
        r#"{
            "scope": "attempt",
            "breaker": {
                "failure_threshold": 5,
                "recovery_timeout": "600ms",
                "success_threshold": 2,
                "timeout": "1s"
            },
            "retry": { "max_attempts": 3, "base_delay": "20ms", "budget": { "ratio": 0.5 } },
            "rate_limit": { "requests": { "limit": 200, "period": "1s" } },
            "bulkhead": { "max_concurrent": 8 },
            "deadline": "2s"
        }"#,
    )?;
    let stack = StandardStack::with(config, DefaultClock, UnlessRejected)?.named("provider");
    let provider = Provider {
        started: Instant::now(),
        requests: AtomicU32::new(0),
    };

    println!("   time  breaker    sent  outcome");
    while provider.started.elapsed() < Duration::from_secs(4) {
        let before = provider.requests.load(Ordering::Relaxed);
        let out = stack.run(Cx::new(), |_cx| provider.ask()).await;
        let sent = provider.requests.load(Ordering::Relaxed) - before;
        let state = stack
            .snapshot()
            .breaker_state
            .map_or("off", |state| state.as_str());
        let outcome = match out {
            Ok(answer) => answer.to_owned(),
            Err(error) => error.to_string(),
        };
        println!(
            "{:>5} ms  {state:<9}  {sent:>4}  {outcome}",
            provider.started.elapsed().as_millis()
        );
        tokio::time::sleep(Duration::from_millis(150)).await;
    }

    println!("\nwhat the mechanisms counted:");
    for policy in stack.snapshot().policies {
        let counters: Vec<_> = policy
            .counters
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        println!("  {:<11} {}", policy.mechanism, counters.join(", "));
    }
    Ok(())
}
