//! The bodies of the data set interface.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Serialize)]
pub(crate) struct WireInputs<'a> {
    pub(crate) input: &'a [Value],
}

#[derive(Deserialize)]
pub(crate) struct WireSnapshot {
    pub(crate) snapshot_id: String,
}

#[derive(Deserialize)]
pub(crate) struct WireProgress {
    pub(crate) status: String,
    #[serde(default)]
    error_message: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    pub(crate) records: Option<u64>,
}

impl WireProgress {
    /// Returns why a job has failed: some answers say it by another name, and one may have both.
    pub(crate) fn why(&self) -> Option<&str> {
        [&self.error_message, &self.error]
            .into_iter()
            .flatten()
            .find_map(Value::as_str)
    }
}

/// The number of parts: a number, or an object or list that tells it.
pub(crate) fn parts_of(value: &Value) -> Option<u32> {
    let number = match value {
        Value::Number(number) => number.as_u64()?,
        Value::Array(parts) => u64::try_from(parts.len()).ok()?,
        Value::Object(object) => return object.get("parts").and_then(parts_of),
        _ => return None,
    };
    u32::try_from(number).ok()
}

/// A body that says that a snapshot is not ready: an object with `status` and `message`, whatever the
/// status of the answer is. Returns both.
pub(crate) fn not_ready(body: &[u8]) -> Option<(String, String)> {
    if body.len() > LONGEST_WORD {
        return None;
    }
    let object: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let status = object.get("status")?.as_str()?;
    let message = object.get("message")?.as_str()?;
    // Records come in a list, or have more to say than these.
    let known = ["status", "message", "snapshot_id", "dataset_id", "progress"];
    object
        .keys()
        .all(|key| known.contains(&key.as_str()))
        .then(|| (status.to_owned(), message.to_owned()))
}

/// A longer body is no word about a job, in bytes; records are not read to find that out.
const LONGEST_WORD: usize = 64 << 10;
