//! Reading the JSON of a reply, out of which most vectors have been taken as it arrived.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use contexter_model::Usage;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::element::{Element, Values};
use crate::fault::Fault;
use crate::intake::Intake;
use crate::taken::{Removed, Taken};

/// What the vendor counted.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Counted {
    pub(crate) total_tokens: Option<u64>,
    pub(crate) text_tokens: Option<u64>,
    pub(crate) image_pixels: Option<u64>,
    pub(crate) video_pixels: Option<u64>,
}

impl Counted {
    pub(crate) fn usage(self) -> Usage {
        Usage {
            tokens: self.total_tokens.unwrap_or(0),
        }
    }
}

/// A reply, its parts in the order of their indices.
#[derive(Debug)]
pub(crate) struct Envelope<P> {
    pub(crate) parts: Vec<P>,
    pub(crate) model: Option<String>,
    pub(crate) counted: Counted,
    pub(crate) chunker_version: Option<String>,
}

/// One vector, with the text that it stands for where the vendor made the chunks.
#[derive(Debug)]
pub(crate) struct Row<E> {
    pub(crate) values: Vec<E>,
    pub(crate) text: Option<String>,
}

/// What one part of a reply may be: a vector, a document of vectors, a score.
pub(crate) trait Part: Sized {
    /// What parts are called.
    const NAME: &'static str;

    /// The type of the values of its vectors.
    type Value: Element;

    /// Reads a part and its index.
    fn read<'de, A: MapAccess<'de>>(
        reader: Reader<'_, Self::Value>,
        map: A,
    ) -> Result<(u64, Self), A::Error>;
}

/// How parts are read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'f, E> {
    /// How many values a vector has; if not known, as many as the first one, which are not zero.
    length: &'f Cell<Option<usize>>,
    /// Where what is wrong is put down: an error of serde holds text only.
    fault: &'f Cell<Option<Fault>>,
    /// The vectors that are not in the JSON any more.
    removed: &'f Removed<E>,
}

impl<E> Reader<'_, E> {
    fn fail<X: Error>(&self, fault: Fault) -> X {
        self.fault.set(Some(fault));
        X::custom("a fault that was put down")
    }
}

/// Reads a reply of `count` parts; of any number of parts if that is not known.
pub(crate) fn read<P: Part>(
    arrived: Intake<P::Value>,
    count: Option<usize>,
) -> Result<Envelope<P>, Fault> {
    let (json, taken, length) = arrived.finish();
    let raw = read_unordered(&json, taken, length)?;
    Ok(Envelope {
        parts: in_order(raw.parts, count)?,
        model: raw.model,
        counted: raw.counted,
        chunker_version: raw.chunker_version,
    })
}

/// Reads a reply whose parts stay as they came, each with its index; `taken` was taken out of it.
pub(crate) fn read_unordered<P: Part>(
    json: &[u8],
    taken: Vec<Taken<P::Value>>,
    length: Option<usize>,
) -> Result<Envelope<(u64, P)>, Fault> {
    if json.iter().all(u8::is_ascii_whitespace) {
        return Err(Fault::NoBody);
    }
    let (fault, length) = (Cell::new(None), Cell::new(length));
    let removed = Removed::new(json, taken);
    let reader = Reader {
        length: &length,
        fault: &fault,
        removed: &removed,
    };
    let mut input = serde_json::Deserializer::from_slice(json);
    EnvelopeSeed::<P>(reader, PhantomData)
        .deserialize(&mut input)
        .and_then(|envelope| input.end().map(|()| envelope))
        .map_err(|error| {
            let unreadable = || {
                let (line, column) = removed.position(json, error.line(), error.column());
                Fault::json(&error, line, column)
            };
            fault.get().unwrap_or_else(unreadable)
        })
}

/// Puts parts into the order of their indices, each of which occurs once.
pub(crate) fn in_order<P: Part>(
    mut parts: Vec<(u64, P)>,
    count: Option<usize>,
) -> Result<Vec<P>, Fault> {
    let expected = count.unwrap_or(parts.len());
    parts.sort_by_key(|(index, _)| *index);
    let mut last = None;
    for &(index, _) in &parts {
        if usize::try_from(index).map_or(true, |index| index >= expected) {
            return Err(Fault::Index {
                index,
                count: expected,
            });
        }
        if last == Some(index) {
            return Err(Fault::Twice { index });
        }
        last = Some(index);
    }
    if parts.len() != expected {
        return Err(Fault::Count {
            found: parts.len(),
            expected,
            of: P::NAME,
        });
    }
    Ok(parts.into_iter().map(|(_, part)| part).collect())
}

struct EnvelopeSeed<'f, P: Part>(Reader<'f, P::Value>, PhantomData<P>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum EnvelopeKey {
    Data,
    Model,
    Usage,
    ChunkerVersion,
    #[serde(other)]
    Other,
}

