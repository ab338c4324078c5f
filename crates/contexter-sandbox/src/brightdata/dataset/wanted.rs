//! What a job is to collect.

use std::collections::BTreeMap;

use axum::response::Response;
use serde_json::{Value, json};
use url::Url;

use super::super::rest::{json_reply, text};
use super::records::discovered;

/// What is to be collected.
pub(super) struct Wanted {
    pub(super) dataset: String,
    pub(super) inputs: Vec<Value>,
    /// Whether inputs that fail become records too.
    pub(super) errors: bool,
    /// Which fields a record is to have; all if none is named.
    pub(super) fields: Vec<String>,
}

impl Wanted {
    /// Reads what is to be collected, and refuses it in the vendor's words.
    pub(super) fn read(
        params: &BTreeMap<String, String>,
        body: &[u8],
    ) -> Result<Self, Box<Response>> {
        let Some(dataset) = params.get("dataset_id") else {
            return refused(404, "Collector not found");
        };
        if !dataset.starts_with("gd_") {
            return refused(404, "dataset does not exist");
        }
        hooked(params)?;
        let fields = params.get("custom_output_fields");
        let fields = fields.map_or("", String::as_str).split('|');
        Ok(Self {
            dataset: dataset.clone(),
            inputs: inputs(params, body)?,
            errors: params
                .get("include_errors")
                .is_some_and(|value| value == "true"),
            fields: fields
                .filter(|field| !field.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }
}

fn refused<T>(status: u16, words: &str) -> Result<T, Box<Response>> {
    Err(Box::new(text(status, words)))
}

/// Refuses what asks for a webhook: a client that waits for one here would wait for ever.
fn hooked(params: &BTreeMap<String, String>) -> Result<(), Box<Response>> {
    for name in ["notify", "endpoint", "auth_header"] {
        // The vendor's clients say `notify=false`.
        if params
            .get(name)
            .is_some_and(|value| !matches!(value.as_str(), "" | "false"))
        {
            return refused(
                400,
                &format!(
                    "{name} is not offered: the sandbox delivers no webhooks, ask \
                     /datasets/v3/progress for the snapshot until it is ready"
                ),
            );
        }
    }
    Ok(())
}

fn inputs(params: &BTreeMap<String, String>, body: &[u8]) -> Result<Vec<Value>, Box<Response>> {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return refused(400, "No data to trigger");
    };
    // The vendor's clients send the limit of each input as an option, or beside the inputs.
    let mut per_input = params.get("limit_per_input").cloned();
    let inputs = match body {
        Value::Array(inputs) => inputs,
        Value::Object(mut object) => {
            per_input = per_input.or_else(|| object.get("limit_per_input").map(Value::to_string));
            match object.remove("input") {
                Some(Value::Array(inputs)) => inputs,
                _ => return refused(400, "No data to trigger"),
            }
        }
        _ => return refused(400, "No data to trigger"),
    };
    if inputs.is_empty() {
        return refused(400, "No data to trigger");
    }
    if params
        .get("type")
        .is_some_and(|kind| kind == "discover_new")
    {
        let limit = |name: &str, given: Option<&String>| match given.map(|given| given.parse()) {
            None => Ok(usize::MAX),
            Some(Ok(limit @ 1..)) => Ok(limit),
            Some(_) => refused(400, &format!("{name} must be a number above 0")),
        };
        let per_input = limit("limit_per_input", per_input.as_ref())?;
        let all = params.get("limit_multiple_results");
        let all = limit("limit_multiple_results", all)?;
        return Ok(discovered(&inputs, per_input, all));
    }
    let is_good = |input: &Value| {
        input["url"]
            .as_str()
            .is_some_and(|url| Url::parse(url).is_ok())
    };
    if !inputs.iter().all(is_good) {
        return Err(Box::new(json_reply(
            400,
            &json!({
                "error": "Invalid input provided",
                "code": "validation_error",
                "errors": [["url", "This input should be a valid URL"]],
            }),
        )));
    }
    Ok(inputs)
}
