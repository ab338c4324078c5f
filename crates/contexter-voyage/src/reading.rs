//! Reading vectors out of a reply, each into its place at once.
//!
//! A vector is decoded from the text of the body straight into its values: nothing in between is
//! kept, and what is wrong is found before memory is reserved for it.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use contexter_model::Usage;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::element::{Element, check_length, check_values, from_base64};
use crate::fault::{Fault, VectorFault};

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

    /// Reads a part and its index.
    fn read<'de, A: MapAccess<'de>>(reader: Reader<'_>, map: A) -> Result<(u64, Self), A::Error>;
}

/// How parts are read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'f> {
    /// How many values a vector has; if not known, as many as the first one, which are not zero.
    length: &'f Cell<Option<usize>>,
    /// Where what is wrong is put down: an error of serde holds text only.
    fault: &'f Cell<Option<Fault>>,
}

impl Reader<'_> {
    fn fail<E: Error>(self, fault: Fault) -> E {
        self.fault.set(Some(fault));
        E::custom("a fault that was put down")
    }
}

/// Reads a reply of `count` parts; of any number of parts if that is not known.
pub(crate) fn read<P: Part>(
    body: &[u8],
    count: Option<usize>,
    length: Option<usize>,
) -> Result<Envelope<P>, Fault> {
    let raw = read_unordered(body, length)?;
    Ok(Envelope {
        parts: in_order(raw.parts, count)?,
        model: raw.model,
        counted: raw.counted,
        chunker_version: raw.chunker_version,
    })
}

/// Reads a reply whose parts stay as they came, each with its index.
pub(crate) fn read_unordered<P: Part>(
    body: &[u8],
    length: Option<usize>,
) -> Result<Envelope<(u64, P)>, Fault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Fault::NoBody);
    }
    let (fault, length) = (Cell::new(None), Cell::new(length));
    let reader = Reader {
        length: &length,
        fault: &fault,
    };
    let mut input = serde_json::Deserializer::from_slice(body);
    EnvelopeSeed::<P>(reader, PhantomData)
        .deserialize(&mut input)
        .and_then(|envelope| input.end().map(|()| envelope))
        .map_err(|error| fault.get().unwrap_or_else(|| Fault::json(&error)))
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

struct EnvelopeSeed<'f, P>(Reader<'f>, PhantomData<P>);

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

struct List<'f, P>(Reader<'f>, PhantomData<P>);

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

struct One<'f, P>(Reader<'f>, PhantomData<P>);

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

    fn read<'de, A: MapAccess<'de>>(
        reader: Reader<'_>,
        mut map: A,
    ) -> Result<(u64, Self), A::Error> {
        let (mut index, mut values, mut text) = (None, None, None);
        while let Some(key) = map.next_key()? {
            match key {
                PartKey::Index => index = Some(map.next_value::<u64>()?),
                PartKey::Embedding => {
                    let seed = Values::<E>(reader.length.get(), PhantomData);
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

    fn read<'de, A: MapAccess<'de>>(
        reader: Reader<'_>,
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

    fn read<'de, A: MapAccess<'de>>(
        reader: Reader<'_>,
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

/// The values of one vector. What is wrong with them is a value too, so that the index, which may
/// come after them, can be named.
struct Values<E>(Option<usize>, PhantomData<E>);

impl<'de, E: Element> DeserializeSeed<'de> for Values<E> {
    type Value = Result<Vec<E>, VectorFault>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, E: Element> Visitor<'de> for Values<E> {
    type Value = Result<Vec<E>, VectorFault>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vector, as base64 or as a list of numbers")
    }

    fn visit_str<X: Error>(self, text: &str) -> Result<Self::Value, X> {
        Ok(from_base64(text, self.0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::with_capacity(self.0.unwrap_or_default());
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(check_length(values.len(), self.0)
            .and_then(|()| check_values(&values))
            .map(|()| values))
    }
}
