//! A local Voyage AI.
//!
//! Written from the vendor's documentation (<https://docs.voyageai.com>, read in November 2026):
//! `embeddings`, `contextualizedembeddings`, `multimodalembeddings`, `rerank`, `files`, `batches`.

mod batches;
mod chunking;
mod config;
mod contextualized;
mod embed;
mod embeddings;
mod encoding;
mod fields;
mod files;
mod hashed;
mod multimodal;
mod offers;
mod projection;
mod quota;
mod refusal;
mod rerank;
mod routes;
mod tokens;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use parking_lot::Mutex;

use crate::error::Error;
use crate::voyage::batches::Batches;
use crate::voyage::files::Files;
use crate::voyage::quota::Quotas;
use crate::voyage::work::Vectors;

pub use config::{Tier, VoyageConfig};
pub use embed::Embedder;

/// A local Voyage AI. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Voyage {
    state: Arc<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    config: VoyageConfig,
    vectors: Vectors,
    quotas: Mutex<Quotas>,
    files: Mutex<Files>,
    batches: Mutex<Batches>,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    refused: AtomicU64,
    throttled: AtomicU64,
    tokens: AtomicU64,
}

impl Counters {
    fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Ordering::Relaxed);
    }
}

impl Voyage {
    pub(crate) fn new(config: VoyageConfig) -> Result<Self, Error> {
        config.validate()?;
        let state = State {
            vectors: Vectors::new(config.embedder.clone()),
            quotas: Mutex::new(Quotas::new(&config)),
            files: Mutex::default(),
            batches: Mutex::default(),
            counters: Counters::default(),
            config,
        };
        Ok(Self {
            state: Arc::new(state),
        })
    }

    pub(crate) fn router(&self) -> Router {
        routes::router(Arc::clone(&self.state))
    }

    /// Returns the key that it takes.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.state.config.api_key
    }

    /// Returns how many requests arrived, those that a fault kept away not counted.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state.counters.requests.load(Ordering::Relaxed)
    }

    /// Returns how many requests were refused, for whatever reason.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.state.counters.refused.load(Ordering::Relaxed)
    }

    /// Returns how many requests were refused because a quota was used up.
    #[must_use]
    pub fn throttled(&self) -> u64 {
        self.state.counters.throttled.load(Ordering::Relaxed)
    }

    /// Returns how many tokens the service would bill.
    #[must_use]
    pub fn tokens_billed(&self) -> u64 {
        self.state.counters.tokens.load(Ordering::Relaxed)
    }
}