impl<'de, P: Part> DeserializeSeed<'de> for EnvelopeSeed<'_, P> {
    type Value = Envelope<(u64, P)>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de, P: Part> Visitor<'de> for EnvelopeSeed<'_, P> {
    type Value = Envelope<(u64, P)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reply")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut parts = None;
        let mut model = None;
        let mut counted = None;
        let mut chunker_version = None;
        while let Some(key) = map.next_key()? {
            match key {
                EnvelopeKey::Data => {
                    parts = Some(map.next_value_seed(List::<P>(self.0, PhantomData))?);
                }
                EnvelopeKey::Model => model = map.next_value::<Option<String>>()?,
                EnvelopeKey::Usage => counted = map.next_value::<Option<Counted>>()?,
                EnvelopeKey::ChunkerVersion => {
                    chunker_version = map.next_value::<Option<String>>()?;
                }
                EnvelopeKey::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Envelope {
            parts: parts.ok_or_else(|| self.0.fail(Fault::NoData))?,
            model,
            counted: counted.unwrap_or_default(),
            chunker_version,
        })
    }
}

struct List<'f, P: Part>(Reader<'f, P::Value>, PhantomData<P>);

impl<'de, P: Part> DeserializeSeed<'de> for List<'_, P> {
    type Value = Vec<(u64, P)>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_seq(self)
    }
}

impl<'de, P: Part> Visitor<'de> for List<'_, P> {
    type Value = Vec<(u64, P)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of results")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = list.next_element_seed(One::<P>(self.0, PhantomData))? {
            parts.push(part);
        }
        Ok(parts)
    }
}

struct One<'f, P: Part>(Reader<'f, P::Value>, PhantomData<P>);

impl<'de, P: Part> DeserializeSeed<'de> for One<'_, P> {
    type Value = (u64, P);

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de, P: Part> Visitor<'de> for One<'_, P> {
    type Value = (u64, P);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a result with its index")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        P::read(self.0, map)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum PartKey {
    Index,
    Embedding,
    Text,
    Data,
    RelevanceScore,
    #[serde(other)]
    Other,
}

impl<E: Element> Part for Row<E> {
    const NAME: &'static str = "vectors";

    type Value = E;

    fn read<'de, A: MapAccess<'de>>(
        reader: Reader<'_, Self::Value>,
        mut map: A,
    ) -> Result<(u64, Self), A::Error> {
        let (mut index, mut values, mut text) = (None, None, None);
        while let Some(key) = map.next_key()? {
            match key {
                PartKey::Index => index = Some(map.next_value::<u64>()?),
                PartKey::Embedding => {
                    let seed = Values::new(reader.length.get(), Some(reader.removed));
                    let read = map.next_value_seed(seed)?;
                    if let Ok(first) = &read {
                        reader.length.set(Some(first.len()));
                    }
                    values = Some(read);
                }
                PartKey::Text => text = map.next_value::<Option<String>>()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let index = index.ok_or_else(|| reader.fail(Fault::NoIndex))?;
        match values {
            Some(Ok(values)) => Ok((index, Self { values, text })),
            Some(Err(fault)) => Err(reader.fail(Fault::Vector { index, fault })),
            None => Err(reader.fail(Fault::NoContent { index })),
        }
    }
}

/// A document: the vectors of its chunks, as they came.
impl<E: Element> Part for Vec<(u64, Row<E>)> {
    const NAME: &'static str = "documents";

    type Value = E;

    fn read<'de, A: MapAccess<'de>>(
        reader: Reader<'_, Self::Value>,
        mut map: A,
    ) -> Result<(u64, Self), A::Error> {
        let (mut index, mut rows) = (None, None);
        while let Some(key) = map.next_key()? {
            match key {
                PartKey::Index => index = Some(map.next_value::<u64>()?),
                PartKey::Data => {
                    rows = Some(map.next_value_seed(List::<Row<E>>(reader, PhantomData))?);
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let index = index.ok_or_else(|| reader.fail(Fault::NoIndex))?;
        let rows = rows.ok_or_else(|| reader.fail(Fault::NoContent { index }))?;
        Ok((index, rows))
    }
}

/// The score of a document.
impl Part for f32 {
    const NAME: &'static str = "scores";

    type Value = Self;

    fn read<'de, A: MapAccess<'de>>(
        reader: Reader<'_, Self::Value>,
        mut map: A,
    ) -> Result<(u64, Self), A::Error> {
        let (mut index, mut score) = (None, None);
        while let Some(key) = map.next_key()? {
            match key {
                PartKey::Index => index = Some(map.next_value::<u64>()?),
                PartKey::RelevanceScore => score = Some(map.next_value::<Self>()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let index = index.ok_or_else(|| reader.fail(Fault::NoIndex))?;
        let score = score.ok_or_else(|| reader.fail(Fault::NoContent { index }))?;
        if score.is_finite() {
            Ok((index, score))
        } else {
            Err(reader.fail(Fault::Score { index }))
        }
    }
}
