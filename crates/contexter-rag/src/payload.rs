//! What is stored beside the vectors of a chunk, and how it is read back.

use contexter_model::{Hit, Payload};
use serde_json::Value;

use crate::search::SearchHit;

/// The field that holds the library's id; filters name it.
pub(crate) const LIBRARY: &str = "library";
const PATH: &str = "path";
const TITLE: &str = "title";
const TEXT: &str = "text";

/// The fields that filters name: they are indexed before anything is stored.
pub(crate) const KEYWORD_FIELDS: [&str; 1] = [LIBRARY];

/// Makes the payload of a chunk.
pub(crate) fn write(library: &str, path: &str, title: String, text: String) -> Payload {
    let mut payload = Payload::new();
    payload.insert(LIBRARY.to_owned(), library.into());
    payload.insert(PATH.to_owned(), path.into());
    payload.insert(TITLE.to_owned(), title.into());
    payload.insert(TEXT.to_owned(), text.into());
    payload
}

/// Makes a hit of a payload; a field that is not there reads as empty.
pub(crate) fn read(hit: Hit, mut payload: Payload) -> SearchHit {
    let mut take = |field| match payload.remove(field) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    SearchHit {
        id: hit.id,
        score: hit.score,
        library: take(LIBRARY),
        path: take(PATH),
        title: take(TITLE),
        text: take(TEXT),
    }
}
