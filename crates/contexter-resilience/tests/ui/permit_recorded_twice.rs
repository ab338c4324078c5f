//! A permit is for one outcome.

use contexter_breaker::Breaker;
use contexter_service::{Open, Sample};

fn count_twice(breaker: &Breaker) -> Result<(), Open> {
    let permit = breaker.try_acquire()?;
    permit.record(Sample::Success);
    permit.record(Sample::Success);
    Ok(())
}

fn main() {}
