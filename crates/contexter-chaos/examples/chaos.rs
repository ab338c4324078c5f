//! A client is shown what it must survive: errors, slowness and hangs, the same in every run.
//!
//! `cargo run -p contexter-chaos --example chaos --features tokio`

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use contexter_chaos::{Chaos, Config};

/// Works, always and at once.
async fn far_side(call: u32) -> Result<u32, &'static str> {
    tokio::task::yield_now().await;
    Ok(call)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::new()
        .seed(7)
        .error_rate(0.3)
        .hang_rate(0.1)
        .latency(0.3, Duration::from_millis(20), Duration::from_millis(60));
    let chaos = Chaos::new(config, |_cx| "connection reset (injected)")?.named("far side");

    for call in 1..=15 {
        let reply = chaos.call(|| far_side(call));
        match tokio::time::timeout(Duration::from_millis(100), reply).await {
            Ok(Ok(call)) => println!("{call:2} answered"),
            Ok(Err(error)) => println!("{call:2} {error}"),
            Err(_elapsed) => println!("{call:2} given up after 100 ms"),
        }
    }
    for (counter, count) in chaos.snapshot().counters {
        println!("{counter}: {count}");
    }

    chaos.set_enabled(false);
    println!("switched off: {:?}", chaos.call(|| far_side(16)).await);
    Ok(())
}
