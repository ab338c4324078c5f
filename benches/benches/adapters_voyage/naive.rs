//! What one writes in an afternoon: batches of 128, and a sleep where the answer is 429.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use contexter_model::{Embed, ErrorKind, Purpose};
use contexter_service::{Clock as _, ManualClock, Service as _, Timer as _};

use crate::quota::Outcome;
use crate::vendor::{Meter, Vendor};

/// The size that most clients have, from old documentation.
const BATCH: usize = 128;

/// A client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// How many requests are under way at once.
    pub(crate) concurrent: usize,
    /// The sleep after a refusal, in seconds.
    pub(crate) pause: u64,
}

impl Client {
    /// Embeds all texts.
    pub(crate) fn run(self, texts: &[String], meter: Meter) -> Outcome {
        let clock = ManualClock::new();
        let vendor = Vendor::new(&clock, meter);
        let batches: Mutex<VecDeque<&[String]>> = Mutex::new(texts.chunks(BATCH).collect());
        let next = || {
            batches
                .lock()
                .ok()
                .and_then(|mut batches| batches.pop_front())
        };
        let worker = async || {
            while let Some(batch) = next() {
                loop {
                    let request = Embed {
                        texts: batch.to_vec(),
                        purpose: Purpose::Document,
                    };
                    match vendor.call(request).await {
                        Err(error) if error.kind() == ErrorKind::RateLimited => {
                            clock.sleep(Duration::from_secs(self.pause)).await;
                        }
                        _ => break,
                    }
                }
            }
        };
        let started = clock.now();
        let workers = (0..self.concurrent).map(|_| worker());
        clock.run_until_stalled(futures_util::future::join_all(workers));
        Outcome::of(&vendor, clock.now() - started)
    }
}
