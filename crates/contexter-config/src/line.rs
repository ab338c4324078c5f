//! Text from outside as one line.

/// The longest text from outside that is shown, in characters.
const LONGEST_SHOWN: usize = 300;

/// Makes a text from outside, such as the words of a service, safe to be part of an error or a log line.
///
/// The result is one line: runs of white space become one space; control characters and those that show
/// nothing, or change the direction of text, are left out. It has at most 300 characters, the last of which is
/// `…` if something was cut off. Where the text may repeat a key,
/// [`Secrets::told`](crate::Secrets::told) takes it out before the cut.
///
/// # Examples
///
/// ```
/// use contexter_config::clean;
///
/// assert_eq!(clean(" over quota,\r\n\tsee \u{1b}[31mbilling "), "over quota, see [31mbilling");
/// assert_eq!(clean(&"x".repeat(1000)).chars().count(), 300);
/// ```
#[must_use]
pub fn clean(text: &str) -> String {
    let (mut line, goes_on) = one_line(text, LONGEST_SHOWN);
    if goes_on {
        if let Some((last, _)) = line.char_indices().nth(LONGEST_SHOWN - 1) {
            line.truncate(last);
        }
        line.truncate(line.trim_end().len());
        line.push('…');
    }
    line
}

/// Makes one line of a text, without what does not show, and of no more than so many characters; and tells
/// whether the text goes on.
pub(crate) fn one_line(text: &str, most: usize) -> (String, bool) {
    let mut shown = String::new();
    let mut length = 0_usize;
    let mut gap = false;
    for character in text.chars() {
        if character.is_whitespace() {
            gap = length > 0;
            continue;
        }
        if is_hidden(character) {
            continue;
        }
        let added = 1 + usize::from(gap);
        if length.saturating_add(added) > most {
            return (shown, true);
        }
        length = length.saturating_add(added);
        if gap {
            shown.push(' ');
        }
        shown.push(character);
        gap = false;
    }
    (shown, false)
}

/// Tells whether a character shows nothing: a control that is no white space, or one of those that programs
/// leave out or steer others by (Unicode 16, `Default_Ignorable_Code_Point` and `Bidi_Control`,
/// <https://www.unicode.org/Public/16.0.0/ucd/DerivedCoreProperties.txt>).
pub(crate) fn is_hidden(character: char) -> bool {
    (character.is_control() && !character.is_whitespace())
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_of_bounded_length() {
        for (text, shown) in [
            ("", ""),
            ("  \n ", ""),
            ("plain", "plain"),
            ("a\r\nb\tc", "a b c"),
            ("a\u{0}b\u{7f}", "ab"),
            ("safe\u{202e}txet", "safetxet"),
            ("so\u{ad}ft\u{fe0f}\u{e0041}", "soft"),
            ("naïve – ok", "naïve – ok"),
        ] {
            assert_eq!(clean(text), shown, "{text:?}");
        }
        let exact = "y".repeat(300);
        assert_eq!(clean(&exact), exact);
        let cut = clean(&format!("{exact}z"));
        assert_eq!(cut.chars().count(), 300);
        assert!(cut.ends_with("y…"), "{cut}");
        for length in [299, 300] {
            let cut = clean(&format!("{} z", "y".repeat(length)));
            assert_eq!(cut, format!("{}…", "y".repeat(299)));
        }
    }
}
