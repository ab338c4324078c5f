//! The same mechanisms as tower layers, and the whole stack as one: `cargo run -p
//! contexter-resilience --example tower_stack --features tower`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contexter_breaker::Breaker;
use contexter_resilience::{Error, StackConfig, StandardStack, UnlessRejected};
use contexter_retry::Retry;
use contexter_service::DefaultClock;
use contexter_timeout::Timeout;
use tower::{ServiceBuilder, ServiceExt, service_fn};

type Answer = Result<String, Error<std::io::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let calls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&calls);
    // Every third answer is good.
    let flaky = service_fn(move |name: String| {
        let call = counter.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            let out: Answer = if call.is_multiple_of(3) {
                Ok(format!("hello {name}, at call {call}"))
            } else {
                Err(Error::Inner(std::io::Error::other("503")))
            };
            out
        }
    });

    // One layer for each mechanism, the outermost first. No future of theirs is boxed, and every
    // service made by one layer shares its state.
    let retry = Retry::new(contexter_retry::Config::new().base_delay(Duration::from_millis(10)))?;
    let breaker = Breaker::new(contexter_breaker::Config::new())?;
    let service = ServiceBuilder::new()
        .layer(retry.classify_by(UnlessRejected))
        .layer(breaker.classify_by(UnlessRejected))
        .layer(Timeout::new(Duration::from_secs(1))?)
        .service(flaky.clone());
    println!("{}", service.oneshot("layers".to_owned()).await?);

    // All of them from one configuration. This one boxes its future.
    let config: StackConfig = serde_json::from_str(r#"{ "retry": { "base_delay": "10ms" } }"#)?;
    let stack = StandardStack::with(config, DefaultClock, UnlessRejected)?;
    let service = ServiceBuilder::new().layer(stack.clone()).service(flaky);
    println!("{}", service.oneshot("stack".to_owned()).await?);

    println!(
        "calls that reached the service: {}",
        calls.load(Ordering::Relaxed)
    );
    Ok(())
}
