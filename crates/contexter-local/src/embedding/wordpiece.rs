//! The tokenizer of BERT's uncased models.

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;

use contexter_model::CountTokens;
use unicode_categories::UnicodeCategories as _;
use unicode_normalization::UnicodeNormalization as _;

/// The vocabulary: the id of a piece is the number of its line, counted from 0.
const VOCABULARY: &str = include_str!("../../assets/bert-base-uncased-vocab.txt");

/// What marks a piece that continues a word.
const CONTINUATION: &str = "##";

/// A longer word becomes one unknown token, as in BERT's reference implementation.
const MAX_WORD_CHARS: usize = 100;

/// The id of `[UNK]` in the vocabulary.
const UNKNOWN: u32 = 100;
/// The id of `[CLS]`, which opens every input of the model.
const OPENING: u32 = 101;
/// The id of `[SEP]`, which closes every input of the model.
const CLOSING: u32 = 102;

/// Splits text into the tokens of BERT's uncased models.
///
/// Text is cleaned of control characters, set in lower case, stripped of accents, split at white
/// space, punctuation and ideographs, and each word is cut greedily into the longest pieces of the
/// vocabulary. The ids are those of Hugging Face's `tokenizers`, with one exception: the names of
/// special tokens, such as `[SEP]`, are ordinary text here, so that a document cannot forge them.
///
/// # Examples
///
/// ```
/// use contexter_local::WordPiece;
/// use contexter_model::CountTokens;
///
/// let tokenizer = WordPiece::new();
/// assert_eq!(tokenizer.encode("Hello, world!", 256), [101, 7592, 1010, 2088, 999, 102]);
/// assert_eq!(tokenizer.count("Hello, world!"), 4);
/// ```
pub struct WordPiece {
    /// Pieces that may open a word.
    heads: HashMap<&'static str, u32>,
    /// Pieces that may continue a word, without their mark.
    tails: HashMap<&'static str, u32>,
    /// The length in bytes of the longest piece.
    longest: usize,
}

impl WordPiece {
    /// Creates the tokenizer with the vocabulary that is part of this crate.
    #[must_use]
    pub fn new() -> Self {
        let mut tokenizer = Self {
            heads: HashMap::with_capacity(25_000),
            tails: HashMap::with_capacity(6_000),
            longest: 0,
        };
        for (id, piece) in (0..).zip(VOCABULARY.lines()) {
            let (table, piece) = match piece.strip_prefix(CONTINUATION) {
                Some(tail) if !tail.is_empty() => (&mut tokenizer.tails, tail),
                _ => (&mut tokenizer.heads, piece),
            };
            table.insert(piece, id);
            tokenizer.longest = tokenizer.longest.max(piece.len());
        }
        tokenizer
    }

    /// Returns the ids of `text` between the model's two markers, `limit` ids at most.
    ///
    /// What lies beyond the limit is not read. A `limit` below 2 counts as 2: the markers stay.
    #[must_use]
    pub fn encode(&self, text: &str, limit: usize) -> Vec<u32> {
        let room = limit.saturating_sub(2);
        let mut ids = vec![OPENING];
        let _stopped = words(text, |word| {
            self.split(word, &mut ids);
            if ids.len() > room {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        ids.truncate(room + 1);
        ids.push(CLOSING);
        ids
    }

    /// Appends the ids of the pieces of one word.
    fn split(&self, word: Word<'_>, ids: &mut Vec<u32>) {
        let Word::Short(word) = word else {
            ids.push(UNKNOWN);
            return;
        };
        let before = ids.len();
        let mut rest = word;
        let mut table = &self.heads;
        while !rest.is_empty() {
            let longest = (1..=rest.len().min(self.longest)).rev().find_map(|end| {
                let (piece, rest) = rest.split_at_checked(end)?;
                Some((*table.get(piece)?, rest))
            });
            let Some((id, remainder)) = longest else {
                // One strange piece makes the whole word unknown.
                ids.truncate(before);
                ids.push(UNKNOWN);
                return;
            };
            ids.push(id);
            rest = remainder;
            table = &self.tails;
        }
    }
}

impl Default for WordPiece {
    fn default() -> Self {
        Self::new()
    }
}

impl CountTokens for WordPiece {
    fn count(&self, text: &str) -> usize {
        let mut total = 0;
        let mut ids = Vec::new();
        let _never_stopped = words(text, |word| {
            self.split(word, &mut ids);
            total += ids.len();
            ids.clear();
            ControlFlow::Continue(())
        });
        total
    }
}

impl fmt::Debug for WordPiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WordPiece")
            .field("pieces", &(self.heads.len() + self.tails.len()))
            .finish_non_exhaustive()
    }
}

/// A normalized word.
#[derive(Clone, Copy)]
enum Word<'a> {
    Short(&'a str),
    /// A word of more than [`MAX_WORD_CHARS`] characters, whose text is of no use.
    TooLong,
}

type Visit<'a> = dyn FnMut(Word<'_>) -> ControlFlow<()> + 'a;

