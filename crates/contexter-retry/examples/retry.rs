//! A call that fails twice, retried with backoff.
//!
//! `cargo run -p contexter-retry --example retry --features tokio`

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use contexter_retry::{Config, Retry};
use contexter_service::Cx;

async fn flaky(attempt: u32) -> Result<&'static str, String> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    match attempt {
        1 | 2 => Err(format!("attempt {attempt}: connection reset")),
        _ => Ok("pong"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let retry = Retry::new(Config::new().base_delay(Duration::from_millis(200)))?;
    let started = tokio::time::Instant::now();
    let (reply, attempts) = retry
        .call_with(Cx::new(), |cx| async move {
            let reply = flaky(cx.attempt()).await;
            println!("{:4} ms {reply:?}", started.elapsed().as_millis());
            reply
        })
        .counted()
        .await;
    println!("{} after {attempts} attempts", reply?);
    Ok(())
}
