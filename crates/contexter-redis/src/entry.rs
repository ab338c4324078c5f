//! Entries of a stream: their ids, their fields, and the events in them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use contexter_event_bus::Pattern;
use contexter_event_bus::transport::{REDRIVE_GROUP, RawMessage, Undecodable};
use contexter_protocol::{IntegrationEvent, codec};
use redis::Value;

/// The field that holds the data of an event.
pub(crate) const DATA: &str = "data";

/// The header that names the type of an event, in binary mode.
const TYPE: &str = "ce-type";

/// The id of an entry: milliseconds of the server's clock, and a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId {
    pub(crate) millis: u64,
    pub(crate) number: u64,
}

impl EntryId {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok()?.parse().ok()
    }

    /// The first id that a millisecond can have.
    pub(crate) fn at(millis: u64) -> Self {
        Self { millis, number: 0 }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.number)
    }
}

/// The text is no id of an entry.
#[derive(Debug)]
pub(crate) struct NoEntryId;

impl FromStr for EntryId {
    type Err = NoEntryId;

    fn from_str(text: &str) -> Result<Self, NoEntryId> {
        let (millis, number) = text.split_once('-').ok_or(NoEntryId)?;
        match (millis.parse(), number.parse()) {
            (Ok(millis), Ok(number)) => Ok(Self { millis, number }),
            _ => Err(NoEntryId),
        }
    }
}

/// Names and values, as they are stored.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Returns how many bytes they have.
pub(crate) fn size_of(fields: &Fields) -> usize {
    let size = |(name, value): &(Vec<u8>, Vec<u8>)| name.len() + value.len();
    fields.iter().map(size).sum()
}

/// An entry of a stream.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: EntryId,
    pub(crate) fields: Fields,
}

/// Takes an answer apart that is a list.
pub(crate) fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

/// Takes an answer apart that is text.
pub(crate) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

/// Takes an answer apart that is a number, or text that is one.
pub(crate) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    }
}

/// Takes an answer apart that is an id.
pub(crate) fn entry_id(value: &Value) -> Option<EntryId> {
    match value {
        Value::BulkString(bytes) => EntryId::parse(bytes),
        Value::SimpleString(text) => text.parse().ok(),
        _ => None,
    }
}

/// Takes an answer apart that is a list of names and values in turn.
pub(crate) fn fields(value: Value) -> Option<Fields> {
    let values = list(value)?;
    let mut fields = Vec::with_capacity(values.len() / 2);
    let mut values = values.into_iter();
    while let (Some(name), Some(value)) = (values.next(), values.next()) {
        fields.push((bytes(name)?, bytes(value)?));
    }
    Some(fields)
}

/// Takes an entry apart. An entry that is gone has no fields, where old servers mention it.
pub(crate) fn entry(value: Value) -> Option<Entry> {
    let mut parts = list(value)?.into_iter();
    let id = entry_id(&parts.next()?)?;
    let fields = fields(parts.next()?)?;
    Some(Entry { id, fields })
}

/// Takes a list of entries apart; what is none is left out.
pub(crate) fn entries(value: Value) -> Vec<Entry> {
    let values = list(value).unwrap_or_default();
    values.into_iter().filter_map(entry).collect()
}

/// Whether a subscription wants an entry, as far as that can be told without decoding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Yes,
    No,
    /// Only decoding can tell.
    Perhaps,
}

/// Tells whether a pattern matches the type of an entry.
pub(crate) fn wanted(fields: &Fields, pattern: &Pattern) -> Wanted {
    match plain_type(fields) {
        Some(event_type) if pattern.matches(event_type) => Wanted::Yes,
        Some(_) => Wanted::No,
        None => Wanted::Perhaps,
    }
}

/// The message in an entry.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) event: Result<Arc<IntegrationEvent>, Undecodable>,
    pub(crate) redrive_group: Option<Arc<str>>,
}

impl Message {
    pub(crate) fn read(fields: Fields) -> Self {
        let redrive_group = text_of(&fields, REDRIVE_GROUP).map(Arc::from);
        let (headers, body) = split(fields);
        let body = bytes::Bytes::from(body);
        let decoded = codec::decode(
            headers.iter().map(|(name, value)| (&**name, &**value)),
            body.clone(),
        );
        let event = decoded.map(Arc::new).map_err(|error| {
            let headers = headers
                .into_iter()
                .map(|(name, value)| (text_of_name(&name), value))
                .collect();
            Undecodable::new(error.to_string(), RawMessage::new(headers, body.into()))
        });
        Self {
            event,
            redrive_group,
        }
    }

    /// Tells whether a pattern matches the type of the event. What cannot be read concerns
    /// everybody: somebody must say that it is there.
    pub(crate) fn is_wanted(&self, pattern: &Pattern) -> bool {
        self.event
            .as_ref()
            .map_or(true, |event| pattern.matches(event.event_type()))
    }
}

