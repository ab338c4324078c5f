//! The lines of a job's output.

use bytes::{Bytes, BytesMut};
use contexter_http::{Incoming, Secrets};
use contexter_model::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::{self, mentions_tokens};
use crate::jobs::{JobRequest, Work};
use crate::limits::MAX_LINE_BYTES;

/// A file of lines as it arrives. It holds one line, and what arrived with it.
#[derive(Debug)]
pub(crate) struct Lines {
    file: Incoming,
    arrived: BytesMut,
    /// How many lines were taken.
    number: u64,
}

impl Lines {
    pub(crate) fn new(file: Incoming) -> Self {
        Self {
            file,
            arrived: BytesMut::new(),
            number: 0,
        }
    }

    /// Takes the next line that is not blank after the first `behind` lines, with its number.
    pub(crate) async fn next(&mut self, behind: u64) -> Result<Option<(u64, Bytes)>, Error> {
        while let Some(line) = self.any().await? {
            self.number = self.number.saturating_add(1);
            if self.number > behind && !line.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some((self.number, line)));
            }
        }
        Ok(None)
    }

    async fn any(&mut self) -> Result<Option<Bytes>, Error> {
        let mut searched = 0;
        loop {
            let new = self.arrived.get(searched..).unwrap_or_default();
            if let Some(end) = new.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.arrived.split_to(searched + end + 1).freeze()));
            }
            searched = self.arrived.len();
            if searched > MAX_LINE_BYTES {
                let number = self.number.saturating_add(1);
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    format!("line {number} of the results has more than {MAX_LINE_BYTES} bytes"),
                ));
            }
            match self.file.chunk().await? {
                Some(chunk) => self.arrived.extend_from_slice(&chunk),
                None if self.arrived.is_empty() => return Ok(None),
                None => return Ok(Some(self.arrived.split().freeze())),
            }
        }
    }
}

/// A line of the file of results or of the file of failures.
#[derive(Debug, Deserialize)]
struct Line<'a> {
    custom_id: String,
    #[serde(borrow, default)]
    response: Option<Response<'a>>,
    #[serde(default)]
    error: Option<LineError>,
}

#[derive(Debug, Deserialize)]
struct Response<'a> {
    #[serde(default)]
    status_code: Option<u16>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    #[serde(default)]
    message: Option<String>,
}

/// Of whatever shape: one odd line must not cost all others.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum LineError {
    Coded {
        #[serde(default)]
        code: Option<String>,
        #[serde(default)]
        message: Option<String>,
    },
    Text(String),
    Other(serde::de::IgnoredAny),
}

/// What became of one line of a job, under its id.
pub(crate) type Outcome<'a, R> = (&'a str, Result<R, Error>);

/// Reads one line of a file of results or failures.
pub(crate) fn read<'a, R: JobRequest>(
    work: &'a Work<R>,
    number: u64,
    line: &[u8],
    secrets: &Secrets,
) -> Result<Outcome<'a, R::Reply>, Error> {
    let protocol = |what: &str| {
        let message = format!("line {number} of the results {what}");
        Error::new(ErrorKind::Protocol, message)
    };
    // The parser's own words repeat values.
    let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else {
        return Err(protocol("is not the JSON expected"));
    };
    let (id, request) = work
        .lines()
        .get_key_value(&line.custom_id)
        .ok_or_else(|| protocol("has an id that was not sent"))?;
    Ok((id, outcome(request, line, secrets)))
}

fn outcome<R: JobRequest>(
    request: &R,
    line: Line<'_>,
    secrets: &Secrets,
) -> Result<R::Reply, Error> {
    if let Some(error) = line.error {
        let (code, said) = match error {
            LineError::Coded { code, message } => (code, message),
            LineError::Text(text) => (None, Some(text)),
            LineError::Other(_) => (None, None),
        };
        let kind = match code.as_deref() {
            Some("batch_expired") => ErrorKind::Timeout,
            Some("batch_cancelled" | "batch_canceled") => ErrorKind::Cancelled,
            _ => ErrorKind::Unexpected,
        };
        let said: Vec<String> = [code, said].into_iter().flatten().collect();
        return Err(Error::new(kind, told(Some(said.join(": ")), secrets)));
    }
    let response = line.response.ok_or_else(|| {
        Error::new(
            ErrorKind::Protocol,
            "a line has neither a response nor an error",
        )
    })?;
    match (response.status_code, response.body) {
        (Some(200..300) | None, Some(body)) => request.read(body.get().as_bytes()),
        (Some(200..300) | None, None) => Err(Error::new(
            ErrorKind::Protocol,
            "a line has a response without a body",
        )),
        (Some(status), body) => {
            let said = told(response.message.or_else(|| detail(body?)), secrets);
            let kind = match kind_of(status) {
                ErrorKind::Invalid if mentions_tokens(&said) => ErrorKind::TooLarge,
                kind => kind,
            };
            Err(Error::new(kind, format!("answered {status}: {said}")))
        }
    }
}

/// What the vendor said, in one line and without what looks like a key.
pub(crate) fn told(said: Option<String>, secrets: &Secrets) -> String {
    said.map(|said| failure::told(&said, secrets))
        .filter(|said| !said.is_empty())
        .unwrap_or_else(|| "it gave no reason".to_owned())
}

fn detail(body: &RawValue) -> Option<String> {
    let body: Value = serde_json::from_str(body.get()).ok()?;
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
