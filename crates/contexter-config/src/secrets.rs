//! What must not be shown of a text.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::line::{clean, one_line};
use crate::spelling::{self, LONGEST_SPELLED};

/// What stands where a secret stood.
const REDACTED: &str = "[redacted]";

/// A shorter secret is not looked for in texts: it would be found in ordinary words.
const SHORTEST_SECRET: usize = 4;

/// How much of a text is searched for secrets before it is shown, in characters: far more than is shown,
/// and not what a service may send.
const LOOKED_AT: usize = 4096;

/// Texts that nothing that is shown may hold: keys and passwords. Clones share them.
///
/// They are found in any case of their letters, as they are and as services write them when they repeat what
/// they got: with any letters of them encoded as in an address, in a form, in JSON or in HTML, or in one
/// within the other; in Base64; with characters between that do not show. One of less than four bytes is not looked
/// for.
///
/// # Examples
///
/// ```
/// use contexter_config::Secrets;
///
/// let secrets = Secrets::new(["pa/s3cr3t"]);
/// assert_eq!(secrets.told("no pa/s3cr3t,\nsee ?key=PA%2FS3CR3T"), "no [redacted], see ?key=[redacted]");
/// assert_eq!(format!("{secrets:?}"), "[redacted]");
/// ```
#[derive(Clone, Default)]
pub struct Secrets(Arc<[String]>);

impl Secrets {
    /// Takes up keys and passwords.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::default().and(secrets)
    }

    /// Returns these and the others.
    #[must_use]
    pub fn and(&self, others: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let long = |secret: &String| secret.len() >= SHORTEST_SECRET && !secret.trim().is_empty();
        let others = others.into_iter().map(Into::into).filter(long);
        // The parts of a spelling can be shorter: what does not show is left out of them.
        let others = others.flat_map(|secret| spellings(&secret)).filter(long);
        let mut all: Vec<_> = self.0.iter().cloned().chain(others).collect();
        all.sort_unstable();
        all.dedup();
        Self(all.into())
    }

    /// Returns these as a service spells them in texts of few letters, such as codes.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_config::Secrets;
    ///
    /// let secrets = Secrets::new(["a-s3cr3t"]).spelled(|secret| secret.replace('-', "_"));
    /// assert!(secrets.are_in("A_S3CR3T"));
    /// ```
    #[must_use]
    pub fn spelled(&self, write: impl Fn(&str) -> String) -> Self {
        let spelled = self.0.iter().map(|secret| write(secret));
        let spelled = spelled.map(|secret| spelling::folded(&secret));
        Self(
            spelled
                .filter(|secret| secret.len() >= SHORTEST_SECRET)
                .collect(),
        )
    }

    /// Puts `[redacted]` in the place of every secret.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        self.without(text, text.len(), Cut::Nowhere)
    }

    /// As [`hide`](Self::hide), for a text that somebody may have cut off: also puts it in the place of what
    /// a secret begins with, where the text ends so. Of a beginning of less than four bytes nothing is
    /// known.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_config::Secrets;
    ///
    /// let secrets = Secrets::new(["pa/s3cr3t"]);
    /// assert_eq!(secrets.hide_cut_off("no pa/s3c…"), "no [redacted]…");
    /// ```
    #[must_use]
    pub fn hide_cut_off(&self, text: &str) -> String {
        self.without(text, text.len(), Cut::AtTheEnd)
    }

    /// Makes one line of a text from outside, without what does not show, with `[redacted]` in the place of
    /// every secret. Of a long text the first few thousand characters are left, in which one may look for
    /// more before [`clean`] cuts it to what is shown.
    #[must_use]
    pub fn line(&self, text: &str) -> String {
        let reach = self.reach();
        let (line, goes_on) = one_line(text, LOOKED_AT.saturating_add(reach));
        if !goes_on {
            return self.hide(&line);
        }
        // What the cut left of a secret is no further from it than the longest spelling reaches.
        let mut shown = self.without(&line, line.len().saturating_sub(reach), Cut::Nowhere);
        shown.push('…');
        shown
    }

    /// Makes a text from outside fit to be shown, as [`clean`], with `[redacted]` in the place of every
    /// secret, also where the cut or what does not show would have hidden it.
    #[must_use]
    pub fn told(&self, text: &str) -> String {
        clean(&self.line(text))
    }

    /// Returns whether a text holds a secret.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        !self.places(text, Cut::Nowhere).is_empty()
    }

    /// How long the longest secret may be in a text.
    fn reach(&self) -> usize {
        let longest = self.0.iter().map(String::len).max().unwrap_or_default();
        longest.saturating_mul(LONGEST_SPELLED)
    }

    /// Returns a text up to `end` without secrets; one that goes on there is replaced as a whole.
    fn without(&self, text: &str, end: usize, cut: Cut) -> String {
        let end = text.floor_char_boundary(end);
        let mut shown = String::with_capacity(end);
        let mut rest = 0;
        for place in self.places(text, cut) {
            if place.start >= end {
                break;
            }
            shown.push_str(text.get(rest..place.start).unwrap_or_default());
            shown.push_str(REDACTED);
            rest = place.end;
        }
        shown.push_str(text.get(rest..end).unwrap_or_default());
        shown
    }

    /// Returns where secrets are written, in the order of the text; those that overlap are one.
    fn places(&self, text: &str, cut: Cut) -> Vec<Range<usize>> {
        if self.0.is_empty() {
            return Vec::new();
        }
        if cut == Cut::Nowhere && !spelling::may_read_otherwise(text) {
            let text = text.to_ascii_lowercase();
            if !self.0.iter().any(|secret| text.contains(secret.as_str())) {
                return Vec::new();
            }
        }
        let mut found = Vec::new();
        for view in spelling::views(text) {
            for secret in self.0.iter().map(String::as_bytes) {
                found.extend(view.find(secret));
                if cut == Cut::AtTheEnd {
                    found.extend(view.find_beginning(secret, SHORTEST_SECRET));
                }
            }
        }
        found.sort_unstable_by_key(|place| (place.start, place.end));
        let mut places: Vec<Range<usize>> = Vec::new();
        for place in found {
            match places.last_mut() {
                Some(last) if place.start < last.end => last.end = last.end.max(place.end),
                _ => places.push(place),
            }
        }
        places
    }
}

