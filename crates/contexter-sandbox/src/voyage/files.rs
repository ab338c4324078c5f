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
    by_id: BTreeMap<String, File>,
    created: u64,
    /// How many bytes all of them hold.
    held: usize,
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
        self.check_room(1, bytes.len())?;
        self.held += bytes.len();
        self.created += 1;
        let id = format!("file-sandbox{:06}", self.created);
        let file = File {
            id: id.clone(),
            filename,
            bytes,
            created_at: now(),
        };
        self.by_id.insert(id.clone(), file);
        Ok(id)
    }

    /// Refuses more files, or more bytes, than there is room for.
    pub(super) fn check_room(&self, files: usize, bytes: usize) -> Result<(), Refusal> {
        let fits = self.by_id.len().saturating_add(files) <= MAX_FILES
            && self.held.saturating_add(bytes) <= MAX_BYTES;
        if fits {
            return Ok(());
        }
        Err(Refusal::invalid(format!(
            "The storage is full: at most {MAX_FILES} files of {MAX_BYTES} bytes together."
        )))
    }

    pub(super) fn get(&self, id: &str) -> Result<&File, Refusal> {
        self.by_id
            .get(id)
            .ok_or_else(|| Refusal::not_found("file", id))
    }

    /// Describes all files, the newest first.
    pub(super) fn list(&self) -> Value {
        let data: Vec<Value> = self.by_id.values().rev().map(File::describe).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_what_the_files_leave() {
        let mut files = Files::default();
        assert!(files.check_room(MAX_FILES, MAX_BYTES).is_ok());
        files
            .add("a".to_owned(), Bytes::from_static(b"ab"))
            .unwrap();
        assert!(files.check_room(MAX_FILES - 1, MAX_BYTES - 2).is_ok());
        assert!(files.check_room(MAX_FILES, 0).is_err());
        assert!(files.check_room(1, MAX_BYTES - 1).is_err());
    }
}
