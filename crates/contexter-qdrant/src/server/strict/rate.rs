//! How much a collection lets be read and written a minute.

use parking_lot::Mutex;
use tokio::time::{Duration, Instant};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// The rate limits of a collection.
#[derive(Debug, Default)]
pub(in crate::server) struct Buckets {
    read: Mutex<Option<Bucket>>,
    write: Mutex<Option<Bucket>>,
}

impl Buckets {
    /// Takes `cost` from the read limit.
    pub(in crate::server) fn read(&self, per_minute: Option<u32>, cost: u64) -> Result<(), Status> {
        take(&self.read, per_minute, cost, "Read")
    }

    /// Takes `cost` from the write limit.
    pub(in crate::server) fn write(
        &self,
        per_minute: Option<u32>,
        cost: u64,
    ) -> Result<(), Status> {
        take(&self.write, per_minute, cost, "Write")
    }
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    since: Instant,
}

#[expect(clippy::cast_precision_loss, reason = "costs are far below 2^52")]
fn take(
    bucket: &Mutex<Option<Bucket>>,
    per_minute: Option<u32>,
    cost: u64,
    what: &str,
) -> Result<(), Status> {
    let Some(per_minute) = per_minute else {
        return Ok(());
    };
    let size = f64::from(per_minute);
    let cost = cost as f64;
    if cost > size {
        // Without a time to wait: it would never pass.
        return Err(Status::new(
            Code::ResourceExhausted,
            format!(
                "Rate limiting exceeded: {what} rate limit exceeded, request larger than rate \
                 limiter capacity, please try to split your request",
            ),
        ));
    }
    let now = Instant::now();
    let mut bucket = bucket.lock();
    let there = bucket.get_or_insert(Bucket {
        tokens: size,
        since: now,
    });
    let passed = now.duration_since(there.since).as_secs_f64();
    there.tokens = (there.tokens + passed * size / 60.0).min(size);
    there.since = now;
    if there.tokens >= cost {
        there.tokens -= cost;
        return Ok(());
    }
    let wait = Duration::from_secs_f64((cost - there.tokens) * 60.0 / size);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let mut status = Status::new(
        Code::ResourceExhausted,
        format!(
            "Rate limiting exceeded: {what} rate limit exceeded: Operation requires {cost} tokens \
             but only {tokens:.1} were available. Retry after {seconds}s",
            tokens = there.tokens,
        ),
    );
    status
        .metadata_mut()
        .insert("retry-after", MetadataValue::from(seconds));
    Err(status)
}
