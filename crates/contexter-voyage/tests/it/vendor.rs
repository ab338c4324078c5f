//! The vendor as a service in memory: caps of a request, buckets of requests and tokens, vectors that
//! tell their text.

#![expect(
    clippy::cast_precision_loss,
    reason = "the numbers of a test are small"
)]

use std::sync::Mutex;
use std::time::{Duration, Instant};

use contexter_model::{Embed, Embeddings, Error, ErrorKind, Usage};
use contexter_service::{Clock, ManualClock, Service, Timer};

/// What it counts and allows.
pub(crate) struct Vendor {
    pub(crate) clock: ManualClock,
    pub(crate) latency: Duration,
    /// Tokens of one request.
    pub(crate) cap: u64,
    /// Tokens a minute.
    pub(crate) quota: u64,
    /// Whether refusals name a wait.
    pub(crate) names_wait: bool,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    /// The texts of each request, refused ones included.
    pub(crate) requests: Vec<Vec<String>>,
    pub(crate) throttled: usize,
    pub(crate) tokens: u64,
    bucket: Option<(f64, Instant)>,
}

impl Vendor {
    pub(crate) fn new(clock: &ManualClock) -> Self {
        Self {
            clock: clock.clone(),
            latency: Duration::from_millis(300),
            cap: 120_000,
            quota: 3_000_000,
            names_wait: false,
            state: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A token for each four bytes.
    pub(crate) fn tokens(text: &str) -> u64 {
        text.len() as u64 / 4
    }

    fn admit(&self, tokens: u64) -> Result<(), Duration> {
        let now = self.clock.now();
        let mut state = self.state();
        let rate = self.quota as f64 / 60.0;
        let (level, at) = state.bucket.unwrap_or((self.quota as f64, now));
        let renewed = now.saturating_duration_since(at).as_secs_f64() * rate;
        let level = (level + renewed).min(self.quota as f64);
        if level < tokens as f64 {
            state.bucket = Some((level, now));
            return Err(Duration::from_secs_f64((tokens as f64 - level) / rate));
        }
        state.bucket = Some((level - tokens as f64, now));
        state.tokens += tokens;
        Ok(())
    }
}

impl Service<Embed> for Vendor {
    type Response = Embeddings;
    type Error = Error;

    async fn call(&self, req: Embed) -> Result<Embeddings, Error> {
        self.clock.sleep(self.latency).await;
        let tokens: u64 = req.texts.iter().map(|text| Self::tokens(text)).sum();
        self.state().requests.push(req.texts.clone());
        if tokens > self.cap {
            return Err(Error::new(ErrorKind::TooLarge, "too many tokens"));
        }
        if let Err(wait) = self.admit(tokens) {
            self.state().throttled += 1;
            return Err(Error::new(ErrorKind::RateLimited, "slow down")
                .with_retry_after(self.names_wait.then_some(wait)));
        }
        let vectors = req.texts.iter().map(|text| mark(text)).collect();
        let usage = Usage { tokens };
        Ok(Embeddings { vectors, usage })
    }
}

/// A vector that tells its text.
pub(crate) fn mark(text: &str) -> Vec<f32> {
    let sum: u32 = text.bytes().take(16).map(u32::from).sum();
    vec![text.len() as f32, sum as f32]
}
