//! Taking in a reply as it arrives, so that neither its body nor the text of its vectors is kept.

use std::mem;

use crate::element::{Element, from_base64, from_list};
use crate::taken::{Extent, Taken};

/// The key of a vector, as it is written.
const KEY: &[u8] = br#""embedding""#;

/// A reply as it arrives, in pieces of any size.
///
/// A vector is decoded as soon as its last byte is there, and its text is let go: what is held is the
/// vectors and the little JSON around them. Only what is a vector in every respect is taken out, and an
/// empty text left in its place. All else stays in the JSON as it came, to be read or refused there; so
/// that what is said about a reply does not depend on how it arrived.
#[derive(Debug)]
pub(crate) struct Intake<E> {
    /// How many values a vector has, where that is known.
    length: Option<usize>,
    json: Vec<u8>,
    taken: Vec<Taken<E>>,
    state: State,
    /// What has arrived of a vector that has not ended: of a list with its bracket, of a text without
    /// its quote.
    part: Vec<u8>,
}

/// What the next byte is in.
#[derive(Clone, Copy, Debug)]
enum State {
    /// In no text.
    Between,
    /// In a text that stays; `true`: behind a backslash.
    Text(bool),
    /// In the text of a vector.
    Base64,
    /// In the list of a vector.
    List,
}

impl<E: Element> Intake<E> {
    pub(crate) fn new(length: Option<usize>) -> Self {
        Self {
            length,
            json: Vec::new(),
            taken: Vec::new(),
            state: State::Between,
            part: Vec::new(),
        }
    }

    /// Takes in the next piece.
    pub(crate) fn push(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            piece = match self.state {
                State::Between => self.between(piece),
                State::Text(escaped) => self.text(piece, escaped),
                State::Base64 => self.base64(piece),
                State::List => self.list(piece),
            };
        }
    }

    /// Returns what is left of the JSON, what was taken out of it, and how long a vector is.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<Taken<E>>, Option<usize>) {
        // What has not ended stays.
        if matches!(self.state, State::Base64) {
            self.json.push(b'"');
        }
        self.json.append(&mut self.part);
        (self.json, self.taken, self.length)
    }

    fn between<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let at = memchr::memchr2(b'"', b'[', piece).unwrap_or(piece.len());
        let (before, from) = piece.split_at(at);
        self.json.extend_from_slice(before);
        let Some((first, behind)) = from.split_first() else {
            return &[];
        };
        self.state = match (first, self.is_at_vector()) {
            (b'"', true) => State::Base64,
            (b'"', false) => State::Text(false),
            (_, true) => State::List,
            (_, false) => State::Between,
        };
        match self.state {
            State::Base64 => behind,
            State::List => from,
            State::Between | State::Text(_) => {
                self.json.push(*first);
                behind
            }
        }
    }

    /// Whether a value of the key of vectors comes next.
    fn is_at_vector(&self) -> bool {
        self.json
            .trim_ascii_end()
            .strip_suffix(b":")
            .is_some_and(|before| before.trim_ascii_end().ends_with(KEY))
    }

    fn text<'a>(&mut self, piece: &'a [u8], escaped: bool) -> &'a [u8] {
        let end = if escaped {
            Some(0)
        } else {
            memchr::memchr2(b'"', b'\\', piece)
        };
        let (own, behind) = piece.split_at(end.map_or(piece.len(), |end| end + 1));
        self.json.extend_from_slice(own);
        self.state = match own.last() {
            _ if escaped || end.is_none() => State::Text(false),
            Some(b'\\') => State::Text(true),
            _ => State::Between,
        };
        behind
    }

    fn base64<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let Some(end) = memchr::memchr2(b'"', b'\\', piece) else {
            self.part.extend_from_slice(piece);
            return &[];
        };
        let (own, from) = piece.split_at(end);
        let mut part = mem::take(&mut self.part);
        let text = joined(&mut part, own);
        match from.split_first() {
            Some((b'"', behind)) if let Ok(values) = from_base64(text, self.length) => {
                self.take(values, Extent::of_text(text));
                self.reuse(part);
                behind
            }
            // How it ends is seen again as that of a text that stays.
            _ => {
                self.json.push(b'"');
                self.json.extend_from_slice(text);
                self.state = State::Text(false);
                self.reuse(part);
                from
            }
        }
    }

    fn list<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        // Its own bracket is not looked for.
        let begun = usize::from(self.part.is_empty());
        let rest = piece.get(begun..).unwrap_or_default();
        let Some(end) = memchr::memchr3(b']', b'[', b'"', rest) else {
            self.part.extend_from_slice(piece);
            return &[];
        };
        let is_whole = rest.get(end) == Some(&b']');
        let (own, behind) = piece.split_at(begun + end + usize::from(is_whole));
        let mut part = mem::take(&mut self.part);
        let list = joined(&mut part, own);
        let values = is_whole.then(|| from_list(list, self.length)).flatten();
        if let Some(values) = values {
            self.take(values, Extent::of(list));
        } else {
            self.json.extend_from_slice(list);
            self.state = State::Between;
        }
        self.reuse(part);
        behind
    }

    fn take(&mut self, values: Vec<E>, extent: Extent) {
        self.json.push(b'"');
        let at = self.json.len();
        self.json.push(b'"');
        self.taken.push(Taken { at, values, extent });
        self.state = State::Between;
    }

    fn reuse(&mut self, mut part: Vec<u8>) {
        part.clear();
        self.part = part;
    }
}

