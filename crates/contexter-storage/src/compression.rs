//! Compressing blobs, and reading them back without trusting what they claim.

use std::io::{self, Read as _};

/// Compresses `bytes` into one zstd frame that records their length.
pub(crate) fn compress(bytes: &[u8], level: i32) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(bytes, level)
}

/// Why a stored blob does not decompress.
#[derive(Debug)]
pub(crate) enum Undecodable {
    /// It would become larger than the limit: a damaged or hostile blob.
    TooLarge,
    /// It is no whole zstd frame.
    Damaged,
}

/// Decompresses a frame to at most `limit` bytes.
pub(crate) fn decompress(frame: &[u8], limit: u64) -> Result<Vec<u8>, Undecodable> {
    let mut bytes = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(frame).map_err(|_invalid| Undecodable::Damaged)?;
    // Streamed, so that a small blob that claims to be huge never makes room for it.
    let read = decoder
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|_invalid| Undecodable::Damaged)?;
    if read as u64 > limit {
        return Err(Undecodable::TooLarge);
    }
    Ok(bytes)
}
