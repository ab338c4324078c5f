//! Texts of others, as they go into logs and dead letters.

use std::any::Any;

/// The most bytes of an error that are kept. A dead letter has to fit into a message of the broker,
/// and what an error says is at its beginning.
const MOST: usize = 4_096;

/// Makes one line of a text: control characters, and those that turn or hide what stands beside
/// them, become spaces, and what is too long is cut.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(MOST));
    for character in text.chars() {
        if line.len() + character.len_utf8() > MOST {
            line.push('…');
            break;
        }
        line.push(if is_odd(character) { ' ' } else { character });
    }
    line
}

/// Returns what a panic says.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

fn is_odd(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}'
                | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_and_no_longer_than_it_may_be() {
        let odd = "a\r\nb\u{1b}[31mc\u{202e}d\u{2028}e";
        assert_eq!(one_line(odd), "a  b [31mc d e");
        let long = "ä".repeat(3_000);
        let line = one_line(&long);
        assert!(line.len() <= MOST + '…'.len_utf8(), "{}", line.len());
        assert!(line.ends_with("ä…"));
        assert_eq!(one_line("äöü"), "äöü");
    }
}
