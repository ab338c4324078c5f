//! Requests and tokens per minute, a far side that counts them too, and a limit on how many run.
//!
//! The clock is moved by hand, so that minutes take no time.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use contexter_limit::{Bulkhead, BulkheadConfig, Quota, RateLimitConfig, RateLimiter};
use contexter_service::{
    Again, Classify, Clock, Cx, Full, Limited, ManualClock, Policy, Sample, Timer,
};

const MINUTE: Duration = Duration::from_mins(1);

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("429, retry after {0:?}")]
    TooMany(Duration),
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Full(#[from] Full),
}

/// Which outcomes ask for a pause.
#[derive(Clone, Copy)]
struct ByFailure;

impl<T> Classify<Result<T, Failure>> for ByFailure {
    fn sample(&self, _: &Result<T, Failure>) -> Sample {
        Sample::Neutral
    }

    fn again(&self, out: &Result<T, Failure>) -> Again {
        match out {
            Err(Failure::TooMany(after)) => Again::Yes {
                after: Some(*after),
            },
            _ => Again::No,
        }
    }
}

/// A provider that admits 60 requests a minute, from all of its customer's machines together.
struct Provider {
    clock: ManualClock,
    seen: Mutex<VecDeque<Instant>>,
}

impl Provider {
    async fn embed(&self) -> Result<(), Failure> {
        self.clock.sleep(Duration::from_millis(200)).await;
        self.count()
    }

    fn count(&self) -> Result<(), Failure> {
        let now = self.clock.now();
        let mut seen = self
            .seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        while seen
            .front()
            .is_some_and(|&at| now.duration_since(at) >= MINUTE)
        {
            seen.pop_front();
        }
        match seen.front() {
            Some(&oldest) if seen.len() >= 60 => Err(Failure::TooMany(
                MINUTE.saturating_sub(now.duration_since(oldest)),
            )),
            _ => {
                seen.push_back(now);
                Ok(())
            }
        }
    }
}

fn main() -> Result<(), Box<dyn StdError>> {
    let clock = ManualClock::new();
    let provider = Provider {
        clock: clock.clone(),
        seen: Mutex::default(),
    };
    let limits = RateLimitConfig::new()
        .requests(Quota::per_minute(60))
        .tokens(Quota::per_minute(100_000))
        .max_wait(MINUTE);
    let limiter = RateLimiter::with_clock(limits, clock.clone())?.classify_by(ByFailure);
    let places = BulkheadConfig::new().max_concurrent(4);
    let bulkhead = Bulkhead::with_clock(places, clock.clone())?;
    // A call that waits for its turn holds no place.
    let limits = (&limiter, &bulkhead);

    let start = clock.now();
    let embed = |tokens| {
        let call = limits.run(Cx::new().with_weight(tokens), |_cx| provider.embed());
        let out = clock
            .run_until_stalled(call)
            .expect("whatever it waits for is a moment of this clock");
        (clock.now().duration_since(start), out)
    };

    println!("2,000 tokens each: the tokens decide, 45 calls a minute after a burst of 5");
    for call in 1..=50 {
        let (at, out) = embed(2_000);
        out?;
        if call <= 8 || call % 10 == 0 {
            println!("  {at:>7.1?}  call {call} done");
        }
    }

    println!("11,000 tokens are more than a burst: refused for good, without a wait");
    if let (at, Err(error)) = embed(11_000) {
        println!("  {at:>7.1?}  {error}");
    }

    println!("after a quiet minute, another machine uses up what the provider admits");
    clock.advance(MINUTE);
    while provider.count().is_ok() {}
    let (at, out) = embed(1);
    if let Err(error) = out {
        println!("  {at:>7.1?}  {error}");
    }
    println!(
        "  {at:>7.1?}  everybody pauses for {:.1?}",
        limiter.pause_left()
    );
    let (at, out) = embed(1);
    out?;
    println!("  {at:>7.1?}  and goes on");

    println!("a header says that 2 requests are left for 30 s");
    limiter.correct("requests", 2, Duration::from_secs(30));
    for _ in 0..4 {
        let (at, out) = embed(1);
        out?;
        println!("  {at:>7.1?}  done");
    }
    println!("{:?}", limiter.snapshot());
    Ok(())
}
