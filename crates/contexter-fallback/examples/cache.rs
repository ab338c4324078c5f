//! A slow, flaky lookup behind a cache: one call for all who ask at once, none while the answer is
//! fresh, the last good answer while the far side is down.
//!
//! `cargo run -p contexter-fallback --features tokio --example cache`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use contexter_fallback::{CacheConfig, Freshness, ResponseCache, Served};
use contexter_service::Cx;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Failed {
    #[error("no such library")]
    NotFound,
    #[error("service unavailable")]
    Unavailable,
}

/// Knows one library, takes its time, and can be switched off.
#[derive(Default)]
struct Docs {
    calls: AtomicU32,
    down: AtomicBool,
}

impl Docs {
    async fn look_up(&self, library: &str) -> Result<Arc<str>, Failed> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if self.down.load(Ordering::Relaxed) {
            return Err(Failed::Unavailable);
        }
        match library {
            "tokio" => Ok(format!("the docs of tokio, by call {call}").into()),
            _ => Err(Failed::NotFound),
        }
    }
}

const FRESH: Duration = Duration::from_millis(500);

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let docs = Arc::new(Docs::default());
    let cache = ResponseCache::new(CacheConfig::new())?
        .named("docs")
        .freshness_by(|out: &Result<Arc<str>, Failed>| match out {
            Ok(_) => Freshness::fresh_for(FRESH).stale_if_error_for(Duration::from_mins(1)),
            Err(Failed::NotFound) => Freshness::fresh_for(FRESH),
            Err(Failed::Unavailable) => Freshness::DO_NOT_STORE,
        })
        .stale_when(|failed: &Failed| *failed == Failed::Unavailable);
    let look_up = async |library: &str| {
        let key = library.to_owned();
        let out = cache
            .run_keyed(&key, Cx::new(), |_cx| {
                let (docs, library) = (Arc::clone(&docs), key.clone());
                async move { docs.look_up(&library).await }
            })
            .await;
        match out {
            Ok(Served::Fresh(text)) => text.to_string(),
            Ok(Served::Stale { value, age, error }) => {
                format!("{value}, {} ms old, because of: {error}", age.as_millis())
            }
            Err(error) => format!("error: {error}"),
        }
    };

    println!("three callers at once, one call:");
    let (one, two, three) = tokio::join!(look_up("tokio"), look_up("tokio"), look_up("tokio"));
    for answer in [one, two, three] {
        println!("  {answer}");
    }
    println!("while it is fresh, no call:\n  {}", look_up("tokio").await);
    println!("what does not exist is remembered too:");
    for _ in 0..2 {
        println!("  {}", look_up("toki0").await);
    }

    docs.down.store(true, Ordering::Relaxed);
    tokio::time::sleep(FRESH).await;
    println!(
        "stale, and the far side is down:\n  {}",
        look_up("tokio").await
    );
    println!("  {}", look_up("serde").await);

    docs.down.store(false, Ordering::Relaxed);
    println!("it is back:\n  {}", look_up("tokio").await);
    println!(
        "{} calls were made; {:?}",
        docs.calls.load(Ordering::Relaxed),
        cache.snapshot().counters
    );
    Ok(())
}
