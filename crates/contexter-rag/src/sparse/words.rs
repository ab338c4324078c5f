//! Finding the words of a text.

/// Calls `word` with every word of `text`, in order.
///
/// A word is a longest run of letters, digits, combining marks and `_`. Ideographs and kana, whose
/// scripts put no spaces between words, become overlapping pairs of characters instead.
pub(super) fn for_each_word<'t>(text: &'t str, mut word: impl FnMut(&'t str)) {
    let mut rest = text;
    loop {
        let Some(start) = rest.find(|c| kind(c) != Kind::Separator) else {
            return;
        };
        rest = rest.get(start..).unwrap_or_default();
        let run_kind = rest.chars().next().map_or(Kind::Separator, kind);
        let end = rest.find(|c| kind(c) != run_kind).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if run_kind == Kind::Unspaced {
            for_each_pair(run, &mut word);
        } else {
            word(run);
        }
        rest = after;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Separator,
    Spaced,
    Unspaced,
}

fn kind(c: char) -> Kind {
    if c.is_ascii() {
        return if c.is_ascii_alphanumeric() || c == '_' {
            Kind::Spaced
        } else {
            Kind::Separator
        };
    }
    match c {
        // Hiragana, katakana, ideographs with their extensions A and compatibility forms, and the
        // supplementary ideographic planes (Unicode 16, blocks). Hangul is written with spaces.
        '\u{3041}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' => Kind::Unspaced,
        // Combining diacritical marks: a decomposed "é" must not break its word in two.
        '\u{300}'..='\u{36f}' => Kind::Spaced,
        c if c.is_alphanumeric() => Kind::Spaced,
        _ => Kind::Separator,
    }
}

fn for_each_pair<'t>(run: &'t str, word: &mut impl FnMut(&'t str)) {
    let mut starts = run.char_indices().map(|(at, _)| at);
    let ends = run.char_indices().map(|(at, c)| at + c.len_utf8()).skip(1);
    let mut paired = false;
    for (start, end) in starts.by_ref().zip(ends) {
        paired = true;
        word(run.get(start..end).unwrap_or_default());
    }
    if !paired {
        word(run);
    }
}

#[cfg(test)]
mod tests {
    use super::for_each_word;

    fn words(text: &str) -> Vec<&str> {
        let mut words = Vec::new();
        for_each_word(text, |word| words.push(word));
        words
    }

    #[test]
    fn words_are_runs_of_letters_digits_marks_and_underscores() {
        assert_eq!(
            words("  tokio::spawn(my_task2)? Grüße, cafe\u{301} — 42"),
            ["tokio", "spawn", "my_task2", "Grüße", "cafe\u{301}", "42"]
        );
        assert!(words(" -- ").is_empty());
        assert!(words("").is_empty());
    }

    #[test]
    fn scripts_without_spaces_become_pairs() {
        assert_eq!(
            words("Rust异步编程 好"),
            ["Rust", "异步", "步编", "编程", "好"]
        );
    }
}
