//! A far side that fails for a while, and the breaker that gives it time to recover.
//!
//! `cargo run -p contexter-breaker --example breaker --features tokio`

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use contexter_breaker::{Breaker, Config, Error, Window};

/// Works but for calls 5 to 9.
async fn far_side(call: u32) -> Result<&'static str, String> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    match call {
        5..=9 => Err(format!("call {call}: connection refused")),
        _ => Ok("pong"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Opens when 40 % of the last 10 calls failed, not before it has seen 4; breaks grow.
    let config = Config::new()
        .window(Window::Calls(10))
        .failure_rate(0.4)
        .minimum_calls(4)
        .recovery_timeout(Duration::from_millis(200))
        .recovery_multiplier(1.5)
        .success_threshold(1);
    let breaker = Breaker::new(config)?.on_transition(|transition| {
        let (from, to, cause) = (transition.from, transition.to, transition.cause);
        println!("             {from} -> {to}: {cause}");
    });
    let mut sent = 0;
    for tenth in 1..=18 {
        let reply = breaker
            .call(|| {
                sent += 1;
                far_side(sent)
            })
            .await;
        let state = breaker.state();
        match reply {
            Ok(pong) => println!("{tenth:2} {state:9} {pong}"),
            Err(Error::Open(open)) => println!("{tenth:2} {state:9} not sent: {open}"),
            Err(Error::Inner(error)) => println!("{tenth:2} {state:9} {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{sent} calls were sent");
    Ok(())
}
