//! A request that was checked: what it costs, and what is left to do.

use std::sync::Arc;

use axum::http::StatusCode;
use serde::Serialize;

use crate::voyage::State;
use crate::voyage::config::VoyageConfig;
use crate::voyage::contextualized::{self, Contextualized};
use crate::voyage::embed::Embedder;
use crate::voyage::embeddings::{self, Embeddings};
use crate::voyage::fields::Fields;
use crate::voyage::multimodal::{self, Multimodal};
use crate::voyage::offers::{Kind, Model};
use crate::voyage::projection;
use crate::voyage::refusal::Refusal;
use crate::voyage::rerank::{self, Rerank};

/// One of the endpoints that compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Embeddings,
    Contextualized,
    Multimodal,
    Rerank,
}

impl Endpoint {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Embeddings => Kind::Text,
            Self::Contextualized => Kind::Contextualized,
            Self::Multimodal => Kind::Multimodal,
            Self::Rerank => Kind::Rerank,
        }
    }
}

/// A request that was checked.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) model: &'static Model,
    /// What it costs, once it is done.
    pub(super) tokens: u64,
    job: Job,
}

#[derive(Debug)]
enum Job {
    Embeddings(Embeddings),
    Contextualized(Contextualized),
    Multimodal(Multimodal),
    Rerank(Rerank),
}

impl Work {
    /// Checks the fields of a request, all of them.
    pub(super) fn check(
        endpoint: Endpoint,
        mut fields: Fields,
        config: &VoyageConfig,
    ) -> Result<Self, Refusal> {
        let name = fields.text("model")?;
        let model = super::offers::find(&name, endpoint.kind(), config)?;
        let (tokens, job) = match endpoint {
            Endpoint::Embeddings => {
                let (tokens, job) = embeddings::check(fields, model)?;
                (tokens, Job::Embeddings(job))
            }
            Endpoint::Contextualized => {
                let (tokens, job) = contextualized::check(fields, model)?;
                (tokens, Job::Contextualized(job))
            }
            Endpoint::Multimodal => {
                let (tokens, job) = multimodal::check(fields, model)?;
                (tokens, Job::Multimodal(job))
            }
            Endpoint::Rerank => {
                let (tokens, job) = rerank::check(fields, model)?;
                (tokens, Job::Rerank(job))
            }
        };
        if tokens > model.per_request {
            return Err(Refusal::too_many_tokens(
                model.name,
                model.per_request,
                tokens,
            ));
        }
        Ok(Self { model, tokens, job })
    }

    /// Computes the reply, as JSON.
    pub(super) async fn run(self, state: &Arc<State>) -> Result<Vec<u8>, Refusal> {
        let Self { model, tokens, job } = self;
        let vectors = &state.vectors;
        match job {
            Job::Embeddings(job) => as_json(&job.run(model, tokens, vectors).await?),
            Job::Contextualized(job) => as_json(&job.run(model, tokens, vectors).await?),
            Job::Multimodal(job) => as_json(&job.run(model, tokens, vectors).await?),
            Job::Rerank(job) => as_json(&job.run(model, tokens, vectors).await?),
        }
    }
}

fn as_json(reply: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(reply).map_err(|error| broken(&error.to_string()))
}

fn broken(what: &str) -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, what)
}

/// Computes vectors in the space and the dimension that is asked for.
#[derive(Debug)]
pub(super) struct Vectors {
    embedder: Embedder,
}

impl Vectors {
    pub(super) fn new(embedder: Embedder) -> Self {
        Self { embedder }
    }

    /// Returns one vector of length 1 for each text.
    pub(super) async fn embed(
        &self,
        texts: Vec<String>,
        model: &Model,
        dimensions: usize,
    ) -> Result<Vec<Vec<f32>>, Refusal> {
        let vectors = self
            .embedder
            .embed(texts)
            .await
            .map_err(|error| broken(&error))?;
        let space = model.space;
        tokio::task::spawn_blocking(move || {
            vectors
                .iter()
                .map(|vector| projection::project(vector, space, dimensions))
                .collect()
        })
        .await
        .map_err(|failed| broken(&failed.to_string()))
    }
}

/// What a call used.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Usage {
    pub(super) total_tokens: u64,
}

/// A list of the vendor's: every reply is one.
#[derive(Debug, Serialize)]
pub(super) struct List<T, U = Usage> {
    pub(super) object: &'static str,
    pub(super) data: Vec<T>,
    pub(super) model: &'static str,
    pub(super) usage: U,
}

impl<T, U> List<T, U> {
    pub(super) fn new(data: Vec<T>, model: &Model, usage: U) -> Self {
        Self {
            object: "list",
            data,
            model: model.name,
            usage,
        }
    }
}
