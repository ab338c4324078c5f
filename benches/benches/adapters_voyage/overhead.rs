//! What a request costs besides the network.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_benches::{interleaved, size};
use contexter_model::{Error as ModelError, Purpose};
use contexter_resilience::{StackConfig, StandardStack};
use contexter_service::Service;
use contexter_voyage::{Caps, EmbedTexts, Lane, Packed, TextEmbeddings};
use serde::Deserialize;

pub(crate) const TEXTS: usize = 128;
pub(crate) const DIMENSIONS: u32 = 1_024;

/// Microseconds for a request, ours and the bare decode's.
pub(crate) struct Overhead {
    pub(crate) ours: f64,
    pub(crate) bare: f64,
}

/// The network: a reply that has arrived.
struct Arrived {
    body: Vec<u8>,
}

impl Service<EmbedTexts> for Arrived {
    type Response = TextEmbeddings;
    type Error = ModelError;

    async fn call(&self, request: EmbedTexts) -> Result<TextEmbeddings, ModelError> {
        black_box(request.write_body()?);
        request.read_reply(&self.body)
    }
}

pub(crate) fn measure() -> Result<Overhead, Box<dyn Error>> {
    let body = body();
    let request = request();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stack = StandardStack::new(StackConfig::voyage_ai().rate_limit(None))?;
    let lane = Arc::new(Lane::new(stack, Caps::new(1_000, 320_000)));
    let packed = Packed::new(Arrived { body: body.clone() }, lane);
    let embed = |request: EmbedTexts| {
        let reply = runtime.block_on(packed.call(request));
        reply.map(|reply| reply.vectors.len())
    };
    if embed(request.clone())? != bare(&body)?.len() {
        return Err("the two do not read the same".into());
    }
    let calls = size(200, 20);
    let (ours, bare) = interleaved(
        11,
        || {
            // The texts are the caller's, and at hand.
            let requests = vec![request.clone(); calls];
            time(requests, |request| embed(request).unwrap_or_default())
        },
        || {
            time(vec![(); calls], |()| {
                bare(&body).map_or(0, |vectors| black_box(vectors).len())
            })
        },
    );
    Ok(Overhead { ours, bare })
}

pub(crate) fn request() -> EmbedTexts {
    EmbedTexts::new(texts(), Purpose::Document)
        .with_model("voyage-4")
        .with_dimension(DIMENSIONS)
}

/// Returns the microseconds that a call takes.
#[expect(clippy::cast_precision_loss, reason = "a few hundred calls")]
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures by the real clock"
)]
pub(crate) fn time<T>(inputs: Vec<T>, call: impl FnMut(T) -> usize) -> f64 {
    let calls = inputs.len();
    let started = Instant::now();
    let vectors: usize = inputs.into_iter().map(call).sum();
    let took = started.elapsed();
    assert_eq!(vectors, calls * TEXTS, "a call failed");
    took.as_secs_f64() * 1e6 / calls as f64
}

/// What a bare client does with the body.
pub(crate) fn bare(body: &[u8]) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    #[derive(Deserialize)]
    struct Reply<'a> {
        #[serde(borrow)]
        data: Vec<Item<'a>>,
    }

    #[derive(Deserialize)]
    struct Item<'a> {
        embedding: &'a str,
    }

    let reply: Reply<'_> = serde_json::from_slice(body)?;
    let mut vectors = Vec::with_capacity(reply.data.len());
    for item in reply.data {
        let bytes = STANDARD.decode(item.embedding)?;
        let (values, _) = bytes.as_chunks::<4>();
        vectors.push(
            values
                .iter()
                .map(|value| f32::from_le_bytes(*value))
                .collect(),
        );
    }
    Ok(vectors)
}

/// Texts of 500 bytes, as chunks have.
fn texts() -> Vec<String> {
    (0..TEXTS)
        .map(|number| format!("{number:05}{}", " word".repeat(99)))
        .collect()
}

pub(crate) fn body() -> Vec<u8> {
    let mut data = Vec::new();
    let mut seed = 1_u32;
    for index in 0..TEXTS {
        let mut bytes = Vec::new();
        for _ in 0..DIMENSIONS {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = f32::from(u16::try_from(seed >> 16).unwrap_or_default()) / 65_536.0 - 0.5;
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        let embedding = STANDARD.encode(bytes);
        data.push(serde_json::json!({
            "object": "embedding",
            "embedding": embedding,
            "index": index,
        }));
    }
    let reply = serde_json::json!({
        "object": "list",
        "data": data,
        "model": "voyage-4",
        "usage": { "total_tokens": 12_800 },
    });
    reply.to_string().into_bytes()
}
