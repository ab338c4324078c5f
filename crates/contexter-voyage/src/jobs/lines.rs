//! The lines of a job's output.

use std::collections::BTreeMap;

use contexter_http::clean;
use contexter_model::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::Value;

use crate::jobs::{JobRequest, Work};

/// A line of the file of results or of the file of failures.
#[derive(Debug, Deserialize)]
struct Line {
    custom_id: String,
    #[serde(default)]
    response: Option<Response>,
    #[serde(default)]
    error: Option<LineError>,
}

#[derive(Debug, Deserialize)]
struct Response {
    #[serde(default)]
    status_code: Option<u16>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
struct LineError {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

pub(crate) type Outcomes<R> = BTreeMap<String, Result<R, Error>>;

/// Reads lines into `outcomes`, each by its id.
pub(crate) fn read<R: JobRequest>(
    work: &Work<R>,
    file: &[u8],
    outcomes: &mut Outcomes<R::Reply>,
) -> Result<(), Error> {
    let protocol = |message: String| Err(Error::new(ErrorKind::Protocol, message));
    for (number, bytes) in (1_usize..).zip(file.split(|byte| *byte == b'\n')) {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let Ok(line) = serde_json::from_slice::<Line>(bytes) else {
            return protocol(format!(
                "line {number} of the results is not the JSON expected"
            ));
        };
        let Some((id, request)) = work.lines().get_key_value(&line.custom_id) else {
            return protocol(format!(
                "line {number} of the results has an id that was not sent"
            ));
        };
        if outcomes.contains_key(id) {
            return protocol(format!("the results have the id {id:?} twice"));
        }
        let outcome = outcome(request, line);
        outcomes.insert(id.clone(), outcome);
    }
    Ok(())
}

fn outcome<R: JobRequest>(request: &R, line: Line) -> Result<R::Reply, Error> {
    if let Some(error) = line.error {
        let code = error.code.unwrap_or_default();
        let kind = match code.as_str() {
            "batch_expired" => ErrorKind::Timeout,
            "batch_cancelled" | "batch_canceled" => ErrorKind::Cancelled,
            _ => ErrorKind::Unexpected,
        };
        let said = error.message.unwrap_or_default();
        return Err(Error::new(kind, clean(&format!("{code}: {said}"))));
    }
    let response = line.response.ok_or_else(|| {
        Error::new(
            ErrorKind::Protocol,
            "a line has neither a response nor an error",
        )
    })?;
    match (response.status_code, response.body) {
        (Some(200) | None, Some(body)) => {
            let body = serde_json::to_vec(&body).map_err(|error| {
                Error::new(ErrorKind::Unexpected, "a line cannot be read").with_source(error)
            })?;
            request.read(&body)
        }
        (Some(200) | None, None) => Err(Error::new(
            ErrorKind::Protocol,
            "a line has a response without a body",
        )),
        (Some(status), body) => {
            let said = response.message.or_else(|| detail(body.as_ref()?));
            let said = clean(&said.unwrap_or_else(|| "it gave no reason".to_owned()));
            Err(Error::new(
                kind_of(status),
                format!("answered {status}: {said}"),
            ))
        }
    }
}

fn detail(body: &Value) -> Option<String> {
    body.get("detail")?.as_str().map(str::to_owned)
}

fn kind_of(status: u16) -> ErrorKind {
    match status {
        400 | 422 => ErrorKind::Invalid,
        401 | 403 => ErrorKind::Unauthorized,
        408 | 504 => ErrorKind::Timeout,
        410 => ErrorKind::Unsupported,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::RateLimited,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Unexpected,
    }
}
