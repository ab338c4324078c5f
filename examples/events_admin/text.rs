//! Texts of others as a terminal may have them: nothing in them steers it, or passes for our own.

use std::fmt::Write as _;

/// Writes a text in one line, with what steers a terminal escaped.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_odd(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// Writes a text with its lines below one another, `indent` columns from the left, so that none of
/// them looks like the beginning of a row. The first line has its place already.
pub(crate) fn below(text: &str, indent: usize) -> String {
    let mut lines = text.split('\n').map(one_line);
    let mut block = lines.next().unwrap_or_default();
    for line in lines {
        // Writing to a string does not fail.
        let _ = write!(block, "\n{:indent$}{line}", "");
    }
    block
}

/// Escapes what steers a terminal in the JSON of a writer of JSON, which means the same afterwards:
/// outside of its texts there is nothing odd but the ends of its lines.
pub(crate) fn json(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !is_odd(c) {
            plain.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(plain, "\\u{unit:04x}");
        }
    }
    plain
}

/// Whether a character steers the terminal, or turns or breaks what stands beside it.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}'
                | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_and_steers_nothing() {
        for (text, shown) in [
            ("größe 😀 \\n", "größe 😀 \\n"),
            ("a\r\n\tb", "a\\r\\n\\tb"),
            ("\u{1b}[2J\u{9b}31m\u{7f}", "\\u{1b}[2J\\u{9b}31m\\u{7f}"),
            ("\u{202e}txt\u{2028}", "\\u{202e}txt\\u{2028}"),
        ] {
            assert_eq!(one_line(text), shown);
        }
    }

    #[test]
    fn further_lines_begin_where_no_row_begins() {
        assert_eq!(
            below("a\nid  7\n\n\u{1b}c", 4),
            "a\n    id  7\n    \n    \\u{1b}c"
        );
        assert_eq!(below("", 4), "");
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let value = serde_json::json!({ "\u{9b}": "\u{7f}\u{202e}\u{1b}\n", "a": ["größe"] });
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let plain = json(&pretty);
        assert!(!plain.chars().any(|c| c != '\n' && is_odd(c)), "{plain}");
        assert!(plain.contains("größe"), "{plain}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&plain).unwrap(),
            value
        );
        assert_eq!(plain.lines().count(), pretty.lines().count());
    }
}
