//! `/batches`, <https://docs.voyageai.com/docs/batch-inference>.
//!
//! Each batch is carried out by a task of its own, and whoever asks is told how far it is. So that a
//! program that asks often sees every status, `validating`, `in_progress`, `finalizing`, `completed`, a
//! batch stays in each until it was told of, or for ten seconds.

mod batch;
mod job;
mod line;
mod workers;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::voyage::State;
use crate::voyage::batches::batch::{About, Batch, WINDOW};
use crate::voyage::batches::job::Job;
use crate::voyage::fields::Fields;
use crate::voyage::offers;
use crate::voyage::refusal::Refusal;
use crate::voyage::work::Endpoint;

pub(super) use workers::Workers;

/// How many batches are under way at most.
const MAX_IN_FLIGHT: usize = 100;
/// How many batches are kept.
const MAX_BATCHES: usize = 1000;
/// How many keys the metadata of a batch has.
const MAX_METADATA: usize = 16;
/// How many batches a page of the list holds, unless it is said.
const PAGE: u64 = 20;
/// How many at most.
const MAX_PAGE: u64 = 100;

/// All batches, by id.
#[derive(Debug, Default)]
pub(super) struct Batches {
    batches: BTreeMap<String, Batch>,
    created: u64,
}

/// Which part of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<u64>,
    after: Option<String>,
}

/// Creates a batch and starts it; everything that can be is refused now.
pub(super) fn create(
    state: &Arc<State>,
    workers: &Workers,
    fields: Fields,
) -> Result<Value, Refusal> {
    let order = Order::read(fields, state)?;
    let mut batches = state.batches.lock();
    let batch = batches.open(order.about)?;
    let described = batch.describe();
    workers.start(Job {
        id: batch.id().to_owned(),
        endpoint: order.endpoint,
        params: order.params,
        input: order.input,
        asked: batch.asked(),
        state: Arc::clone(state),
    });
    Ok(described)
}

/// What a batch is to be.
struct Order {
    about: About,
    endpoint: Endpoint,
    params: Map<String, Value>,
    input: Bytes,
}

impl Order {
    fn read(mut fields: Fields, state: &State) -> Result<Self, Refusal> {
        let path = fields.text("endpoint")?;
        let endpoint = match path.as_str() {
            "/v1/embeddings" => Endpoint::Embeddings,
            "/v1/contextualizedembeddings" => Endpoint::Contextualized,
            "/v1/rerank" => Endpoint::Rerank,
            other => {
                return Err(Refusal::invalid(format!(
                    "Endpoint '{other}' is not supported by batches."
                )));
            }
        };
        let window = fields.text("completion_window")?;
        if window != WINDOW {
            return Err(Refusal::invalid(format!(
                "Completion window '{window}' is not supported. Supported windows are ['{WINDOW}']."
            )));
        }
        let input_file_id = fields.text("input_file_id")?;
        let Value::Object(params) = fields.required("request_params")? else {
            return Err(Refusal::malformed(
                "request_params",
                "value is not a valid dict",
            ));
        };
        let metadata = metadata(&mut fields)?;
        fields.end()?;
        let model = match params.get("model") {
            Some(Value::String(model)) => model.clone(),
            _ => return Err(Refusal::malformed("model", "field required")),
        };
        offers::find(&model, endpoint.kind(), &state.config)?;
        let input = state.files.lock().get(&input_file_id)?.bytes.clone();
        let about = About {
            path,
            model,
            input_file_id,
            metadata,
        };
        Ok(Self {
            about,
            endpoint,
            params,
            input,
        })
    }
}

fn metadata(fields: &mut Fields) -> Result<Value, Refusal> {
    match fields.take("metadata") {
        None => Ok(Value::Null),
        Some(Value::Object(entries)) if entries.len() > MAX_METADATA => {
            Err(Refusal::invalid(format!(
                "The metadata has {} keys, at most {MAX_METADATA} are allowed.",
                entries.len()
            )))
        }
        Some(Value::Object(entries)) => Ok(Value::Object(entries)),
        Some(_) => Err(Refusal::malformed("metadata", "value is not a valid dict")),
    }
}

/// Lists batches, the newest first; nobody is told of them by that.
pub(super) fn list(state: &State, page: &Page) -> Result<Value, Refusal> {
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Refusal::invalid(format!(
            "limit must be from 1 to {MAX_PAGE}, got {limit}."
        )));
    }
    let mut batches = state.batches.lock();
    if let Some(after) = &page.after {
        batches.find(after)?;
    }
    let mut data = Vec::new();
    let mut more = false;
    for batch in batches.batches.values().rev() {
        let is_before = page
            .after
            .as_deref()
            .is_some_and(|after| batch.id() >= after);
        if is_before {
            continue;
        }
        if data.len() as u64 == limit {
            more = true;
            break;
        }
        data.push(batch.describe());
    }
    Ok(json!({"object": "list", "data": data, "has_more": more}))
}

/// Describes a batch.
pub(super) fn look(state: &State, id: &str) -> Result<Value, Refusal> {
    Ok(state.batches.lock().find(id)?.look())
}

/// Begins to cancel a batch.
pub(super) fn cancel(state: &State, id: &str) -> Result<Value, Refusal> {
    state.batches.lock().find(id)?.cancel()
}

impl Batches {
    /// Makes room for a batch, and the batch.
    fn open(&mut self, about: About) -> Result<&Batch, Refusal> {
        let under_way = |batch: &&Batch| !batch.has_ended();
        let in_flight = self.batches.values().filter(under_way).count();
        if in_flight >= MAX_IN_FLIGHT {
            return Err(Refusal::throttled(
                format!(
                    "You have {in_flight} batches in progress, at most {MAX_IN_FLIGHT} are allowed."
                ),
                None,
            ));
        }
        if self.batches.len() >= MAX_BATCHES {
            let mut ended = self.batches.values().filter(|batch| batch.has_ended());
            let oldest = ended.next().map(|batch| batch.id().to_owned());
            if let Some(oldest) = oldest {
                self.batches.remove(&oldest);
            }
        }
        self.created += 1;
        let id = format!("batch-sandbox{:06}", self.created);
        let batch = Batch::new(id.clone(), about);
        Ok(self.batches.entry(id).or_insert(batch))
    }

    fn find(&mut self, id: &str) -> Result<&mut Batch, Refusal> {
        self.batches
            .get_mut(id)
            .ok_or_else(|| Refusal::not_found("batch", id))
    }
}
