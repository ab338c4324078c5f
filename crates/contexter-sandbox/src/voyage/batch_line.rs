//! The lines of a batch's files.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::voyage::State;
use crate::voyage::fields::Fields;
use crate::voyage::refusal::Refusal;
use crate::voyage::work::{Endpoint, Work};

/// How many inputs a batch holds at most.
pub(super) const MAX_LINES: usize = 100_000;

/// One request of a batch.
#[derive(Clone, Debug)]
pub(super) struct Line {
    custom_id: String,
    body: Map<String, Value>,
}

/// What one line came to, as a line of the output or the error file.
#[derive(Debug)]
pub(super) enum Done {
    Output(String),
    Error(String),
}

/// Reads all lines; what is wrong is returned for each of them.
pub(super) fn read(bytes: &[u8], endpoint: Endpoint) -> Result<Vec<Line>, Vec<Value>> {
    let mut lines = Vec::new();
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    let filled = bytes
        .split(|byte| *byte == b'\n')
        .zip(1_usize..)
        .filter(|(line, _)| !line.trim_ascii().is_empty());
    for (text, number) in filled {
        if lines.len() == MAX_LINES {
            let message = format!("a batch holds at most {MAX_LINES} lines");
            faults.push(fault("too_many_lines", number, &message));
            break;
        }
        match read_line(text, endpoint) {
            Ok(line) if ids.insert(line.custom_id.clone()) => lines.push(line),
            Ok(line) => {
                let message = format!("custom_id '{}' is there twice", line.custom_id);
                faults.push(fault("duplicate_custom_id", number, &message));
            }
            Err((code, message)) => faults.push(fault(code, number, &message)),
        }
    }
    if lines.is_empty() && faults.is_empty() {
        faults.push(fault("empty_file", 0, "the input file holds no line"));
    }
    if faults.is_empty() {
        Ok(lines)
    } else {
        Err(faults)
    }
}

fn fault(code: &str, line: usize, message: &str) -> Value {
    json!({"code": code, "line": line, "message": message, "param": null})
}

fn read_line(text: &[u8], endpoint: Endpoint) -> Result<Line, (&'static str, String)> {
    let invalid = |message: &str| ("invalid_request", message.to_owned());
    let line: Map<String, Value> = serde_json::from_slice(text)
        .map_err(|_unread| ("invalid_json_line", "the line is no JSON object".to_owned()))?;
    let mut line = line;
    let Some(Value::String(custom_id)) = line.remove("custom_id") else {
        return Err(invalid("custom_id is missing or no string"));
    };
    let Some(Value::Object(body)) = line.remove("body") else {
        return Err(invalid("body is missing or no object"));
    };
    let data: &[&str] = match endpoint {
        Endpoint::Embeddings => &["input"],
        Endpoint::Contextualized | Endpoint::Multimodal => &["inputs"],
        Endpoint::Rerank => &["query", "documents"],
    };
    if let Some(other) = body.keys().find(|key| !data.contains(&key.as_str())) {
        let message = format!("body holds '{other}', which belongs into request_params");
        return Err(invalid(&message));
    }
    Ok(Line { custom_id, body })
}

impl Line {
    /// Does what the line asks for; returns its tokens as well.
    pub(super) async fn run(
        self,
        endpoint: Endpoint,
        params: &Map<String, Value>,
        batch_id: &str,
        state: &Arc<State>,
    ) -> (Done, u64) {
        let mut fields = params.clone();
        fields.extend(self.body);
        let outcome = match Work::check(endpoint, Fields::of(fields), &state.config) {
            Ok(work) => {
                let tokens = work.tokens;
                work.run(state).await.map(|reply| (reply, tokens))
            }
            Err(refusal) => Err(refusal),
        };
        let custom_id = self.custom_id;
        match outcome {
            Ok((reply, tokens)) => {
                // What we wrote ourselves can be read again.
                let body: Value = serde_json::from_slice(&reply).unwrap_or_default();
                let response = json!({"status_code": 200, "body": body});
                let line = written(batch_id, &custom_id, &response);
                (Done::Output(line), tokens)
            }
            Err(refusal) => (
                Done::Error(written(batch_id, &custom_id, &failure(&refusal))),
                0,
            ),
        }
    }
}

fn failure(refusal: &Refusal) -> Value {
    json!({"status_code": refusal.status.as_u16(), "message": refusal.message()})
}

fn written(batch_id: &str, custom_id: &str, response: &Value) -> String {
    json!({
        "batch_id": batch_id,
        "custom_id": custom_id,
        "response": response,
        "error": null,
    })
    .to_string()
}
