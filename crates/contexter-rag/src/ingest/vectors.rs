//! How the vectors of a document are stored: dimensions, count, then the values, little-endian.

/// Writes vectors of equal length as bytes.
pub(super) fn encode(vectors: &[Vec<f32>], dimensions: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + vectors.len() * dimensions * 4);
    let header = [dimensions, vectors.len()];
    for number in header {
        bytes.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
    }
    for value in vectors.iter().flatten() {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// Reads what [`encode`] wrote; `None` for anything else.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Vec<f32>>> {
    let (words, []) = bytes.as_chunks::<4>() else {
        return None;
    };
    let [dimensions, count, values @ ..] = words else {
        return None;
    };
    let dimensions = u32::from_le_bytes(*dimensions) as usize;
    let count = u32::from_le_bytes(*count) as usize;
    if dimensions == 0 || values.len() != dimensions.checked_mul(count)? {
        return None;
    }
    let vectors = values.chunks_exact(dimensions).map(|vector| {
        vector
            .iter()
            .map(|value| f32::from_le_bytes(*value))
            .collect()
    });
    Some(vectors.collect())
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn reads_back_what_it_wrote_and_nothing_else() {
        let vectors = vec![vec![1.0, -2.5], vec![0.0, f32::MIN_POSITIVE]];
        let bytes = encode(&vectors, 2);
        assert_eq!(decode(&bytes), Some(vectors));
        assert_eq!(decode(&encode(&[], 2)), Some(Vec::new()));
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), None, "cut at {cut}");
        }
    }
}
