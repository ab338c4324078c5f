//! `/batches`, <https://docs.voyageai.com/docs/batch-inference>.
//!
//! A batch takes one step each time that somebody looks at it, so that a program sees every status
//! and waits for none: `validating`, `in_progress`, `finalizing`, `completed`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::voyage::batch_line::{self, Done, Line};
use crate::voyage::fields::Fields;
use crate::voyage::files::now;
use crate::voyage::offers;
use crate::voyage::refusal::Refusal;
use crate::voyage::work::Endpoint;
use crate::voyage::{Counters, State};

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
/// The one window there is.
const WINDOW: &str = "12h";

/// All batches, by id.
#[derive(Debug, Default)]
pub(super) struct Batches {
    batches: BTreeMap<String, Arc<Mutex<Batch>>>,
    created: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Validating,
    InProgress,
    Finalizing,
    Completed,
    Failed,
    Cancelling,
    Cancelled,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }

    fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

#[derive(Debug)]
struct Batch {
    id: String,
    endpoint: Endpoint,
    path: String,
    model: String,
    params: Map<String, Value>,
    metadata: Value,
    input: Bytes,
    input_file_id: String,
    status: Status,
    lines: Vec<Line>,
    errors: Vec<Value>,
    total: usize,
    completed: usize,
    failed: usize,
    output_file_id: Option<String>,
    error_file_id: Option<String>,
    /// When each status began, under the vendor's name for it.
    times: BTreeMap<&'static str, i64>,
}

/// Which part of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<u64>,
    after: Option<String>,
}

/// Creates a batch; everything that can be is refused now.
pub(super) async fn create(state: &Arc<State>, mut fields: Fields) -> Result<Value, Refusal> {
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

    let batches: Vec<_> = all(state);
    let mut in_flight = 0;
    let mut ended = Vec::new();
    for batch in &batches {
        let batch = batch.lock().await;
        if batch.status.is_final() {
            ended.push(batch.id.clone());
        } else {
            in_flight += 1;
        }
    }
    if in_flight >= MAX_IN_FLIGHT {
        return Err(Refusal::throttled(
            format!(
                "You have {in_flight} batches in progress, at most {MAX_IN_FLIGHT} are allowed."
            ),
            None,
        ));
    }
    let mut batches = state.batches.lock();
    if batches.batches.len() >= MAX_BATCHES
        && let Some(oldest) = ended.first()
    {
        batches.batches.remove(oldest);
    }
    batches.created += 1;
    let mut batch = Batch {
        id: format!("batch-sandbox{:06}", batches.created),
        endpoint,
        path,
        model,
        params,
        metadata,
        input,
        input_file_id,
        status: Status::Validating,
        lines: Vec::new(),
        errors: Vec::new(),
        total: 0,
        completed: 0,
        failed: 0,
        output_file_id: None,
        error_file_id: None,
        times: BTreeMap::new(),
    };
    batch.times.insert("created_at", now());
    let described = batch.describe();
    batches
        .batches
        .insert(batch.id.clone(), Arc::new(Mutex::new(batch)));
    Ok(described)
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

/// Lists batches, the newest first; this is no look at them.
pub(super) async fn list(state: &Arc<State>, page: &Page) -> Result<Value, Refusal> {
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Refusal::invalid(format!(
            "limit must be from 1 to {MAX_PAGE}, got {limit}."
        )));
    }
    if let Some(after) = &page.after {
        find(state, after)?;
    }
    let mut data = Vec::new();
    let mut more = false;
    for batch in all(state).into_iter().rev() {
        let batch = batch.lock().await;
        if page.after.as_ref().is_some_and(|after| batch.id >= *after) {
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

/// Describes a batch, after it took a step.
pub(super) async fn look(state: &Arc<State>, id: &str) -> Result<Value, Refusal> {
    let batch = find(state, id)?;
    let mut batch = batch.lock().await;
    batch.step(state).await?;
    Ok(batch.describe())
}

/// Begins to cancel a batch.
pub(super) async fn cancel(state: &Arc<State>, id: &str) -> Result<Value, Refusal> {
    let batch = find(state, id)?;
    let mut batch = batch.lock().await;
    if batch.status.is_final() {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            format!(
                "Batch {id} is {} and cannot be cancelled.",
                batch.status.as_str()
            ),
        ));
    }
    batch.enter(Status::Cancelling, "cancelling_at");
    Ok(batch.describe())
}

