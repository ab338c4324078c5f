//! Counting tokens without the vendor's tokenizers: close in number, not in kind.
//!
//! A token is a run of at most four ASCII letters or digits, any other single visible character, or
//! a run of line breaks; blanks belong to what follows.

use std::ops::Range;

/// How many letters or digits make one token.
const LETTERS: usize = 4;

/// Counts the tokens of a text.
pub(super) fn count(text: &str) -> u64 {
    spans(text).map(|_| 1).sum()
}

/// Counts the tokens of a text up to a limit, and returns the part that holds them.
pub(super) fn cut(text: &str, limit: u64) -> (&str, u64) {
    let mut tokens = 0;
    let mut end = 0;
    for span in spans(text) {
        if tokens == limit {
            return (text.get(..end).unwrap_or(text), tokens);
        }
        tokens += 1;
        end = span.end;
    }
    (text, tokens)
}

/// Iterates over the tokens of a text.
pub(super) fn spans(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut characters = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, first) = characters.find(|(_, c)| !c.is_whitespace() || *c == '\n')?;
        let mut end = start + first.len_utf8();
        let mut length = 1;
        while let Some(&(place, next)) = characters.peek() {
            let belongs = if first == '\n' {
                next == '\n'
            } else {
                first.is_ascii_alphanumeric() && next.is_ascii_alphanumeric() && length < LETTERS
            };
            if !belongs {
                break;
            }
            end = place + next.len_utf8();
            length += 1;
            characters.next();
        }
        Some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_in_fours_and_marks_count_each() {
        assert_eq!(count(""), 0);
        assert_eq!(count("  \t "), 0);
        assert_eq!(count("word"), 1);
        assert_eq!(count("words and more"), 2 + 1 + 1);
        assert_eq!(count("a.b\n\nc"), 5);
        assert_eq!(count("日本"), 2);
    }

    #[test]
    fn a_cut_text_has_as_many_tokens_as_were_asked_for() {
        let text = "parse the header of é\n\nthis file";
        let all = count(text);
        for limit in 0..=all + 2 {
            let (part, tokens) = cut(text, limit);
            assert_eq!(tokens, limit.min(all));
            assert_eq!(count(part), tokens, "{part:?}");
            assert!(text.starts_with(part));
        }
    }
}
