//! Messages that the client library cannot take: what it refuses in the headers of one message ends
//! the connection for all.
//!
//! They are fetched through the server's interface instead, as text within an answer.

use std::str::FromStr;

use async_nats::HeaderName;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::RawMessage;
use serde::Deserialize;
use tokio::time::Instant;

use crate::error::unexpected;
use crate::transport::Inner;

/// What headers begin with on the wire.
const VERSION: &str = "NATS/1.0";

#[derive(Debug, Deserialize)]
struct Answer {
    message: Encoded,
}

#[derive(Debug, Deserialize)]
struct Encoded {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

/// A message as the server has stored it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) sequence: u64,
    headers: Vec<u8>,
    body: Vec<u8>,
}

impl Stored {
    fn decode(answer: Answer) -> Result<Self, TransportError> {
        let decode = |text: String| {
            STANDARD
                .decode(text)
                .map_err(|error| unexpected("stored message is not base64").with_source(error))
        };
        let Encoded {
            subject,
            seq,
            hdrs,
            data,
        } = answer.message;
        Ok(Self {
            subject,
            sequence: seq,
            headers: decode(hdrs)?,
            body: decode(data)?,
        })
    }

    /// Returns why the client library cannot take it; none if it can.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if self.headers.is_empty() {
            return None;
        }
        fault(&self.headers)
    }

    /// The message byte by byte; what is no text in the name of a header is replaced.
    pub(crate) fn into_raw(self) -> RawMessage {
        let mut lines = self.headers.split(|byte| *byte == b'\n');
        // The first one is the version.
        lines.next();
        let pairs = lines.filter_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                return None;
            }
            let at = line.iter().position(|byte| *byte == b':');
            let (name, value) = line.split_at(at.unwrap_or(line.len()));
            let value = value.strip_prefix(b":").unwrap_or(value);
            let name = String::from_utf8_lossy(name).into_owned();
            Some((name, value.trim_ascii().to_vec()))
        });
        RawMessage::new(pairs.collect(), self.body)
    }
}

/// Looks at headers as the client library does.
fn fault(headers: &[u8]) -> Option<&'static str> {
    let Ok(text) = std::str::from_utf8(headers) else {
        return Some("headers are not utf-8");
    };
    let mut lines = text.lines().peekable();
    let Some(rest) = lines.next().and_then(|line| line.strip_prefix(VERSION)) else {
        return Some("headers of an unknown version");
    };
    let status = rest.trim().split(' ').next().unwrap_or_default();
    if !status.is_empty() && status.parse::<async_nats::StatusCode>().is_err() {
        return Some("headers with a status that is no number");
    }
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return Some("a header without a colon");
        };
        if HeaderName::from_str(name).is_err() {
            return Some("a header name that is not printable ascii");
        }
        let mut value = value.trim_start().to_owned();
        // What begins with space goes on with the value before.
        while let Some(more) = lines.next_if(|line| line.starts_with(char::is_whitespace)) {
            value.push_str(more);
        }
        if value.trim_end().contains('\r') {
            return Some("a header value with a carriage return");
        }
    }
    None
}

impl Inner {
    /// Fetches the first message of a stream, from a sequence on, whose subject the filter matches;
    /// none if there is none.
    pub(crate) async fn next_stored(
        &self,
        stream: &str,
        filter: &str,
        from: u64,
        deadline: Instant,
    ) -> Result<Option<Stored>, TransportError> {
        let question = serde_json::json!({ "seq": from, "next_by_subj": filter });
        self.get_stored(stream, &question, deadline).await
    }

    /// Fetches one message of a stream; none if it is not there.
    pub(crate) async fn stored(
        &self,
        stream: &str,
        sequence: u64,
        deadline: Instant,
    ) -> Result<Option<Stored>, TransportError> {
        let question = serde_json::json!({ "seq": sequence });
        self.get_stored(stream, &question, deadline).await
    }

    async fn get_stored(
        &self,
        stream: &str,
        question: &serde_json::Value,
        deadline: Instant,
    ) -> Result<Option<Stored>, TransportError> {
        let subject = format!("STREAM.MSG.GET.{stream}");
        let answer: Answer = match self.link.ask(&subject, question, deadline).await {
            Ok(answer) => answer,
            Err(failed) if failed.is_not_found() => return Ok(None),
            Err(failed) => return Err(failed.into()),
        };
        Stored::decode(answer).map(Some)
    }
}

/// For the fuzz target: reads an answer of the server, and returns what is wrong with the message in
/// it and the message as it is; none if it is no answer.
#[cfg(feature = "fuzzing")]
#[must_use]
pub fn read_stored(answer: &[u8]) -> Option<(Option<&'static str>, RawMessage)> {
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let stored = Stored::decode(answer).ok()?;
    Some((stored.fault(), stored.into_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_refuses_is_told_apart() {
        for good in [
            "NATS/1.0\r\n\r\n",
            "NATS/1.0\r\na: b\r\nce-subject:x\r\n\r\n",
            "NATS/1.0\r\na: b\r\n goes on\r\n\tand on\r\n\r\n",
            "NATS/1.0\r\na: b\r\u{b}\r\n\r\n",
            "NATS/1.0 503\r\n\r\n",
        ] {
            assert_eq!(fault(good.as_bytes()), None, "{good:?}");
        }
        for bad in [
            &b"NATS/1.0\r\na: \xff\r\n\r\n"[..],
            b"NATS/1.0\r\ngr\xc3\xb6\xc3\x9fe: 7\r\n\r\n",
            b"NATS/1.0\r\nno colon\r\n\r\n",
            b"NATS/1.0\r\na b: 7\r\n\r\n",
            b"NATS/1.0\r\na: b\rc\r\n\r\n",
            b"NATS/1.0\r\na: b\r\n c\rd\r\n\r\n",
            b"NATS/1.0\r\na: b\r\r\n c\r\n\r\n",
            b"NATS/1.0\r\n a: b\r\n\r\n",
            b"NATS/1.0\r\na: b\r\n\r\n goes: on\r\n\r\n",
            b"NATS/2.0\r\na: b\r\n\r\n",
            b"NATS/1.0 many\r\n\r\n",
        ] {
            assert!(fault(bad).is_some(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn every_byte_is_kept() {
        let stored = Stored {
            subject: "a".to_owned(),
            sequence: 1,
            headers: b"NATS/1.0\r\na: \xff\xfe\r\ngr\xc3\xb6\xc3\x9fe:7\r\nnone\r\n\r\n".to_vec(),
            body: vec![0, 255],
        };
        let raw = stored.into_raw();
        let headers = [("a", &b"\xff\xfe"[..]), ("größe", b"7"), ("none", b"")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_vec()));
        assert_eq!(raw, RawMessage::new(headers.to_vec(), vec![0, 255]));
    }
}
