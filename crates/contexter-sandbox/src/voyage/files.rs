//! `/files`: uploads and results of batches, in memory.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::multipart::{Multipart, MultipartError};
use serde_json::{Value, json};

use crate::voyage::refusal::Refusal;

/// How many files are kept.
const MAX_FILES: usize = 1000;
/// How many bytes all of them hold.
const MAX_BYTES: usize = 512 << 20;
/// How long the vendor keeps a file, in seconds.
const KEPT: i64 = 30 * 24 * 60 * 60;

/// All files, by id.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: BTreeMap<String, File>,
    created: u64,
}

#[derive(Clone, Debug)]
pub(super) struct File {
    id: String,
    filename: String,
    pub(super) bytes: Bytes,
    created_at: i64,
}

/// What a form holds.
#[derive(Debug)]
pub(super) struct Upload {
    filename: String,
    bytes: Bytes,
}

/// Reads `purpose` and `file`, in any order.
pub(super) async fn read_form(mut form: Multipart) -> Result<Upload, Refusal> {
    let broken = |error: MultipartError| Refusal::new(error.status(), error.body_text());
    let mut purpose = None;
    let mut upload = None;
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name().unwrap_or_default() {
            "purpose" => purpose = Some(field.text().await.map_err(broken)?),
            "file" => {
                let filename = field.file_name().unwrap_or("file").to_owned();
                let bytes = field.bytes().await.map_err(broken)?;
                upload = Some(Upload { filename, bytes });
            }
            other => {
                return Err(Refusal::invalid(format!(
                    "Argument '{other}' is not supported by our API."
                )));
            }
        }
    }
    match purpose.as_deref() {
        Some("batch") => {}
        Some(other) => {
            return Err(Refusal::invalid(format!(
                "Purpose '{other}' is not supported. Supported purposes are ['batch']."
            )));
        }
        None => return Err(Refusal::malformed("purpose", "field required")),
    }
    upload.ok_or_else(|| Refusal::malformed("file", "field required"))
}

impl Files {
    /// Keeps an upload and returns its description.
    pub(super) fn add_upload(&mut self, upload: Upload) -> Result<Value, Refusal> {
        let id = self.add(upload.filename, upload.bytes)?;
        Ok(self.get(&id)?.describe())
    }

    /// Keeps a file and returns its id.
    pub(super) fn add(&mut self, filename: String, bytes: Bytes) -> Result<String, Refusal> {
        let held: usize = self.files.values().map(|file| file.bytes.len()).sum();
        if self.files.len() >= MAX_FILES || held.saturating_add(bytes.len()) > MAX_BYTES {
            return Err(Refusal::invalid(format!(
                "The storage is full: at most {MAX_FILES} files of {MAX_BYTES} bytes together."
            )));
        }
        self.created += 1;
        let id = format!("file-sandbox{:06}", self.created);
        let file = File {
            id: id.clone(),
            filename,
            bytes,
            created_at: now(),
        };
        self.files.insert(id.clone(), file);
        Ok(id)
    }

    pub(super) fn get(&self, id: &str) -> Result<&File, Refusal> {
        self.files
            .get(id)
            .ok_or_else(|| Refusal::not_found("file", id))
    }

    /// Describes all files, the newest first.
    pub(super) fn list(&self) -> Value {
        let data: Vec<Value> = self.files.values().rev().map(File::describe).collect();
        json!({"object": "list", "data": data, "has_more": false})
    }
}

impl File {
    pub(super) fn describe(&self) -> Value {
        json!({
            "object": "file",
            "id": self.id,
            "purpose": "batch",
            "filename": self.filename,
            "bytes": self.bytes.len(),
            "created_at": self.created_at,
            "expires_at": self.created_at + KEPT,
        })
    }
}

/// Returns the unix time in seconds.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
