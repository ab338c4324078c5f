//! The vendor in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contexter_model::{Embed, Embeddings, Error, ErrorKind, Usage};
use contexter_service::{Clock, ManualClock, Service, Timer};

/// Tokens of one request, as of `voyage-4-large`.
pub(crate) const CAP: u64 = 120_000;
/// Tokens of one text, as of `voyage-4-large`.
const CONTEXT: u64 = 32_000;
/// Tokens a minute at tier 1, as of `voyage-4-large`.
pub(crate) const TOKENS: u64 = 3_000_000;
/// Requests a minute at tier 1.
const REQUESTS: u64 = 2_000;
/// Items of one request.
const ITEMS: usize = 1_000;
/// The length of the vectors: enough to tell texts apart.
const DIMENSIONS: usize = 4;

const MINUTE: Duration = Duration::from_mins(1);
/// A request takes this long, and a microsecond for each token.
const LATENCY: Duration = Duration::from_millis(250);

/// How the vendor counts a minute.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meter {
    /// A bucket that holds a minute's allowance and is filled steadily.
    Buckets,
    /// No 60 seconds see more than the allowance.
    Window,
}

/// The vendor.
#[derive(Debug)]
pub(crate) struct Vendor {
    clock: ManualClock,
    meter: Meter,
    state: Mutex<State>,
}

/// What it has counted.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) requests: u64,
    pub(crate) throttled: u64,
    pub(crate) too_large: u64,
    pub(crate) tokens: u64,
    /// What was admitted in the last minute.
    window: VecDeque<(Instant, u64)>,
    /// Nanoseconds of a minute that the buckets are used up for, and when that was.
    used: Option<(Instant, [u64; 2])>,
}

impl Vendor {
    pub(crate) fn new(clock: &ManualClock, meter: Meter) -> Self {
        Self {
            clock: clock.clone(),
            meter,
            state: Mutex::default(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, tokens: u64) -> bool {
        let now = self.clock.now();
        let mut state = self.state();
        let admitted = match self.meter {
            Meter::Buckets => state.admit_by_buckets(now, tokens),
            Meter::Window => state.admit_by_window(now, tokens),
        };
        if admitted {
            state.tokens += tokens;
        }
        admitted
    }
}

impl State {
    fn admit_by_buckets(&mut self, now: Instant, tokens: u64) -> bool {
        let (at, used) = self.used.unwrap_or((now, [0, 0]));
        let passed = nanos(now.saturating_duration_since(at));
        let minute = nanos(MINUTE);
        let cost = [minute / REQUESTS, tokens.saturating_mul(minute / TOKENS)];
        let [requests, of_tokens] = used.map(|used| used.saturating_sub(passed));
        let after = [requests + cost[0], of_tokens + cost[1]];
        let admitted = after.iter().all(|used| *used <= minute);
        self.used = Some((
            now,
            if admitted {
                after
            } else {
                [requests, of_tokens]
            },
        ));
        admitted
    }

    fn admit_by_window(&mut self, now: Instant, tokens: u64) -> bool {
        let is_old = |at: Instant| now.saturating_duration_since(at) >= MINUTE;
        while self.window.front().is_some_and(|(at, _)| is_old(*at)) {
            self.window.pop_front();
        }
        let used: u64 = self.window.iter().map(|(_, tokens)| tokens).sum();
        let requests = self.window.len() as u64;
        let admitted = used + tokens <= TOKENS && requests < REQUESTS;
        if admitted {
            self.window.push_back((now, tokens));
        }
        admitted
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A token for each four letters of a word, as models cut what they do not know, and one for each sign.
pub(crate) fn tokens(text: &str) -> u64 {
    let (mut tokens, mut letters) = (0, 0);
    for character in text.chars() {
        if character.is_alphanumeric() {
            // The first, the fifth and so on.
            tokens += u64::from(letters % 4 == 0);
            letters += 1;
        } else {
            letters = 0;
            tokens += u64::from(!character.is_whitespace());
        }
    }
    tokens
}

impl Service<Embed> for Vendor {
    type Response = Embeddings;
    type Error = Error;

    async fn call(&self, request: Embed) -> Result<Embeddings, Error> {
        // What is longer than the context is cut, and not billed.
        let tokens = request.texts.iter().map(|text| tokens(text).min(CONTEXT));
        let tokens: u64 = tokens.sum();
        self.clock
            .sleep(LATENCY + Duration::from_micros(tokens))
            .await;
        self.state().requests += 1;
        if tokens > CAP || request.texts.len() > ITEMS {
            self.state().too_large += 1;
            return Err(Error::new(ErrorKind::TooLarge, "too many tokens"));
        }
        if !self.admit(tokens) {
            self.state().throttled += 1;
            return Err(Error::new(ErrorKind::RateLimited, "slow down"));
        }
        Ok(Embeddings {
            vectors: request.texts.iter().map(|text| hashed(text)).collect(),
            usage: Usage { tokens },
        })
    }
}

/// A vector that tells its text from others.
pub(crate) fn hashed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSIONS];
    for (place, byte) in text.bytes().enumerate() {
        if let Some(value) = vector.get_mut(place % DIMENSIONS) {
            *value = *value * 0.5 + f32::from(byte);
        }
    }
    vector
}