fn all(state: &State) -> Vec<Arc<Mutex<Batch>>> {
    state.batches.lock().batches.values().cloned().collect()
}

fn find(state: &State, id: &str) -> Result<Arc<Mutex<Batch>>, Refusal> {
    let batches = state.batches.lock();
    batches
        .batches
        .get(id)
        .cloned()
        .ok_or_else(|| Refusal::not_found("batch", id))
}

impl Batch {
    /// Goes on by one status. Dropped on the way, the batch is as it was.
    async fn step(&mut self, state: &Arc<State>) -> Result<(), Refusal> {
        match self.status {
            Status::Validating => match batch_line::read(&self.input, self.endpoint) {
                Ok(lines) => {
                    self.total = lines.len();
                    self.lines = lines;
                    self.enter(Status::InProgress, "in_progress_at");
                }
                Err(errors) => {
                    self.errors = errors;
                    self.enter(Status::Failed, "failed_at");
                }
            },
            Status::InProgress => self.run(state).await?,
            Status::Finalizing => self.enter(Status::Completed, "completed_at"),
            Status::Cancelling => self.enter(Status::Cancelled, "cancelled_at"),
            Status::Completed | Status::Failed | Status::Cancelled => {}
        }
        Ok(())
    }

    async fn run(&mut self, state: &Arc<State>) -> Result<(), Refusal> {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let mut used = 0;
        for line in &self.lines {
            let done = line
                .clone()
                .run(self.endpoint, &self.params, &self.id, state);
            let (done, tokens) = done.await;
            used += tokens;
            match done {
                Done::Output(line) => output.push(line),
                Done::Error(line) => errors.push(line),
            }
        }
        self.completed = output.len();
        self.failed = errors.len();
        // The order of the output is no promise of the vendor's; this one surely is another.
        output.reverse();
        self.output_file_id = keep(state, &self.id, "output", &output)?;
        self.error_file_id = keep(state, &self.id, "errors", &errors)?;
        Counters::add(&state.counters.tokens, used);
        self.lines = Vec::new();
        self.enter(Status::Finalizing, "finalizing_at");
        Ok(())
    }

    fn enter(&mut self, status: Status, time: &'static str) {
        self.status = status;
        self.times.insert(time, now());
    }

    fn describe(&self) -> Value {
        let errors =
            (!self.errors.is_empty()).then(|| json!({"object": "list", "data": self.errors}));
        let mut described = json!({
            "id": self.id,
            "object": "batch",
            "endpoint": self.path,
            "model": self.model,
            "status": self.status.as_str(),
            "input_file_id": self.input_file_id,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "completion_window": WINDOW,
            "errors": errors,
            "request_counts": {
                "total": self.total,
                "completed": self.completed,
                "failed": self.failed,
            },
            "metadata": self.metadata,
        });
        if let Value::Object(fields) = &mut described {
            for (name, time) in &self.times {
                fields.insert((*name).to_owned(), json!(time));
            }
        }
        described
    }
}

/// Keeps the lines of a result, if there are any.
fn keep(
    state: &State,
    batch: &str,
    what: &str,
    lines: &[String],
) -> Result<Option<String>, Refusal> {
    if lines.is_empty() {
        return Ok(None);
    }
    let mut text = lines.join("\n");
    text.push('\n');
    let name = format!("{batch}_{what}.jsonl");
    state.files.lock().add(name, text.into()).map(Some)
}
