//! How the vendor cuts documents into chunks, where it is asked to.

use crate::voyage::fields::{Fields, InputType};
use crate::voyage::refusal::Refusal;
use crate::voyage::tokens;

/// The largest chunk that may be asked for.
const MAX_SIZE: u64 = 32_000;
/// The size of a chunk where none is asked for.
const SIZE: u64 = 512;
/// How many bytes the chunks of a request hold together: many times what its tokens fill, but with
/// large chunks that overlap in all but a token they would fill gigabytes.
const MAX_BYTES: usize = 32 << 20;

/// How many tokens a chunk has, and how many of them it shares with the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunking {
    // Invariant: overlap < size.
    size: u64,
    overlap: u64,
}

impl Chunking {
    /// Takes the fields about chunks; `None` where nothing is to be cut.
    pub(super) fn take(
        fields: &mut Fields,
        input_type: Option<InputType>,
    ) -> Result<Option<Self>, Refusal> {
        let auto = fields.flag("enable_auto_chunking", false)?;
        let size = fields.number("chunk_size")?;
        let overlap = fields.number("chunk_overlap")?;
        if !auto {
            return match (size, overlap) {
                (None, None) => Ok(None),
                _ => Err(Refusal::invalid(
                    "chunk_size and chunk_overlap need enable_auto_chunking.",
                )),
            };
        }
        if input_type != Some(InputType::Document) {
            return Err(Refusal::invalid(
                "auto-chunking needs input_type 'document'.",
            ));
        }
        let size = size.unwrap_or(SIZE);
        let overlap = overlap.unwrap_or(0);
        if !(1..=MAX_SIZE).contains(&size) {
            return Err(Refusal::invalid(format!(
                "chunk_size must be from 1 to {MAX_SIZE}, got {size}."
            )));
        }
        if overlap >= size {
            return Err(Refusal::invalid(format!(
                "chunk_overlap must be less than chunk_size {size}, got {overlap}."
            )));
        }
        Ok(Some(Self { size, overlap }))
    }

    /// Returns how many chunks a text of so many tokens is cut into.
    pub(super) fn count(&self, tokens: u64) -> u64 {
        let behind_the_first = tokens.saturating_sub(self.size);
        1 + behind_the_first.div_ceil(self.size - self.overlap)
    }

    /// Cuts every text.
    pub(super) fn cut(&self, documents: &[Vec<String>]) -> Result<Vec<Vec<String>>, Refusal> {
        let mut room = MAX_BYTES;
        let mut own = |chunk: &str| -> Result<String, Refusal> {
            room = room.checked_sub(chunk.len()).ok_or_else(|| {
                Refusal::invalid(format!(
                    "The chunks of a request are limited to {MAX_BYTES} bytes. Please lower \
                     chunk_overlap or the number of tokens."
                ))
            })?;
            Ok(chunk.to_owned())
        };
        let cut = |texts: &Vec<String>| {
            let chunks = texts.iter().flat_map(|text| self.chunks(text));
            chunks.map(&mut own).collect()
        };
        documents.iter().map(cut).collect()
    }

    /// Returns the chunks of a text; one without tokens is one chunk.
    fn chunks<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let spans: Vec<_> = tokens::spans(text).collect();
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let step = usize::try_from(self.size - self.overlap).unwrap_or(usize::MAX);
        let mut chunks = Vec::new();
        let mut from = 0_usize;
        loop {
            let chunk = spans.get(from..spans.len().min(from.saturating_add(size)));
            let start = chunk.and_then(<[_]>::first).map(|span| span.start);
            let end = chunk.and_then(<[_]>::last).map(|span| span.end);
            let (Some(start), Some(end)) = (start, end) else {
                break;
            };
            chunks.extend(text.get(start..end));
            if from.saturating_add(size) >= spans.len() {
                break;
            }
            from += step;
        }
        if chunks.is_empty() {
            chunks.push(text);
        }
        chunks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_many_chunks_are_cut_as_are_counted(
            text in "[a-z]{0,9}( [a-z.\n]{1,9}){0,60}", size in 1_u64..20, overlap in 0_u64..20,
        ) {
            let overlap = overlap % size;
            let chunking = Chunking { size, overlap };
            let cut = chunking.chunks(&text);
            prop_assert_eq!(cut.len() as u64, chunking.count(tokens::count(&text)));
            prop_assert!(cut.iter().all(|chunk| tokens::count(chunk) <= size));
        }
    }

    #[test]
    fn the_bytes_of_all_chunks_are_limited() {
        let chunking = Chunking {
            size: 16_000,
            overlap: 15_999,
        };
        let fits = vec![vec!["a ".repeat(16_500)]];
        assert_eq!(chunking.cut(&fits).unwrap()[0].len(), 501);
        let large = vec![vec!["a ".repeat(30_000)]];
        let refusal = chunking.cut(&large).unwrap_err();
        assert!(refusal.message().contains("33554432 bytes"), "{refusal:?}");
    }
}
