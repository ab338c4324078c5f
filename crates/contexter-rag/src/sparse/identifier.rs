//! Taking identifiers apart.

/// Calls `part` with the parts of a word, in order, and returns how many there are.
///
/// Parts end at `_`, where lower case turns to upper case (`maxRetries`), before the last capital
/// of a run that a lower-case letter follows (`HTTPServer`) and between letters and digits
/// (`utf8`). The `s` of a plural acronym (`URLs`) belongs to it.
pub(super) fn for_each_part<'w>(word: &'w str, mut part: impl FnMut(&'w str)) -> usize {
    let mut count = 0;
    for segment in word.split('_').filter(|segment| !segment.is_empty()) {
        let mut rest = segment;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(first_part_len(rest));
            part(head);
            count += 1;
            rest = tail;
        }
    }
    count
}

/// Returns the length of the first part of a segment without `_`; at least one character.
fn first_part_len(segment: &str) -> usize {
    let mut chars = segment.char_indices().peekable();
    let Some((_, first)) = chars.next() else {
        return 0;
    };
    let mut before = first;
    while let Some((at, c)) = chars.next() {
        if is_digit(before) != is_digit(c) || (before.is_lowercase() && c.is_uppercase()) {
            return at;
        }
        let ends_acronym = before.is_uppercase()
            && c.is_uppercase()
            && chars.peek().is_some_and(|&(next_at, next)| {
                let plural = next == 's' && !continues_word(segment, next_at + 1);
                next.is_lowercase() && !plural
            });
        if ends_acronym {
            return at;
        }
        before = c;
    }
    segment.len()
}

fn is_digit(c: char) -> bool {
    c.is_numeric()
}

fn continues_word(segment: &str, at: usize) -> bool {
    segment
        .get(at..)
        .and_then(|rest| rest.chars().next())
        .is_some_and(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::for_each_part;

    fn parts(word: &str) -> Vec<&str> {
        let mut parts = Vec::new();
        let count = for_each_part(word, |part| parts.push(part));
        assert_eq!(count, parts.len());
        parts
    }

    #[test]
    fn identifiers_fall_apart_at_case_underscores_and_digits() {
        assert_eq!(parts("maxRetries"), ["max", "Retries"]);
        assert_eq!(parts("RetryBudget"), ["Retry", "Budget"]);
        assert_eq!(parts("HTTPServer"), ["HTTP", "Server"]);
        assert_eq!(parts("__init_state__"), ["init", "state"]);
        assert_eq!(parts("MAX_BATCH_LEN"), ["MAX", "BATCH", "LEN"]);
        assert_eq!(parts("sha256sum"), ["sha", "256", "sum"]);
        assert_eq!(parts("parseÜberIO"), ["parse", "Über", "IO"]);
    }

    #[test]
    fn plain_words_and_plural_acronyms_stay_whole() {
        assert_eq!(parts("semaphore"), ["semaphore"]);
        assert_eq!(parts("Semaphore"), ["Semaphore"]);
        assert_eq!(parts("URLs"), ["URLs"]);
        assert_eq!(parts("URLs2"), ["URLs", "2"]);
        assert_eq!(parts("URLsafe"), ["UR", "Lsafe"]);
        assert!(parts("___").is_empty());
        assert!(parts("").is_empty());
    }
}
