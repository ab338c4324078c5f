//! The public behaviour of the stack, on paused time.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod adapter;
mod bounds;
mod config;
mod guarded;
mod keyed;
mod parts;
mod reconfigure;
mod scopes;

use std::future::{Future, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contexter_model::{Error, ErrorKind};
use contexter_resilience::{StackConfig, StandardStack};
use contexter_service::{Cx, Jitter};

/// The default settings, without chance.
fn plain() -> StackConfig {
    StackConfig::new().retry(contexter_retry::Config::new().jitter(Jitter::None))
}

fn stack(config: StackConfig) -> StandardStack {
    StandardStack::new(config).unwrap()
}

/// Counts the attempts that reach the far side.
#[derive(Clone, Default)]
struct Attempts(Arc<AtomicU32>);

impl Attempts {
    fn take(&self) -> u32 {
        self.0.swap(0, Ordering::SeqCst)
    }

    /// Makes one logical call whose attempts all fail with `kind`.
    async fn fail(&self, stack: &StandardStack, kind: ErrorKind) -> ErrorKind {
        let out: Result<(), Error> = stack
            .run(Cx::new(), |_cx| {
                self.0.fetch_add(1, Ordering::SeqCst);
                ready(Err(Error::new(kind, "down")))
            })
            .await;
        out.unwrap_err().kind()
    }

    /// Makes one logical call whose attempts all hang.
    async fn hang(&self, stack: &StandardStack) -> Error {
        let out: Result<(), Error> = stack
            .run(Cx::new(), |_cx| {
                self.0.fetch_add(1, Ordering::SeqCst);
                pending()
            })
            .await;
        out.unwrap_err()
    }
}

async fn succeed(stack: &StandardStack) -> Result<u32, Error> {
    stack.run(Cx::new(), |cx| ready(Ok(cx.attempt()))).await
}

/// How many seconds of paused time `future` takes, and what it gives.
async fn timed<F: Future>(future: F) -> (Duration, F::Output) {
    let start = tokio::time::Instant::now();
    let out = future.await;
    (start.elapsed(), out)
}
