//! From the embedder's vectors to those that a request asks for.

use crate::faults::mix;

/// To how many places each value of a vector goes, each with a sign.
///
/// Enough that cosines survive with an error of about one over the root of the dimension, as with a
/// dense random matrix, at a small part of its cost.
const PLACES: u64 = 16;

/// Maps a vector to `dimensions` values of length 1; the mapping depends on the space's name only.
///
/// Two spaces are as good as unrelated to one another.
pub(super) fn project(vector: &[f32], space: &str, dimensions: usize) -> Vec<f32> {
    let seed = space.bytes().fold(mix(dimensions as u64), |hash, byte| {
        mix(hash ^ u64::from(byte))
    });
    let mut projected = vec![0.0; dimensions];
    for (place, value) in (0_u64..).zip(vector) {
        if *value == 0.0 {
            continue;
        }
        let own = mix(seed ^ place);
        for copy in 0..PLACES {
            let hash = mix(own ^ copy);
            let target = usize::try_from(hash % dimensions.max(1) as u64).unwrap_or(0);
            if let Some(sum) = projected.get_mut(target) {
                *sum += if hash >> 63 == 0 { *value } else { -*value };
            }
        }
    }
    normalise(&mut projected);
    projected
}

/// Gives the vector length 1; one without a direction gets the first axis.
pub(super) fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length.is_normal() {
        for value in vector {
            *value /= length;
        }
    } else if let Some(first) = vector.first_mut() {
        *first = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    fn wave(step: u16) -> Vec<f32> {
        let mut wave: Vec<f32> = (0..384_u16)
            .map(|i| f32::from(i * step % 97) - 48.0)
            .collect();
        normalise(&mut wave);
        wave
    }

    #[test]
    fn cosines_survive() {
        let (a, b) = (wave(1), wave(2));
        let mixed: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b / 2.0).collect();
        for dimensions in [256, 512, 1024, 2048] {
            let of = |vector: &[f32]| project(vector, "space", dimensions);
            let mut norm = mixed.clone();
            normalise(&mut norm);
            let kept = cosine(&of(&a), &of(&mixed));
            assert!(
                (kept - cosine(&a, &norm)).abs() < 0.1,
                "{dimensions}: {kept}"
            );
        }
    }

    #[test]
    fn spaces_are_unrelated() {
        let vector = wave(3);
        let (a, b) = (project(&vector, "one", 1024), project(&vector, "two", 1024));
        assert!(cosine(&a, &b).abs() < 0.15);
        assert!((cosine(&a, &a) - 1.0).abs() < 1e-4);
    }
}
