//! Vectors of wording, without any model.

use std::collections::HashSet;
use std::fmt;

use contexter_model::{CountTokens, EmbeddingSpace, SpaceKind};

/// The length of the vectors; a power of two, so that a hash falls evenly.
const DIMENSIONS: usize = 1024;
/// How many tokens of a text are read. Beyond, a text has so many features that all look alike.
const MAX_TOKENS: usize = 2048;
/// How many characters make one token of a longer word.
const CHARS_PER_TOKEN: usize = 4;
/// The lengths in characters of the sequences that are features of a word.
const SEQUENCE_CHARS: std::ops::RangeInclusive<usize> = 3..=5;
/// The weight of a sequence; that of a word is 1. There are several sequences to a word.
const SEQUENCE_WEIGHT: f32 = 0.5;

/// Words of English so frequent that sharing them says nothing.
const STOP_WORDS: &str = "a an and are as at be by can do does for from how i if in into is it its \
    my of on or so that the their them then there these they this to use used using was we what \
    when where which who why will with you your";

/// A weightless embedder: near vectors share wording, nothing more.
///
/// Words, the parts of identifiers such as `parseHttpHeader`, and all sequences of 3 to 5
/// characters within them are hashed into 1024 dimensions, each with a sign of its own, weighted by
/// the fourth root of their number; the vector has length 1. English stop words are left out.
///
/// The same text gives the same vector for as long as the space has this name, on every machine: it
/// takes only integer arithmetic and those operations on floats that IEEE 754 rounds exactly.
///
/// # Examples
///
/// ```
/// use contexter_local::Lexical;
///
/// let lexical = Lexical::new();
/// let near = |a: &str, b: &str| -> f32 {
///     let (a, b) = (lexical.embed(a), lexical.embed(b));
///     a.iter().zip(&b).map(|(x, y)| x * y).sum()
/// };
/// assert!(near("parse the header", "header parser") > near("parse the header", "open a socket"));
/// ```
#[derive(Clone)]
pub struct Lexical {
    stop_words: HashSet<&'static str>,
}

impl Lexical {
    /// Creates the embedder.
    #[must_use]
    pub fn new() -> Self {
        Self {
            stop_words: STOP_WORDS.split_whitespace().collect(),
        }
    }

    /// Returns the space of the vectors.
    #[must_use]
    pub fn space(&self) -> EmbeddingSpace {
        EmbeddingSpace {
            id: "hash-ngram-1024-v1".to_owned(),
            dimensions: DIMENSIONS,
            max_tokens: MAX_TOKENS,
            kind: SpaceKind::Lexical,
        }
    }

    /// Returns the vector of one text; what lies beyond 2048 tokens is not read.
    #[must_use]
    pub fn embed(&self, text: &str) -> Vec<f32> {
        self.embed_and_count(text).0
    }

    /// Returns the vector and how many tokens were read.
    pub(crate) fn embed_and_count(&self, text: &str) -> (Vec<f32>, usize) {
        let mut features = Features::default();
        let mut tokens = 0;
        for word in words(text) {
            let room = (MAX_TOKENS - tokens) * CHARS_PER_TOKEN;
            let word = first_chars(word, room);
            tokens += tokens_of(word);
            features.add_identifier(word, &self.stop_words);
            if tokens >= MAX_TOKENS {
                break;
            }
        }
        (features.into_vector(), tokens)
    }
}

impl Default for Lexical {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Lexical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lexical").finish_non_exhaustive()
    }
}

