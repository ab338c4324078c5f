//! What a chunk holds and how it is named.

use std::fmt::Write as _;
use std::ops::Range;

use contexter_model::{LibraryId, PointId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What stands between the parts of a title path.
const PATH_SEPARATOR: &str = " > ";

/// A piece of a document, small enough to be embedded whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Chunk {
    /// Its position in the document, counted from 0.
    pub ordinal: u32,
    /// The document's title and the headings above the chunk, outermost first.
    ///
    /// A heading that only repeats the one above is left out. A path that would take more than a
    /// third of the chunk's tokens is shortened: first the middle goes, then the title.
    pub title_path: Vec<String>,
    /// Its text: the document's own, headings included, with line feeds as line ends.
    ///
    /// Where a fenced code block had to be torn, each piece is fenced again.
    pub text: String,
    /// How many tokens [`embed_text`](Self::embed_text) has.
    pub token_count: usize,
    /// The bytes of the document that it stands for, without what it repeats of the one before.
    pub span: Range<usize>,
    /// The SHA-256 of [`embed_text`](Self::embed_text), as 64 lower-case hexadecimal digits.
    pub hash: String,
}

impl Chunk {
    /// Returns what is embedded: the title path in one line, then the text.
    #[must_use]
    pub fn embed_text(&self) -> String {
        embed_text(&self.title_path, &self.text)
    }
}

pub(super) fn embed_text(title_path: &[String], text: &str) -> String {
    if title_path.is_empty() {
        return text.to_owned();
    }
    let mut embedded = joined(title_path);
    embedded.reserve(text.len() + 1);
    embedded.push('\n');
    embedded.push_str(text);
    embedded
}

pub(super) fn joined(title_path: &[String]) -> String {
    title_path.join(PATH_SEPARATOR)
}

pub(super) fn hash(embedded: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(embedded.as_bytes()) {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
    }
    hex
}

/// The namespace of chunk ids: the version 5 UUID of the URL
/// `https://github.com/contexter-rs/contexter#chunk`.
///
/// It must never change: stored points would no longer be found under their ids.
pub const CHUNK_NAMESPACE: Uuid = Uuid::from_u128(0x9532_34e7_4091_5a9f_86ba_1171_350e_c289);

/// Returns the id of a chunk: the same for the same place, in every run and on every machine.
///
/// It is the version 5 UUID of `LIBRARY`, `PATH` and the ordinal in decimal, with a zero byte
/// between them, in [`CHUNK_NAMESPACE`].
///
/// # Examples
///
/// ```
/// use contexter_rag::chunk_id;
///
/// let library = "/crates/tokio/1.54.1".parse()?;
/// let id = chunk_id(&library, "README.md", 0);
/// assert_eq!(id.to_string(), "361480f6-511d-52a0-94f5-0f0e8cc294ab");
/// # Ok::<(), contexter_model::InvalidLibraryId>(())
/// ```
#[must_use]
pub fn chunk_id(library: &LibraryId, path: &str, ordinal: u32) -> PointId {
    let name = format!("{library}\0{path}\0{ordinal}");
    Uuid::new_v5(&CHUNK_NAMESPACE, name.as_bytes())
}
