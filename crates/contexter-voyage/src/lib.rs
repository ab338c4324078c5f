//! Voyage AI: embeddings of texts, of chunks that know their document, of images and videos; the order
//! of documents for a query; and batch jobs.
//!
//! [`VoyageAdapter`] is the service `voyage_ai`, made from its section of the configuration,
//! [`Config`]. What it does that a bare client does not:
//!
//! - **It reaches the right host.** The prefix of a key says which ([`base_url_of`]); a `base_url` wins.
//! - **It never exceeds a cap.** Requests are cut by items and tokens ([`Packed`]): by exact counts with
//!   the model's tokenizer (feature `tokenizer`), and by an estimate that begins pessimistic and learns
//!   from what the vendor counts. A part that was too large after all is divided, never sent again as
//!   it was.
//! - **It keeps to the quotas**, requests and tokens a minute, of each model and the account's
//!   [`Tier`]. What a request turned out to have had more or less is settled with the next. A refusal
//!   by the vendor makes all calls of the model pause.
//! - **It believes nothing.** Every vector of a reply is put to its text by its index, and has the
//!   right length and finite values, or the call fails.
//! - **It knows what was used and what it cost**: [`VoyageAdapter::usage`].
//!
//! # Errors
//!
//! | the vendor answers | kind | again |
//! |---|---|---|
//! | 400, 422 | `Invalid` | no |
//! | 400 about tokens, 413 | `TooLarge` | in parts |
//! | 401, 403 | `Unauthorized` | no |
//! | 408, 504 | `Timeout` | yes |
//! | 410, a retired model | `Unsupported` | no |
//! | 429 | `RateLimited` | yes, after the wait that it asks for |
//! | 429 for want of a payment method | `QuotaExhausted` | no |
//! | 500, 502, 503 | `Unavailable` | yes |
//! | 200 with something else than documented | `Protocol` | no |
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `tokenizer` | `TokenizerFile`: exact counts of tokens by a model's `tokenizer.json` |
//!
//! None is on by default.

mod account;
mod adapter;
mod arriving;
mod calls;
mod client;
mod config;
mod config_check;
mod contextualized;
mod divisible;
mod element;
mod embeddings;
mod endpoint;
mod failure;
mod fault;
mod intake;
mod jobs;
mod lane;
pub mod limits;
mod media;
mod model;
mod multimodal;
mod options;
mod packed;
mod packing;
mod reading;
mod rerank;
mod taken;
mod tier;
#[cfg(feature = "tokenizer")]
mod tokenizer;
mod tokens;
mod values;

pub use account::{ModelUsage, UsageSnapshot};
pub use adapter::{Builder, VoyageAdapter};
pub use config::Config;
pub use contexter_resilience::RetryConfig;
pub use contextualized::{ChunkEmbeddings, Chunking, EmbedChunks, EmbeddedDocument};
pub use divisible::Divisible;
pub use embeddings::{EmbedTexts, TextEmbeddings};
pub use endpoint::{ATLAS_EU_URL, ATLAS_URL, ATLAS_US_URL, VOYAGE_URL, base_url_of};
pub use failure::{TokenOverflow, read_refusal};
pub use jobs::{
    File, Job, JobCounts, JobError, JobOutcomes, JobRequest, JobResults, JobStatus, Jobs, Polling,
    Work,
};
pub use lane::Lane;
pub use media::{Content, Image};
pub use model::{Model, ModelKind, Price};
pub use multimodal::{EmbedMultimodal, MultimodalEmbeddings, MultimodalUsage};
pub use packed::Packed;
pub use packing::{Caps, Cost, ItemKind, pack};
pub use rerank::RerankTexts;
pub use tier::{TIER_1_REQUESTS, Tier, UNPAID_REQUESTS, UNPAID_TOKENS};
#[cfg(feature = "tokenizer")]
pub use tokenizer::TokenizerFile;
pub use tokens::TokenEstimate;
pub use values::{Dtype, Transport, Vectors};
