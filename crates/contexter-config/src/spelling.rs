//! How texts are written in addresses, forms, JSON and HTML, and what they are read as there.

use std::ops::Range;

use crate::line::is_hidden;

/// How often a text is read: JSON within a query of an address is spelled twice.
const DEPTH: usize = 2;

/// The longest that one byte becomes when it is spelled as often: each of the six of `\u002f` as `\u005c`.
pub(crate) const LONGEST_SPELLED: usize = 36;

/// The longest reference of HTML that is read, such as `&#x1f511;`, in bytes: those with more zeros are nobody's.
const LONGEST_REFERENCE: usize = 10;

/// A text as it is read, and where each of its bytes is written.
#[derive(Clone, Default)]
pub(crate) struct View {
    bytes: Vec<u8>,
    /// Start and end of what a byte was read from. All bytes of one escape have the whole of it.
    places: Vec<(usize, usize)>,
}

/// What is read at the start of a text, if it is an escape: the bytes, and how many were read.
type Reader = fn(&[u8]) -> Option<(Vec<u8>, usize)>;

/// Tells whether a text reads otherwise than it is written, or holds what does not show.
pub(crate) fn may_read_otherwise(text: &str) -> bool {
    text.bytes().any(|byte| {
        matches!(byte, b'%' | b'+' | b'\\' | b'&') || byte.is_ascii_control() || byte >= 0x80
    })
}

/// Returns a text as it is written and as it reads in JSON, in an address, in a form and in HTML, also one within
/// the other; each without what does not show, and in lower case.
pub(crate) fn views(text: &str) -> Vec<View> {
    let written = View {
        bytes: text.as_bytes().to_vec(),
        places: (0..text.len())
            .map(|at| (at, at.saturating_add(1)))
            .collect(),
    };
    let mut all = vec![written.folded()];
    let mut last = vec![written];
    for _ in 0..DEPTH {
        last = last.iter().flat_map(View::read_once).collect();
        all.extend(last.iter().map(View::folded));
    }
    all
}

/// Returns a text as [`views`] have it.
pub(crate) fn folded(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    text.chars().filter(|c| !is_hidden(*c)).collect()
}

impl View {
    /// Returns where in the text a word is written.
    pub(crate) fn find(&self, word: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let first = word.first().copied();
        self.bytes
            .windows(word.len().max(1))
            .enumerate()
            .filter(move |(_, part)| part.first().copied() == first && *part == word)
            .filter_map(move |(at, _)| self.written(at..at.saturating_add(word.len())))
    }

    /// Returns where the beginning of a word is written at the end of the text, or before its `…`, if it is
    /// at least so long.
    pub(crate) fn find_beginning(&self, word: &[u8], shortest: usize) -> Option<Range<usize>> {
        let mut bytes = self.bytes.as_slice();
        while let Some(before) = bytes.strip_suffix("…".as_bytes()) {
            bytes = before;
        }
        let length = (shortest..word.len()).rev().find(|length| {
            word.get(..*length)
                .is_some_and(|start| bytes.ends_with(start))
        })?;
        self.written(bytes.len().checked_sub(length)?..bytes.len())
    }

    fn written(&self, read: Range<usize>) -> Option<Range<usize>> {
        let places = self.places.get(read)?;
        Some(places.first()?.0..places.last()?.1)
    }

    /// Returns what this reads as in each way that is another.
    fn read_once(&self) -> Vec<Self> {
        let has_form = self.bytes.contains(&b'+');
        let readers: &[Reader] = if has_form {
            &[json, percent, html, form]
        } else {
            &[json, percent, html]
        };
        let read = readers.iter().filter_map(|reader| self.read(*reader));
        read.collect()
    }

