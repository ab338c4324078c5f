//! The values of a vector, from base64 or from a list.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use crate::fault::VectorFault;
use crate::taken::Removed;

/// With or without padding: which of the two the vendor sends is not documented.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A type of values.
pub(crate) trait Element: DeserializeOwned + Copy + Send + 'static {
    /// The bytes of one value.
    const BYTES: usize;

    /// Decodes base64 into so many values, each in its place at once.
    fn decode(text: &[u8], length: usize) -> Result<Vec<Self>, base64::DecodeSliceError>;

    /// Whether all values are numbers.
    fn are_finite(values: &[Self]) -> bool {
        let _ = values;
        true
    }
}

impl Element for f32 {
    const BYTES: usize = 4;

    fn decode(text: &[u8], length: usize) -> Result<Vec<Self>, base64::DecodeSliceError> {
        let mut values = vec![0.0_f32; length];
        BASE64.decode_slice(text, bytemuck::cast_slice_mut(&mut values))?;
        if cfg!(target_endian = "big") {
            for value in &mut values {
                *value = Self::from_bits(value.to_bits().swap_bytes());
            }
        }
        Ok(values)
    }

    /// Without leaving early, so that many values are looked at in one step.
    fn are_finite(values: &[Self]) -> bool {
        values
            .iter()
            .fold(true, |finite, value| finite & value.is_finite())
    }
}

impl Element for u8 {
    const BYTES: usize = 1;

    fn decode(text: &[u8], length: usize) -> Result<Vec<Self>, base64::DecodeSliceError> {
        let mut values = vec![0; length];
        BASE64.decode_slice(text, &mut values)?;
        Ok(values)
    }
}

impl Element for i8 {
    const BYTES: usize = 1;

    fn decode(text: &[u8], length: usize) -> Result<Vec<Self>, base64::DecodeSliceError> {
        let mut values = vec![0; length];
        BASE64.decode_slice(text, bytemuck::cast_slice_mut(&mut values))?;
        Ok(values)
    }
}

/// Reads one vector from base64; the length is checked before anything is reserved.
pub(crate) fn from_base64<E: Element>(
    text: &[u8],
    expected: Option<usize>,
) -> Result<Vec<E>, VectorFault> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = text.len() - padding;
    let bytes = digits / 4 * 3 + (digits % 4 * 3) / 4;
    let length = bytes / E::BYTES;
    if !bytes.is_multiple_of(E::BYTES) || digits % 4 == 1 {
        return Err(VectorFault::Base64Length { bytes });
    }
    check_length(length, expected)?;
    let values = E::decode(text, length).map_err(|_where| VectorFault::Base64)?;
    check_values(&values)?;
    Ok(values)
}

pub(crate) fn check_length(length: usize, expected: Option<usize>) -> Result<(), VectorFault> {
    match expected {
        Some(expected) if expected != length => Err(VectorFault::Length { length, expected }),
        None if length == 0 => Err(VectorFault::Empty),
        _ => Ok(()),
    }
}

pub(crate) fn check_values<E: Element>(values: &[E]) -> Result<(), VectorFault> {
    if E::are_finite(values) {
        Ok(())
    } else {
        Err(VectorFault::NotFinite)
    }
}

/// Reads one vector from a list that is nothing else; `None` for what is no vector.
pub(crate) fn from_list<E: Element>(list: &[u8], expected: Option<usize>) -> Option<Vec<E>> {
    let mut input = serde_json::Deserializer::from_slice(list);
    let values = Values::new(expected, None).deserialize(&mut input).ok()?;
    input.end().ok()?;
    values.ok()
}

/// The values of one vector. What is wrong with them is a value too, so that the index, which may
/// come after them, can be named.
pub(crate) struct Values<'t, E> {
    expected: Option<usize>,
    removed: Option<&'t Removed<E>>,
}

impl<'t, E> Values<'t, E> {
    pub(crate) fn new(expected: Option<usize>, removed: Option<&'t Removed<E>>) -> Self {
        Self { expected, removed }
    }
}

impl<'de, E: Element> DeserializeSeed<'de> for Values<'_, E> {
    type Value = Result<Vec<E>, VectorFault>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, E: Element> Visitor<'de> for Values<'_, E> {
    type Value = Result<Vec<E>, VectorFault>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vector, as base64 or as a list of numbers")
    }

    fn visit_borrowed_str<X: Error>(self, text: &'de str) -> Result<Self::Value, X> {
        match self.removed.and_then(|removed| removed.of(text)) {
            Some(values) => Ok(check_length(values.len(), self.expected).map(|()| values)),
            None => self.visit_str(text),
        }
    }

    fn visit_str<X: Error>(self, text: &str) -> Result<Self::Value, X> {
        Ok(from_base64(text.as_bytes(), self.expected))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::with_capacity(self.expected.unwrap_or_default());
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(check_length(values.len(), self.expected)
            .and_then(|()| check_values(&values))
            .map(|()| values))
    }
}