/// Where a text may have been cut off within a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Nowhere,
    AtTheEnd,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Returns a secret as texts are read that hold it.
fn spellings(secret: &str) -> [String; 4] {
    [
        secret.to_owned(),
        // As in a text that was made a line.
        one_line(secret, usize::MAX).0,
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ]
    .map(|spelled| spelling::folded(&spelled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_secret_is_left_where_a_long_text_is_cut_before_it_is_searched() {
        let secret = "s3cr3t-k3y";
        let secrets = Secrets::new([secret]);
        let longest = LOOKED_AT + secrets.reach();
        let torn: String = secret.chars().flat_map(|c| [c, '\u{200b}']).collect();
        let escaped = secret.chars().fold(String::new(), |written, c| {
            format!(r"{written}\u{:04x}", u32::from(c))
        });
        for written in [secret, &torn, &escaped] {
            for filling in (longest - 2 * secrets.reach()..=longest + 1).step_by(5) {
                let line = secrets.line(&format!("{}{written} ", "x".repeat(filling)));
                assert!(line.chars().count() <= longest + 1, "{filling}");
                let rest = line.trim_start_matches('x');
                let is_hidden = [
                    "",
                    "[redacted] ",
                    "[redacted]",
                    "[redacted]…",
                    "[redacted] …",
                    "…",
                ];
                assert!(is_hidden.contains(&rest), "{filling}: {rest}");
            }
        }
        // Also where hardly anything of it is shown.
        let many = format!("{secret} ").repeat(10_000);
        let told = secrets.told(&many);
        assert!(!told.contains("s3"), "{told}");
        assert!(told.starts_with("[redacted] [redacted]") && told.ends_with('…'));
    }
}
