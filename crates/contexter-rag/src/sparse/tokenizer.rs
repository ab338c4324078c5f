//! Turning text into the tokens that sparse search compares.

use std::borrow::Cow;
use std::collections::HashMap;

use rust_stemmers::{Algorithm, Stemmer};

use super::identifier::for_each_part;
use super::stop_words::is_stop_word;
use super::words::for_each_word;

/// The longest word, in bytes, that becomes a token; longer ones are encoded data, not language.
pub const MAX_WORD_LEN: usize = 128;

/// The shortest part of an identifier, in characters, that becomes a token of its own.
///
/// A single letter or digit (`T`, the `8` of `utf8`) is everywhere and tells nothing.
const MIN_PART_CHARS: usize = 2;

/// Calls `token` with every distinct token of `text` and how often it comes, in no fixed order.
///
/// A word is lower-cased and stemmed (Snowball English). A word that is built of parts, such as
/// `maxRetries`, `max_retries` or `sha256`, gives the whole without its underscores, so that both
/// spellings meet, and beside it every part of at least two characters. Stop words and words
/// longer than [`MAX_WORD_LEN`] give nothing. The same token may be reported more than once when
/// different words lead to it; its occurrences are then the sum.
///
/// # Examples
///
/// ```
/// use contexter_rag::tokenize;
///
/// let mut tokens = Vec::new();
/// tokenize("The maxRetries of these policies", |token, _| tokens.push(token.to_owned()));
/// tokens.sort();
/// assert_eq!(tokens, ["max", "maxretri", "polici", "retri"]);
/// ```
pub fn tokenize(text: &str, mut token: impl FnMut(&str, u32)) {
    // Most words of a text come again: count the spellings first, so that each is lower-cased,
    // taken apart and stemmed once.
    let mut spellings: HashMap<&str, u32> = HashMap::new();
    for_each_word(text, |word| {
        if word.len() <= MAX_WORD_LEN {
            let count = spellings.entry(word).or_default();
            *count = count.saturating_add(1);
        }
    });
    let stemmer = Stemmer::create(Algorithm::English);
    for (word, count) in spellings {
        for_each_token(word, &stemmer, |found| token(found, count));
    }
}

fn for_each_token(word: &str, stemmer: &Stemmer, mut token: impl FnMut(&str)) {
    let lower = lowercase(word);
    if is_stop_word(&lower) {
        return;
    }
    let mut parts: Vec<&str> = Vec::new();
    if for_each_part(word, |part| parts.push(part)) == 0 {
        return;
    }
    let whole = if lower.contains('_') {
        Cow::Owned(lower.replace('_', ""))
    } else {
        lower
    };
    token(&stem(&whole, stemmer));
    if parts.len() < 2 {
        return;
    }
    for part in parts {
        if part.chars().nth(MIN_PART_CHARS - 1).is_none() {
            continue;
        }
        let part = lowercase(part);
        if !is_stop_word(&part) {
            token(&stem(&part, stemmer));
        }
    }
}

fn lowercase(word: &str) -> Cow<'_, str> {
    if word
        .bytes()
        .all(|b| b.is_ascii() && !b.is_ascii_uppercase())
    {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(word.to_lowercase())
    }
}

/// Stems what can be an English word: letters without accents.
fn stem<'w>(word: &'w str, stemmer: &Stemmer) -> Cow<'w, str> {
    if word.len() > 2 && word.bytes().all(|b| b.is_ascii_lowercase()) {
        stemmer.stem(word)
    } else {
        Cow::Borrowed(word)
    }
}
