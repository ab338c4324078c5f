//! How much of the quota the adapter's own packing and stack use.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use contexter_model::{Embed, Purpose};
use contexter_resilience::StandardStack;
use contexter_service::{ByVerdict, Clock as _, ManualClock, Service as _};
use contexter_voyage::{Caps, Config, Lane, Model, ModelKind, Packed, TokenEstimate};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::vendor::{self, Meter, TOKENS, Vendor};

/// The texts of one call, as of a page of documents.
const PER_CALL: usize = 10_000;

/// How tokens are counted on our side.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counting {
    Estimated,
    Exact,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) took: Duration,
    pub(crate) requests: u64,
    pub(crate) throttled: u64,
    pub(crate) too_large: u64,
    pub(crate) tokens: u64,
}

impl Outcome {
    pub(crate) fn of(vendor: &Vendor, took: Duration) -> Self {
        let state = vendor.state();
        Self {
            took,
            requests: state.requests,
            throttled: state.throttled,
            too_large: state.too_large,
            tokens: state.tokens,
        }
    }

    /// The share of the allowed tokens per minute that was used.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 tokens")]
    pub(crate) fn share(&self) -> f64 {
        let minutes = self.took.as_secs_f64() / 60.0;
        self.tokens as f64 / (TOKENS as f64 * minutes)
    }

    /// The share of requests that were answered by status 429.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 requests")]
    pub(crate) fn refused(&self) -> f64 {
        self.throttled as f64 / self.requests as f64
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} % of the tokens a minute, {} of {} requests refused by 429, {} as too large, {:?}",
            self.share() * 100.0,
            self.throttled,
            self.requests,
            self.too_large,
            self.took
        )
    }
}

/// Texts of 30 to 250 words of 1 to 12 letters: chunks of documents.
pub(crate) fn texts(count: usize) -> Vec<String> {
    const LETTERS: &str = "etaoinshrdlu";
    let mut random = StdRng::seed_from_u64(42);
    let mut text = |_| {
        let mut text = String::new();
        for _ in 0..random.random_range(30..250) {
            let length = random.random_range(1..=LETTERS.len());
            text.push_str(LETTERS.get(..length).unwrap_or_default());
            text.push(' ');
        }
        text.pop();
        text
    };
    (0..count).map(&mut text).collect()
}

/// Texts that have little in common, in no order: two of code for two of prose, and one in 500 longer than
/// the model reads.
pub(crate) fn mixed(count: usize) -> Vec<String> {
    const CODE: [&str; 4] = [
        "if (a[i] != x) { return f(x, y)?; }\n",
        "let q = &self.n[k..k + 2];\n",
        "x += (y << 3) ^ 0xff;\n",
        "}\n\n    /// # Errors\n",
    ];
    const PROSE: [&str; 4] = [
        "The ferry leaves the harbour at noon, whatever the weather. ",
        "Documentation describes what a function returns and when it fails. ",
        "Considerable improvements notwithstanding, installation remains complicated. ",
        "It was late; nobody came. ",
    ];
    let mut random = StdRng::seed_from_u64(43);
    let mut text = |number: usize| {
        let (from, pieces) = if number % 500 == 250 {
            (PROSE, random.random_range(3_000..6_000))
        } else if random.random_range(0..2) == 0 {
            (CODE, random.random_range(5..60))
        } else {
            (PROSE, random.random_range(3..30))
        };
        let mut text = String::new();
        for _ in 0..pieces {
            let piece = from.get(random.random_range(0..from.len()));
            text.push_str(piece.copied().unwrap_or_default());
        }
        text
    };
    (0..count).map(&mut text).collect()
}

/// Embeds all texts through the adapter's packing and stack.
pub(crate) fn ours(
    texts: &[String],
    counting: Counting,
    meter: Meter,
) -> Result<Outcome, Box<dyn Error>> {
    let clock = ManualClock::new();
    let vendor = Arc::new(Vendor::new(&clock, meter));
    let config = Config::new("pa-none").with_model("voyage-4-large");
    let model = Model::named(&config.model, ModelKind::Text);
    let stack = StandardStack::with(config.stack_of(&model), clock.clone(), ByVerdict)?;
    let caps = Caps::new(config.max_batch, model.request_tokens).context(model.context);
    let tokens = match counting {
        Counting::Estimated => TokenEstimate::new(),
        Counting::Exact => TokenEstimate::exact(Arc::new(|text: &str| {
            usize::try_from(vendor::tokens(text)).unwrap_or(usize::MAX)
        })),
    };
    let lane = Lane::new(stack, caps)
        .with_tokens(tokens)
        .with_concurrent(config.max_concurrent);
    let packed = Packed::new(Arc::clone(&vendor), Arc::new(lane));
    let started = clock.now();
    let embed_all = async {
        for page in texts.chunks(PER_CALL) {
            let request = Embed {
                texts: page.to_vec(),
                purpose: Purpose::Document,
            };
            let reply = packed.call(request).await?;
            let are_right = page
                .iter()
                .zip(&reply.vectors)
                .all(|(text, vector)| *vector == vendor::hashed(text));
            if !are_right || reply.vectors.len() != page.len() {
                return Err("a vector belongs to another text".into());
            }
        }
        Ok::<(), Box<dyn Error>>(())
    };
    clock
        .run_until_stalled(embed_all)
        .ok_or("it waits for something that is no time")??;
    Ok(Outcome::of(&vendor, clock.now() - started))
}