/// What came in one piece stays where it is.
fn joined<'a>(part: &'a mut Vec<u8>, last: &'a [u8]) -> &'a [u8] {
    if part.is_empty() {
        return last;
    }
    part.extend_from_slice(last);
    part
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::reading::{Part, Row, read, read_unordered};

    /// Vectors of eight floats, of bytes, in documents, with texts that look like them, over several
    /// lines and with escapes.
    const SEEDS: [&str; 5] = [
        r#"{"object":"list","data":[{"index":1,"embedding":"AAAAPwAAgL4AAIA/AAAAQAAAQEAAAIBAAACgQAAAwEA="},{"embedding" :
 "AAAAPwAAgL4AAIA/AAAAQAAAQEAAAIBAAACgQAAAwEA","index":0,"x":["a\"b\\",[1]]}],"usage":{"total_tokens":3}}"#,
        r#"{"data":[{"index":0,"embedding":[0.5,-0.25,
 1,2e0, 3,4,5,
6]},{"index":1,"embedding" : [1,2,3,4,5,6,7,8] }],
"model":"voyage-4"}"#,
        r#"{"data":[{"index":0,"embedding":"AQID\/wAA"},{"index":1,"embedding":[-3,[4],"x"]},
{"embeddin\u0067":"AQIDBAUG","index":2},{"index":3,"embedding":""},{"index":4,"embedding":[]}]}"#,
        r#"{"data":[{"index":0,"data":[{"index":0,"embedding":"AQIDBAUGBwg=","text":"\"embedding\":\"AQ==\""},
{"index":1,"embedding":"AQIDBAUGBwg=","text":"embedding"}]},{"index":1,"data":[]}]}"#,
        r#"{"x":{"embedding":"AQIDBAUGBwg=","data":[]},"embedding":[1,2,3,4,5,6,7,8],"data":[
{"index":0,"embedding":"AQIDBAUGBwg=","embedding":[1,2,3,4,5,6,7,8]},{"index":1,"embedding":null}]}"#,
    ];

    /// Replies with some bytes replaced, a piece taken out, and the end cut off.
    fn body() -> impl Strategy<Value = Vec<u8>> {
        let edits = prop::collection::vec((any::<Index>(), any::<u8>()), 0..3);
        let cut = prop::option::weighted(0.3, any::<Index>());
        let hole = prop::option::weighted(0.3, (any::<Index>(), 1..40_usize));
        (prop::sample::select(&SEEDS[..]), edits, hole, cut).prop_map(|(seed, edits, hole, cut)| {
            let mut body = seed.as_bytes().to_vec();
            for (place, byte) in edits {
                let place = place.index(body.len());
                body.splice(place..=place, [byte]);
            }
            if let Some((start, length)) = hole {
                let start = start.index(body.len());
                body.drain(start..(start + length).min(body.len()));
            }
            if let Some(cut) = cut.filter(|_| !body.is_empty()) {
                body.truncate(cut.index(body.len()));
            }
            body
        })
    }

    /// What is read of a reply in pieces, and what of the JSON as it is.
    fn both<P: Part + Debug>(body: &[u8], piece: usize, length: Option<usize>) -> (String, String) {
        let mut intake = Intake::<P::Value>::new(length);
        for piece in body.chunks(piece) {
            intake.push(piece);
        }
        let (json, taken, length) = intake.finish();
        let in_pieces = read_unordered::<P>(&json, taken, length);
        let whole = read_unordered::<P>(body, Vec::new(), length);
        (format!("{in_pieces:?}"), format!("{whole:?}"))
    }

    proptest! {
        #[test]
        fn what_is_said_of_a_reply_does_not_depend_on_how_it_arrives(
            body in body(),
            piece in prop_oneof![1..12_usize, Just(usize::MAX)],
            length in prop::option::weighted(0.8, Just(8)),
        ) {
            for (in_pieces, whole) in [
                both::<Row<f32>>(&body, piece, length),
                both::<Row<i8>>(&body, piece, length),
                both::<Row<u8>>(&body, piece, length),
                both::<Vec<(u64, Row<u8>)>>(&body, piece, length),
            ] {
                prop_assert_eq!(in_pieces, whole);
            }
        }
    }

    #[test]
    fn a_vector_leaves_nothing_of_its_text() {
        let mut intake = Intake::<f32>::new(Some(2));
        let body =
            br#"{"data":[{"embedding":"AACAPwAAAEA=","index":0},{"embedding":[3,4],"index":1}]}"#;
        for piece in body.chunks(3) {
            intake.push(piece);
        }
        assert_eq!(
            intake.json,
            br#"{"data":[{"embedding":"","index":0},{"embedding":"","index":1}]}"#
        );
        let envelope = read::<Row<f32>>(intake, Some(2)).map(|envelope| envelope.parts);
        let values = envelope.map(|rows| rows.into_iter().map(|row| row.values).collect());
        assert_eq!(values, Ok(vec![vec![1.0, 2.0], vec![3.0, 4.0]]));
    }
}
