//! A far side of unsteady speed, a timeout for each attempt and a deadline for all of them.
//!
//! `cargo run -p contexter-timeout --example timeout --features tokio`

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use contexter_service::{Clock, Cx, DefaultClock, Elapsed, Policy};
use contexter_timeout::Timeout;

/// The first two calls hang for a second.
async fn far_side(call: u32) -> Result<&'static str, Elapsed> {
    let pace = if call < 3 { 1_000 } else { 20 };
    tokio::time::sleep(Duration::from_millis(pace)).await;
    Ok("pong")
}

/// Three attempts, each with a timeout of its own, none beyond the deadline in `cx`.
async fn ask(cx: Cx, attempt: &Timeout) -> Result<&'static str, Elapsed> {
    let mut number = 1;
    loop {
        let out = attempt.run(cx, |_cx| far_side(number)).await;
        println!("  attempt {number}: {out:?}");
        if out.is_ok() || number == 3 || is_over(cx) {
            return out;
        }
        number += 1;
    }
}

/// Whether the deadline has passed: no further attempt would be begun.
fn is_over(cx: Cx) -> bool {
    cx.deadline()
        .is_some_and(|deadline| deadline <= DefaultClock.now())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let attempt = Timeout::new(Duration::from_millis(200))?.named("ping attempt");
    for total in [Duration::from_secs(1), Duration::from_millis(300)] {
        println!("{total:?} for everything, {:?} for each:", attempt.limit());
        let deadline = Timeout::new(total)?.named("ping");
        let out = deadline.run(Cx::new(), |cx| ask(cx, &attempt)).await;
        println!("  outcome: {out:?}");
    }
    println!("{:?}", attempt.snapshot());
    Ok(())
}
