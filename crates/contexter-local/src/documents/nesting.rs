//! Fences and depths: the parts of a text that must be known before it is converted.

/// Follows the fenced code blocks of a Markdown text, line by line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fences {
    open: Option<(char, usize)>,
}

impl Fences {
    /// Returns whether `line` belongs to a code block, its fences included.
    pub(crate) fn is_code(&mut self, line: &str) -> bool {
        let text = line.trim();
        let found = marker(text);
        match (self.open, found) {
            (None, Some((mark, length))) => {
                // The info string of a backtick fence holds no backtick: that is inline code.
                let is_fence = mark == '~' || !text.trim_start_matches('`').contains('`');
                if is_fence {
                    self.open = Some((mark, length));
                }
                is_fence
            }
            (Some((mark, length)), Some((closing, count))) => {
                if mark == closing && count >= length && text.trim_matches(mark).is_empty() {
                    self.open = None;
                }
                true
            }
            (Some(_), None) => true,
            (None, None) => false,
        }
    }

    /// Returns whether a code block is open after the last line.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

fn marker(text: &str) -> Option<(char, usize)> {
    let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = text.chars().take_while(|c| *c == mark).count();
    (length >= 3).then_some((mark, length))
}

/// Returns a backtick fence that no run of backticks in `code` can close.
pub(crate) fn fence(code: &str) -> String {
    let longest = code
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    "`".repeat(longest.saturating_add(1).max(3))
}

/// Elements that need no end tag, or have none, and so say nothing about the depth.
const UNCLOSED: &[&str] = &[
    "area", "base", "body", "br", "col", "colgroup", "dd", "dt", "embed", "head", "hr", "html",
    "img", "input", "li", "link", "meta", "option", "p", "param", "source", "tbody", "td", "tfoot",
    "th", "thead", "tr", "track", "wbr",
];

/// Estimates how deeply the elements of a page are nested, without building a tree.
pub(crate) fn html_depth(html: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0_usize;
    for part in html.split('<').skip(1) {
        let closes = part.starts_with('/');
        let name: String = part
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .take(12)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        if name.is_empty() || UNCLOSED.contains(&name.as_str()) {
            continue;
        }
        if closes {
            depth = depth.saturating_sub(1);
        } else {
            depth = depth.saturating_add(1);
            deepest = deepest.max(depth);
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_close_only_with_their_own_mark_and_length() {
        let mut fences = Fences::default();
        let text = "a\n````rust\n```\n~~~~\n````\nb\n``` inline ```\n";
        let code: Vec<bool> = text.lines().map(|line| fences.is_code(line)).collect();
        assert_eq!(code, [false, true, true, true, true, false, false]);
        assert!(!fences.is_open());
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fence("a"), "```");
        assert_eq!(fence("````"), "`````");
    }

    #[test]
    fn unclosed_paragraphs_are_not_depth() {
        assert_eq!(html_depth(&"<p>a<br>".repeat(1000)), 0);
        assert_eq!(html_depth(&"<div>".repeat(1000)), 1000);
        assert_eq!(html_depth(&"<div></div>".repeat(1000)), 1);
        assert_eq!(html_depth("a < b && c <<< d"), 0);
    }
}
