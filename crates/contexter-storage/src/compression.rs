//! Compressing blobs, and reading them back without trusting what they claim.

use std::io::{self, Read as _};

use zstd::zstd_safe::{compress_bound, get_frame_content_size};

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

/// Returns the largest frame that at most `limit` bytes can become.
pub(crate) fn largest_frame(limit: u64) -> u64 {
    usize::try_from(limit).map_or(u64::MAX, |limit| compress_bound(limit) as u64)
}

/// Returns how many bytes a frame says that it holds; decompressing it gives no more than that.
pub(crate) fn declared_size(frame: &[u8]) -> Option<u64> {
    get_frame_content_size(frame).ok().flatten()
}

/// Decompresses a frame to at most `limit` bytes.
pub(crate) fn decompress(frame: &[u8], limit: u64) -> Result<Vec<u8>, Undecodable> {
    let mut bytes = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(frame)
        .map_err(|_invalid| Undecodable::Damaged)?
        // What follows the first frame would escape the size that the frame declares.
        .single_frame();
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
