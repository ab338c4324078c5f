//! One value of a vector, from base64 or from a list.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::DeserializeOwned;

use crate::fault::VectorFault;

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
    fn decode(text: &str, length: usize) -> Result<Vec<Self>, base64::DecodeSliceError>;

    /// Whether all values are numbers.
    fn are_finite(values: &[Self]) -> bool {
        let _ = values;
        true
    }
}

impl Element for f32 {
    const BYTES: usize = 4;

    fn decode(text: &str, length: usize) -> Result<Vec<Self>, base64::DecodeSliceError> {
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

    fn decode(text: &str, length: usize) -> Result<Vec<Self>, base64::DecodeSliceError> {
        let mut values = vec![0; length];
        BASE64.decode_slice(text, &mut values)?;
        Ok(values)
    }
}

impl Element for i8 {
    const BYTES: usize = 1;

    fn decode(text: &str, length: usize) -> Result<Vec<Self>, base64::DecodeSliceError> {
        let mut values = vec![0; length];
        BASE64.decode_slice(text, bytemuck::cast_slice_mut(&mut values))?;
        Ok(values)
    }
}

/// Reads one vector from base64; the length is checked before anything is reserved.
pub(crate) fn from_base64<E: Element>(
    text: &str,
    expected: Option<usize>,
) -> Result<Vec<E>, VectorFault> {
    let digits = text.trim_end_matches('=').len();
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