/// An estimate: one token for every four characters of a word begun.
impl CountTokens for Lexical {
    fn count(&self, text: &str) -> usize {
        words(text).map(tokens_of).sum()
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
}

fn tokens_of(word: &str) -> usize {
    word.chars().count().div_ceil(CHARS_PER_TOKEN)
}

fn first_chars(word: &str, count: usize) -> &str {
    word.char_indices()
        .nth(count)
        .map_or(word, |(end, _)| word.get(..end).unwrap_or(word))
}

/// The hashes of a text's features, one for each occurrence.
#[derive(Default)]
struct Features {
    words: Vec<u64>,
    sequences: Vec<u64>,
}

impl Features {
    /// Adds an identifier and, if it has several, its parts.
    fn add_identifier(&mut self, word: &str, stop_words: &HashSet<&str>) {
        let mut parts = parts(word);
        if parts.len() > 1 {
            parts.push(word.trim_matches('_').to_lowercase());
        }
        for part in &parts {
            if !stop_words.contains(part.as_str()) {
                self.add_word(part);
            }
        }
    }

    fn add_word(&mut self, word: &str) {
        self.words.push(hash(Kind::Word, word.chars()));
        // The marks keep the sequences at the ends of a word apart from those inside.
        let marked: Vec<char> = ['<'].into_iter().chain(word.chars()).chain(['>']).collect();
        for length in SEQUENCE_CHARS {
            for sequence in marked.windows(length) {
                let hash = hash(Kind::Sequence, sequence.iter().copied());
                self.sequences.push(hash);
            }
        }
    }

    fn into_vector(self) -> Vec<f32> {
        let mut vector = vec![0_f32; DIMENSIONS];
        add_weighted(&mut vector, self.words, 1.0);
        add_weighted(&mut vector, self.sequences, SEQUENCE_WEIGHT);
        let mut length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if !length.is_normal() {
            // A text without features still needs a direction; it shares it with its like only.
            add_weighted(&mut vector, vec![hash(Kind::Nothing, [])], 1.0);
            length = 1.0;
        }
        for value in &mut vector {
            *value /= length;
        }
        vector
    }
}

/// Adds each distinct hash to its dimension, with its sign and the fourth root of its number.
fn add_weighted(vector: &mut [f32], mut hashes: Vec<u64>, weight: f32) {
    // In order, so that floats are always added up in the same order.
    hashes.sort_unstable();
    for same in hashes.chunk_by(|a, b| a == b) {
        let Some(&hash) = same.first() else { continue };
        let number = u16::try_from(same.len()).unwrap_or(u16::MAX);
        let value = weight * f32::from(number).sqrt().sqrt();
        let dimension = usize::try_from(hash % DIMENSIONS as u64).unwrap_or(0);
        if let Some(total) = vector.get_mut(dimension) {
            // The topmost bit has no part in the dimension.
            *total += if hash >> 63 == 0 { value } else { -value };
        }
    }
}

/// Cuts an identifier at underscores and at changes of case, in lower case: `HTTPServer_v2` has
/// the parts `http`, `server` and `v2`.
fn parts(word: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = None;
    let mut characters = word.chars().peekable();
    while let Some(c) = characters.next() {
        let next_is_lower = characters.peek().is_some_and(|next| next.is_lowercase());
        let begins = c.is_uppercase()
            && before.is_some_and(|b: char| b.is_lowercase() || b.is_numeric() || next_is_lower);
        if begins || c == '_' {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut()
            && c != '_'
        {
            part.extend(c.to_lowercase());
        }
        before = (c != '_').then_some(c);
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[derive(Clone, Copy)]
enum Kind {
    Nothing = 0,
    Word = 1,
    Sequence = 2,
}

/// Hashes a feature: FNV-1a over the characters, then the finalizer of MurmurHash3, so that every
/// bit of the result depends on every character.
fn hash(kind: Kind, characters: impl IntoIterator<Item = char>) -> u64 {
    const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const FNV_PRIME: u64 = 0x0100_0000_01b3;

    let start = (FNV_OFFSET ^ kind as u64).wrapping_mul(FNV_PRIME);
    let mut hash = characters.into_iter().fold(start, |hash, c| {
        (hash ^ u64::from(u32::from(c))).wrapping_mul(FNV_PRIME)
    });
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}
