//! The lines of a batch's files.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::voyage::State;
use crate::voyage::fields::Fields;
use crate::voyage::refusal::Refusal;
use crate::voyage::work::{Endpoint, Work};

/// How many inputs a batch holds at most.
const MAX_LINES: usize = 100_000;
/// How many faults of a file are told.
const MAX_FAULTS: usize = 100;
/// How many characters of an id or a name are repeated in a fault.
const SHOWN: usize = 64;

/// One request of a batch.
#[derive(Debug)]
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

/// Reads all lines and returns how many there are, or what is wrong with the first that are wrong.
pub(super) fn check(bytes: &[u8], endpoint: Endpoint) -> Result<usize, Vec<Value>> {
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    let filled = bytes
        .split(|byte| *byte == b'\n')
        .zip(1_usize..)
        .filter(|(text, _)| is_filled(text));
    for (text, number) in filled {
        if ids.len() + faults.len() >= MAX_LINES {
            let message = format!("a batch holds at most {MAX_LINES} lines");
            faults.push(fault("too_many_lines", Some(number), &message));
            break;
        }
        match read_line(text, endpoint) {
            Ok(line) if ids.contains(&line.custom_id) => {
                let message = format!("custom_id '{}' is there twice", shown(&line.custom_id));
                faults.push(fault("duplicate_custom_id", Some(number), &message));
            }
            Ok(line) => {
                ids.insert(line.custom_id);
            }
            Err((code, message)) => faults.push(fault(code, Some(number), &message)),
        }
        if faults.len() >= MAX_FAULTS {
            break;
        }
    }
    if ids.is_empty() && faults.is_empty() {
        faults.push(fault("empty_file", Some(0), "the input file holds no line"));
    }
    if faults.is_empty() {
        Ok(ids.len())
    } else {
        Err(faults)
    }
}

/// Iterates over the lines of a file that was checked, from the last to the first: the order of the
/// results is no promise of the vendor's, and this one surely is another.
pub(super) fn backwards(bytes: &[u8], endpoint: Endpoint) -> impl Iterator<Item = Line> {
    bytes
        .rsplit(|byte| *byte == b'\n')
        .filter(|text| is_filled(text))
        .filter_map(move |text| read_line(text, endpoint).ok())
}

fn is_filled(text: &[u8]) -> bool {
    !text.trim_ascii().is_empty()
}

/// Says what is wrong with a line of the input, or with the batch.
pub(super) fn fault(code: &str, line: Option<usize>, message: &str) -> Value {
    json!({"code": code, "line": line, "message": message, "param": null})
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
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
        let other = shown(other);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> String {
        let line =
            |number| format!("{{\"custom_id\":\"{number}\",\"body\":{{\"input\":\"a\"}}}}\n");
        (0..count).map(line).collect()
    }

    #[test]
    fn a_file_is_read_to_the_last_line_that_is_allowed() {
        let mut text = lines(MAX_LINES);
        let checked = check(text.as_bytes(), Endpoint::Embeddings);
        assert_eq!(checked, Ok(MAX_LINES));
        text.push_str(&"no json\n".repeat(3));
        let faults = check(text.as_bytes(), Endpoint::Embeddings).unwrap_err();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0]["code"], "too_many_lines");
        assert_eq!(faults[0]["line"], MAX_LINES + 1);
    }

    #[test]
    fn lines_come_from_the_last_to_the_first() {
        let text = lines(3).replace('\n', "\n\n");
        let ids: Vec<String> = backwards(text.as_bytes(), Endpoint::Embeddings)
            .map(|line| line.custom_id)
            .collect();
        assert_eq!(ids, ["2", "1", "0"]);
    }
}
