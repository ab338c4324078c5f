//! An answer out of its envelope, and what all its layers say.

use bytes::Bytes;
use contexter_http::Reply;
use serde::Deserialize;
use serde_json::Value;

use super::{Envelope, Unlock, lower_case};
use crate::judge::{Passed, judge};
use crate::lines::HeaderLines;
use crate::refusal::{Class, Refusal};

#[derive(Deserialize)]
struct WireEnvelope {
    status_code: u16,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
    #[serde(default)]
    body: Option<String>,
}

pub(super) struct Opened {
    pub(super) judged: Result<Passed, Refusal>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

pub(super) fn judge_reply(reply: &Reply) -> Result<Passed, Refusal> {
    let lines = HeaderLines::of(reply);
    judge(reply.status(), &lines.pairs(), reply.bytes())
}

/// Takes the answer out of its envelope, and judges it by all its layers.
pub(super) fn open(reply: &Reply, request: &Unlock) -> Result<Opened, String> {
    let lines = HeaderLines::of(reply);
    let outer = lines.pairs();
    let plain = judge(reply.status(), &outer, reply.bytes());
    if request.envelope == Envelope::Raw || plain.is_err() {
        let judged = match plain {
            // No body is what was asked for.
            Err(refusal) if request.method == "HEAD" && refusal.class() == Class::Empty => {
                Ok(Passed::of(refusal.status(), refusal.billed()))
            }
            judged => judged,
        };
        return Ok(Opened {
            judged,
            headers: lower_case(&outer),
            body: reply.bytes().clone(),
        });
    }
    let envelope: WireEnvelope = serde_json::from_slice(reply.bytes()).map_err(|error| {
        format!(
            "the envelope is not the json expected, at line {} column {}",
            error.line(),
            error.column()
        )
    })?;
    if !(100..1000).contains(&envelope.status_code) {
        return Err(format!(
            "the envelope has status_code {}, which is no status",
            envelope.status_code
        ));
    }
    let inner: Vec<(&str, &str)> = envelope
        .headers
        .iter()
        .flat_map(|(name, value)| {
            let values = match value {
                Value::String(value) => vec![value.as_str()],
                Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            values.into_iter().map(|value| (name.as_str(), value))
        })
        .collect();
    let status = envelope.status_code.to_string();
    // The status of the envelope stands in where no header tells the target's.
    let all: Vec<(&str, &str)> = outer
        .iter()
        .chain(&inner)
        .copied()
        .chain([("x-brd-status-code", status.as_str())])
        .collect();
    let body = Bytes::from(envelope.body.unwrap_or_default());
    let judged = match judge(reply.status(), &all, &body) {
        Err(refusal) if request.method == "HEAD" && refusal.class() == Class::Empty => {
            Ok(Passed::of(refusal.status(), refusal.billed()))
        }
        judged => judged,
    };
    Ok(Opened {
        judged,
        headers: lower_case(&inner),
        body,
    })
}