/// Returns the type of an event in binary mode, if it is written as it is.
fn plain_type(fields: &Fields) -> Option<&str> {
    if fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(codec::CONTENT_TYPE.as_bytes()))
    {
        return None;
    }
    text_of(fields, TYPE).filter(|event_type| !event_type.contains('%'))
}

fn text_of<'f>(fields: &'f Fields, wanted: &str) -> Option<&'f str> {
    let (_, value) = fields
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()))?;
    std::str::from_utf8(value).ok()
}

/// Tells the headers from the data.
pub(crate) fn split(mut fields: Fields) -> (Fields, Vec<u8>) {
    let data = fields
        .iter()
        .position(|(name, _)| name == DATA.as_bytes())
        .map(|place| fields.remove(place).1);
    (fields, data.unwrap_or_default())
}

/// Where bytes that are no text are put in a name that must be text: 128 private characters for the
/// bytes from 0x80 on.
const NO_TEXT: u32 = 0x10_FF00;

/// Returns the name of a header as text from which [`name_of_text`] makes the same bytes again.
pub(crate) fn text_of_name(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            if byte_in(c).is_some() {
                // What looks like a byte that is no text is taken for what it is made of.
                let mut bytes = [0; 4];
                text.extend(c.encode_utf8(&mut bytes).bytes().filter_map(char_for));
            } else {
                text.push(c);
            }
        }
        text.extend(chunk.invalid().iter().copied().filter_map(char_for));
    }
    text
}

/// Returns the bytes of the name of a header.
pub(crate) fn name_of_text(text: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(text.len());
    for c in text.chars() {
        match byte_in(c) {
            Some(byte) => name.push(byte),
            None => name.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    name
}

fn char_for(byte: u8) -> Option<char> {
    char::from_u32(NO_TEXT + u32::from(byte))
}

fn byte_in(c: char) -> Option<u8> {
    let byte = u32::from(c).checked_sub(NO_TEXT)?;
    u8::try_from(byte).ok().filter(|byte| *byte >= 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &[u8])]) -> Fields {
        pairs
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
            .collect()
    }

    #[test]
    fn ids_are_ordered_by_time_and_then_by_number() {
        let id = |text: &str| text.parse::<EntryId>().unwrap();
        assert!(id("9-1") < id("10-0"));
        assert!(id("9-9") < id("9-10"));
        assert_eq!(id("5-7").to_string(), "5-7");
        assert!("5".parse::<EntryId>().is_err());
        assert!("-".parse::<EntryId>().is_err());
        assert!("a-1".parse::<EntryId>().is_err());
    }

    #[test]
    fn what_others_want_is_told_apart_without_decoding() {
        let entry = fields(&[("ce-type", b"order.placed")]);
        assert_eq!(wanted(&entry, &"document.*".parse().unwrap()), Wanted::No);
        assert_eq!(wanted(&entry, &"order.>".parse().unwrap()), Wanted::Yes);
        let untyped = fields(&[("ce-id", b"1")]);
        assert_eq!(
            wanted(&untyped, &"order.>".parse().unwrap()),
            Wanted::Perhaps
        );
    }

    #[test]
    fn what_cannot_be_read_keeps_every_byte() {
        let entry = fields(&[
            ("x", &[0xff, 0]),
            ("data", &[1, 2, 0xfe]),
            ("data", b"again"),
        ]);
        let message = Message::read(entry);
        assert!(message.is_wanted(&"document.*".parse().unwrap()));
        let raw = message.event.unwrap_err().raw;
        assert_eq!(raw.body, [1, 2, 0xfe]);
        let headers = [("x", vec![0xff, 0]), ("data", b"again".to_vec())];
        assert_eq!(
            raw.headers,
            headers.map(|(name, value)| (name.to_owned(), value))
        );
    }

    #[test]
    fn a_name_comes_back_whatever_bytes_it_has() {
        let names: [&[u8]; 5] = [
            b"",
            "größe".as_bytes(),
            &[b'x', 0xff, b'-', 0xc3],
            "a\u{10FF80}b\u{10FFFF}\u{10FF7F}".as_bytes(),
            &[0xf4, 0x8f, 0xbe, 0x80, 0xf4, 0x8f],
        ];
        for name in names {
            assert_eq!(name_of_text(&text_of_name(name)), name, "{name:?}");
        }
        assert_eq!(text_of_name("größe".as_bytes()), "größe");
        assert_ne!(text_of_name(&[0xff]), text_of_name(&[0xfe]));
    }

    #[test]
    fn a_type_in_other_words_is_decoded_before_it_is_refused() {
        let entry = fields(&[
            ("ce-specversion", b"1.0"),
            ("ce-id", b"1"),
            ("ce-source", b"s"),
            ("CE-Type", b"document%2Efound"),
            ("data", b""),
        ]);
        let pattern = "document.found".parse().unwrap();
        assert_eq!(wanted(&entry, &pattern), Wanted::Perhaps);
        let message = Message::read(entry);
        assert!(message.is_wanted(&pattern));
        assert!(!message.is_wanted(&"document.lost".parse().unwrap()));
    }
}