/// Hands the normalized words of `text` to `visit` until it has had enough.
fn words(text: &str, mut visit: impl FnMut(Word<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
    if text.is_ascii() {
        // Most text: no character decomposes, and there are no accents and no ideographs.
        let normalized = text
            .bytes()
            .map(char::from)
            .filter(|&c| keeps(c))
            .map(|c| c.to_ascii_lowercase());
        cut(normalized, &mut visit)
    } else {
        let normalized = text
            .chars()
            .filter(|&c| keeps(c))
            .flat_map(set_apart)
            .nfd()
            .filter(|c| !c.is_mark_nonspacing())
            .flat_map(char::to_lowercase);
        cut(normalized, &mut visit)
    }
}

/// Cuts normalized characters into words at white space and around every punctuation mark.
fn cut(characters: impl Iterator<Item = char>, visit: &mut Visit<'_>) -> ControlFlow<()> {
    let mut word = String::new();
    let mut length = 0_usize;
    let end_word = |word: &mut String, length: &mut usize, visit: &mut Visit<'_>| {
        let step = match *length {
            0 => ControlFlow::Continue(()),
            1..=MAX_WORD_CHARS => visit(Word::Short(word)),
            _ => visit(Word::TooLong),
        };
        word.clear();
        *length = 0;
        step
    };
    for c in characters {
        if c.is_whitespace() {
            end_word(&mut word, &mut length, visit)?;
        } else if is_punctuation(c) {
            end_word(&mut word, &mut length, visit)?;
            visit(Word::Short(c.encode_utf8(&mut [0; 4])))?;
        } else {
            length += 1;
            if length <= MAX_WORD_CHARS {
                word.push(c);
            }
        }
    }
    end_word(&mut word, &mut length, visit)
}

/// Whether a character survives cleaning: it is white space or printable.
fn keeps(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || !(c == char::REPLACEMENT_CHARACTER || c.is_other())
}

fn is_punctuation(c: char) -> bool {
    // BERT counts all ASCII symbols, such as `$` and `+`, which Unicode does not.
    c.is_ascii_punctuation() || (!c.is_ascii() && c.is_punctuation())
}

/// Puts spaces around an ideograph, so that it becomes a word of its own.
fn set_apart(c: char) -> impl Iterator<Item = char> {
    let around = is_ideograph(c).then_some(' ');
    around.into_iter().chain([c]).chain(around)
}

/// Whether BERT counts a character as an ideograph: the unified and compatibility blocks.
fn is_ideograph(c: char) -> bool {
    matches!(
        u32::from(c),
        0x3400..=0x4DBF
            | 0x4E00..=0x9FFF
            | 0xF900..=0xFAFF
            | 0x2_0000..=0x2_A6DF
            | 0x2_A700..=0x2_B81F
            | 0x2_B920..=0x2_CEAF
            | 0x2_F800..=0x2_FA1F
    )
}
