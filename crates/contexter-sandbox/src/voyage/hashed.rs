//! Vectors of hashed wording: near vectors share words, nothing more.

use crate::faults::mix;

/// The length of the vectors before they are projected; a power of two.
pub(super) const DIMENSIONS: usize = 1024;

/// How many characters make the sequences that stand beside the words.
const SEQUENCE: usize = 4;

/// The weight of a sequence; that of a word is 1, and it has several.
const SEQUENCE_WEIGHT: f32 = 0.4;

/// Words that every English text has.
const STOP_WORDS: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "how",
    "if", "in", "into", "is", "it", "of", "on", "or", "that", "the", "their", "this", "to", "use",
    "used", "was", "what", "when", "where", "which", "with", "you",
];

/// Returns the vector of a text, not normalised; never all zero.
pub(super) fn embed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSIONS];
    for word in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        let word = word.to_lowercase();
        if STOP_WORDS.contains(&word.as_str()) {
            continue;
        }
        add(&mut vector, hash(0, word.chars()), 1.0);
        let characters: Vec<char> = word.chars().collect();
        for sequence in characters.windows(SEQUENCE) {
            let hash = hash(1, sequence.iter().copied());
            add(&mut vector, hash, SEQUENCE_WEIGHT);
        }
    }
    if vector.iter().all(|value| *value == 0.0) {
        // Texts without words share a direction with nothing but their like.
        add(&mut vector, hash(2, text.chars()), 1.0);
    }
    vector
}

fn add(vector: &mut [f32], hash: u64, weight: f32) {
    let place = usize::try_from(hash % DIMENSIONS as u64).unwrap_or(0);
    if let Some(value) = vector.get_mut(place) {
        // The topmost bit has no part in the place.
        *value += if hash >> 63 == 0 { weight } else { -weight };
    }
}

fn hash(kind: u64, characters: impl Iterator<Item = char>) -> u64 {
    characters.fold(mix(kind), |hash, c| mix(hash ^ u64::from(u32::from(c))))
}