    /// Reads all escapes; `None` if there is none.
    fn read(&self, reader: Reader) -> Option<Self> {
        let mut read = Self::default();
        let mut is_other = false;
        let mut bytes = self.bytes.as_slice();
        let mut places = self.places.as_slice();
        while let (Some((&byte, _)), Some(&place)) = (bytes.split_first(), places.first()) {
            let taken = if let Some((escaped, taken)) = reader(bytes) {
                is_other = true;
                let last = places.get(taken.saturating_sub(1)).unwrap_or(&place);
                let whole = (place.0, last.1);
                read.places.extend(escaped.iter().map(|_| whole));
                read.bytes.extend(escaped);
                taken
            } else {
                read.bytes.push(byte);
                read.places.push(place);
                1
            };
            bytes = bytes.get(taken..).unwrap_or_default();
            places = places.get(taken..).unwrap_or_default();
        }
        is_other.then_some(read)
    }

    /// Returns this in lower case, and without what does not show.
    fn folded(&self) -> Self {
        let mut folded = Self::default();
        let mut places = self.places.iter();
        let mut keep = |bytes: &[u8], is_kept: bool| {
            for (byte, place) in bytes.iter().zip(places.by_ref()) {
                if is_kept {
                    folded.bytes.push(byte.to_ascii_lowercase());
                    folded.places.push(*place);
                }
            }
        };
        for chunk in self.bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                let mut bytes = [0; 4];
                let bytes = character.encode_utf8(&mut bytes).as_bytes();
                keep(bytes, !is_hidden(character));
            }
            keep(chunk.invalid(), true);
        }
        folded
    }
}

/// Reads an escape of JSON (RFC 8259, section 7), or of the languages whose literals look alike.
fn json(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let escape = text.strip_prefix(b"\\")?;
    let character = match escape.first()? {
        same @ (b'"' | b'\'' | b'\\' | b'/') => char::from(*same),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(text),
        b'x' => return Some((vec![byte(text.get(2..)?)?], 4)),
        _ => return None,
    };
    Some((utf8(character), 2))
}

/// Reads `\u00e4`, and `\ud83d\udd11`, which is one character.
fn unicode(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let unit = |at: usize| {
        let escape = text.get(at..)?.strip_prefix(b"\\u")?.get(..4)?;
        escape.iter().try_fold(0_u16, |unit, digit| {
            Some(unit * 16 + u16::from(hex(*digit)?))
        })
    };
    let units = [Some(unit(0)?), unit(6)];
    let mut read = char::decode_utf16(units.into_iter().flatten());
    let character = read.next()?.ok()?;
    let taken = if character.len_utf16() == 1 { 6 } else { 12 };
    Some((utf8(character), taken))
}

/// Reads `%2f` (RFC 3986, section 2.1).
fn percent(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let digits = text.strip_prefix(b"%")?;
    Some((vec![byte(digits)?], 3))
}

/// Reads what stands in a form (<https://url.spec.whatwg.org/#urlencoded-parsing>).
fn form(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    if text.first() == Some(&b'+') {
        return Some((vec![b' '], 1));
    }
    percent(text)
}

/// Reads `&quot;`, `&#39;` or `&#x2f;` (<https://html.spec.whatwg.org/#character-references>): of the names,
/// those of the characters that are written so for being part of the language.
fn html(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let reference = text.strip_prefix(b"&")?;
    let mut places = reference.iter().take(LONGEST_REFERENCE);
    let end = places.position(|byte| *byte == b';')?;
    let character = match std::str::from_utf8(reference.get(..end)?).ok()? {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        number => {
            let number = number.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    Some((utf8(character), end.saturating_add(2)))
}

fn utf8(character: char) -> Vec<u8> {
    character.to_string().into_bytes()
}

/// Reads two digits.
fn byte(digits: &[u8]) -> Option<u8> {
    Some(hex(*digits.first()?)? * 16 + hex(*digits.get(1)?)?)
}

fn hex(digit: u8) -> Option<u8> {
    let digit = char::from(digit).to_digit(16)?;
    u8::try_from(digit).ok()
}
