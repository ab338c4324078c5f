//! An answer out of its envelope, and what all its layers say.

use bytes::Bytes;
use contexter_http::Reply;
use contexter_model::ErrorKind;
use serde::Deserialize;
use serde_json::Value;

use super::{Envelope, Unlock, lower_case};
use crate::judge::{Passed, judge};
use crate::lines::HeaderLines;
use crate::link::DEBUG;
use crate::refusal::{Class, Refusal, Retry};

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
    /// What `x-brd-debug` says, around the envelope or in it.
    pub(super) debug: String,
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
    let mut opened = if request.envelope == Envelope::Raw || plain.is_err() {
        Opened {
            judged: plain,
            headers: lower_case(&outer),
            body: reply.bytes().clone(),
            debug: debug_in(&outer),
        }
    } else {
        open_envelope(reply.status(), &outer, reply.bytes())?
    };
    opened.judged = match opened.judged {
        // No body is what was asked for.
        Err(refusal) if request.method == "HEAD" && refusal.class() == Class::Empty => {
            Ok(Passed::of(refusal.status(), refusal.billed()))
        }
        judged => judged,
    };
    Ok(opened)
}

/// Reads the envelope of `format: json`: the headers in it count as those around it do, and the status in
/// it stands in where no header tells the target's.
fn open_envelope(status: u16, outer: &[(&str, &str)], body: &[u8]) -> Result<Opened, String> {
    let envelope: WireEnvelope = serde_json::from_slice(body).map_err(|error| {
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
    let enclosed = envelope.status_code.to_string();
    let all: Vec<(&str, &str)> = outer
        .iter()
        .chain(&inner)
        .copied()
        .chain([("x-brd-status-code", enclosed.as_str())])
        .collect();
    let body = Bytes::from(envelope.body.unwrap_or_default());
    Ok(Opened {
        judged: judge(status, &all, &body),
        headers: lower_case(&inner),
        body,
        debug: debug_in(&all),
    })
}

fn debug_in(headers: &[(&str, &str)]) -> String {
    headers
        .iter()
        .find(|(name, value)| name.eq_ignore_ascii_case(DEBUG) && !value.trim().is_empty())
        .map_or_else(String::new, |(_, value)| (*value).to_owned())
}

/// As [`judge`], for an answer in the envelope of `format: json`: what is in it counts as what is around
/// it.
///
/// # Examples
///
/// ```
/// use contexter_brightdata::judge_envelope;
///
/// let blocked = br#"{"status_code":200,"headers":{"x-brd-error-code":"reject_block"},"body":"<html>"}"#;
/// let refusal = judge_envelope(200, &[], blocked).unwrap_err();
/// assert_eq!(refusal.code(), Some("reject_block"));
/// let page = br#"{"status_code":404,"headers":{},"body":"not here"}"#;
/// assert_eq!(judge_envelope(200, &[], page).unwrap().status, 404);
/// ```
///
/// # Errors
///
/// As [`judge`]; a refusal of the kind [`ErrorKind::Protocol`] for what is no envelope.
pub fn judge_envelope(
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Passed, Refusal> {
    judge(status, headers, body)?;
    match open_envelope(status, headers, body) {
        Ok(opened) => opened.judged,
        Err(problem) => Err(Refusal::of_status(status)
            .with_class(Class::Vendor)
            .with_kind(ErrorKind::Protocol)
            .with_retry(Retry::Never)
            .with_meaning(problem)),
    }
}
