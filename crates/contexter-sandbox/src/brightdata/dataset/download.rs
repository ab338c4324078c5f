//! Snapshots as they are downloaded: whole, or in parts.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde_json::json;

use super::super::rest::{Params, Shared, json_reply, reply, text};
use super::Snapshot;
use super::formats::{Format, MIN_BATCH, gzip, part};

pub(super) async fn snapshot(
    State(office): Shared,
    Path(id): Path<String>,
    Query(params): Params,
) -> Response {
    let job = match office.snapshot(&id) {
        Ok(job) => job,
        Err(refused) => return *refused,
    };
    if let Some(refused) = unready(&job) {
        return refused;
    }
    match written(&params, &job) {
        Ok(reply) => reply,
        Err(words) => text(400, words),
    }
}

fn written(params: &BTreeMap<String, String>, job: &Snapshot) -> Result<Response, &'static str> {
    let records = part(params, &job.records)?;
    let format = Format::read(params.get("format"))?;
    // The columns are those of the whole snapshot, so that all parts have the same.
    let body = format.write(records, &job.records);
    let compress = params.get("compress").is_some_and(|value| value == "true");
    let (content_type, body) = if compress {
        match gzip(body.as_bytes()) {
            Ok(body) => ("application/gzip", body),
            Err(_io) => return Ok(text(500, "Cannot compress")),
        }
    } else {
        (format.content_type(), body.into_bytes())
    };
    Ok(reply(200, content_type, body))
}

/// Says why a snapshot cannot be had: not yet, or never.
fn unready(job: &Snapshot) -> Option<Response> {
    match job.status() {
        "ready" => None,
        "failed" | "cancelled" => Some(text(400, "Snapshot is empty")),
        _ => Some(json_reply(
            202,
            &json!({ "status": "building", "message": "Snapshot is building, try again in 10s" }),
        )),
    }
}

pub(super) async fn parts(
    State(office): Shared,
    Path(id): Path<String>,
    Query(params): Params,
) -> Response {
    match office.snapshot(&id) {
        Ok(job) => {
            if let Some(refused) = unready(&job) {
                return refused;
            }
            let batch_size = params.get("batch_size").and_then(|size| size.parse().ok());
            let batch_size: usize = batch_size.unwrap_or(MIN_BATCH).max(MIN_BATCH);
            json_reply(
                200,
                &json!({ "parts": job.records.len().div_ceil(batch_size) }),
            )
        }
        Err(refused) => *refused,
    }
}

/// There is no storage to push a snapshot to.
pub(super) async fn deliver(State(office): Shared, Path(id): Path<String>) -> Response {
    match office.snapshot(&id) {
        Ok(_) => text(
            400,
            "the sandbox delivers snapshots to no storage, download /datasets/v3/snapshot",
        ),
        Err(refused) => *refused,
    }
}

/// None was ever begun.
pub(super) async fn delivery() -> Response {
    text(
        400,
        "the sandbox delivers snapshots to no storage, so that there is no delivery",
    )
}
