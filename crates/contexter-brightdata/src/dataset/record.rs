//! The records of a snapshot.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use serde::Serialize;
use serde_json::{Map, Value};

/// The records of a snapshot or of a part of it, in the vendor's order.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Records {
    /// What was collected, failed inputs included.
    pub records: Vec<DatasetRecord>,
}

impl Records {
    /// Returns what was collected, without the failed inputs.
    pub fn good(&self) -> impl Iterator<Item = &DatasetRecord> {
        self.records.iter().filter(|record| record.error.is_none())
    }

    /// Returns the failed inputs, which are not billed.
    pub fn failed(&self) -> impl Iterator<Item = &DatasetRecord> {
        self.records.iter().filter(|record| record.error.is_some())
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DatasetRecord {
    /// All fields as they came.
    pub fields: Map<String, Value>,
    /// Why the input gave nothing; such a record is not billed.
    pub error: Option<RecordError>,
    /// What the vendor warns of in a record that it delivered.
    pub warning: Option<String>,
}

/// Why an input gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RecordError {
    /// The vendor's code, such as `dead_page`, `bad_input`, `blocked`, `crawl_error`, `parse_error`.
    pub code: Option<String>,
    /// The vendor's words.
    pub message: String,
}

impl DatasetRecord {
    pub(super) fn new(fields: Map<String, Value>) -> Self {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        // A field called `error` may be data; with a code it is not, and neither is one beside `input`.
        let code = text("error_code");
        let error = text("error")
            .filter(|_| code.is_some() || fields.contains_key("input"))
            .or_else(|| code.clone())
            .map(|message| RecordError { code, message });
        let warning = text("warning").or_else(|| text("warning_code"));
        Self {
            fields,
            error,
            warning,
        }
    }
}

/// Reads the records of a snapshot: a JSON list or one JSON object a line, compressed or not.
///
/// # Examples
///
/// ```
/// use contexter_brightdata::read_records;
///
/// let list = read_records(br#"[{"id": 1}, {"input": {}, "error": "gone", "error_code": "dead_page"}]"#, 1024)?;
/// assert_eq!((list.good().count(), list.failed().count()), (1, 1));
/// assert_eq!(read_records(b"{\"id\": 1}\n{\"id\": 2}\n", 1024)?.records.len(), 2);
/// # Ok::<(), contexter_brightdata::UnreadableRecords>(())
/// ```
///
/// # Errors
///
/// What is wrong; also if the records have more than `limit` bytes when they are decompressed.
pub fn read_records(body: &[u8], limit: u64) -> Result<Records, UnreadableRecords> {
    Ok(match read_content(body, limit)? {
        Content::Records(records) => records,
        Content::Object(fields) => Records {
            records: vec![DatasetRecord::new(fields)],
        },
    })
}

/// What a body holds where records are expected.
#[derive(Debug)]
pub(super) enum Content {
    /// A list, or any number of lines but one.
    Records(Records),
    /// One object that is in no list: a record in a line of its own, or a word about the job.
    Object(Map<String, Value>),
}

/// Reads what a body holds, as [`read_records`] does.
pub(super) fn read_content(body: &[u8], limit: u64) -> Result<Content, UnreadableRecords> {
    if body.is_empty() {
        return Err(UnreadableRecords::Nothing);
    }
    let inflated;
    let body = if body.starts_with(GZIP) {
        inflated = inflate(body, limit)?;
        inflated.as_slice()
    } else {
        body
    };
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let malformed = |error: &serde_json::Error, line: usize| UnreadableRecords::Malformed {
        line: line.saturating_add(error.line()),
        column: error.column(),
    };
    let objects: Vec<Map<String, Value>> = if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice(body).map_err(|error| malformed(&error, 0))?
    } else if let Ok(object) = serde_json::from_slice(body) {
        // On however many lines it stands.
        return Ok(Content::Object(object));
    } else {
        body.split(|byte| *byte == b'\n')
            .enumerate()
            .filter(|(_, line)| !line.trim_ascii().is_empty())
            .map(|(number, line)| {
                serde_json::from_slice(line).map_err(|error| malformed(&error, number))
            })
            .collect::<Result<_, _>>()?
    };
    Ok(Content::Records(Records {
        records: objects.into_iter().map(DatasetRecord::new).collect(),
    }))
}

/// How gzip begins (RFC 1952, section 2.3.1).
const GZIP: &[u8] = b"\x1f\x8b";

fn inflate(body: &[u8], limit: u64) -> Result<Vec<u8>, UnreadableRecords> {
    let mut inflated = Vec::new();
    let mut reader = MultiGzDecoder::new(body).take(limit.saturating_add(1));
    reader
        .read_to_end(&mut inflated)
        .map_err(|_broken| UnreadableRecords::Compression)?;
    // Lossless: no buffer in memory is longer than u64::MAX.
    if inflated.len() as u64 > limit {
        return Err(UnreadableRecords::TooLarge { limit });
    }
    Ok(inflated)
}

/// Why records cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnreadableRecords {
    /// They are no JSON objects.
    #[error("the records are not the json expected, at line {line} column {column}")]
    Malformed {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// There is nothing at all: no records are an empty list.
    #[error("the answer is empty, which is no list of records")]
    Nothing,
    /// The compressed bytes are broken or cut short.
    #[error("the records cannot be decompressed")]
    Compression,
    /// They are larger than the limit.
    #[error("the records have more than {limit} bytes; fetch them in parts")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}
