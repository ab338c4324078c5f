//! A far side that fails for a while, and the breaker that gives it time to recover.
//!
//! `cargo run -p contexter-breaker --example breaker --features tokio`

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use contexter_breaker::{Breaker, Config, Error};

/// Works but for calls 3 to 8.
async fn far_side(call: u32) -> Result<&'static str, String> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    match call {
        3..=8 => Err(format!("call {call}: connection refused")),
        _ => Ok("pong"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::new()
        .failure_threshold(3)
        .recovery_timeout(Duration::from_millis(200))
        .success_threshold(1);
    let breaker = Breaker::new(config)?;
    let mut sent = 0;
    for second in 1..=16 {
        let reply = breaker
            .call(|| {
                sent += 1;
                far_side(sent)
            })
            .await;
        let state = breaker.state();
        match reply {
            Ok(pong) => println!("{second:2} {state:9} {pong}"),
            Err(Error::Open(open)) => println!("{second:2} {state:9} not sent: {open}"),
            Err(Error::Inner(error)) => println!("{second:2} {state:9} {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{sent} calls were sent");
    Ok(())
}
