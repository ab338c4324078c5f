//! The types that a vector can have, and how it is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::voyage::fields::Fields;
use crate::voyage::offers::{Kind, Model};
use crate::voyage::refusal::Refusal;

/// The type of a vector's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dtype {
    Float,
    Int8,
    Uint8,
    Binary,
    Ubinary,
}

/// What a request wants its vectors to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) dimensions: usize,
    dtype: Dtype,
    base64: bool,
}

/// A vector as it is written.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Written {
    Floats(Vec<f32>),
    Integers(Vec<i16>),
    Base64(String),
}

impl Shape {
    /// Takes the fields that say what the vectors are to be.
    pub(super) fn take(fields: &mut Fields, model: &Model) -> Result<Self, Refusal> {
        let dimensions = dimensions(fields, model)?;
        let dtype = dtype(fields, model)?;
        // The vendor's description of 2025 has another name for it on the multimodal endpoint.
        let encoding = match fields.optional_text("encoding_format")? {
            None if model.kind == Kind::Multimodal => fields.optional_text("output_encoding")?,
            found => found,
        };
        let base64 = match encoding.as_deref() {
            None => false,
            Some("base64") => true,
            Some(other) => {
                return Err(Refusal::invalid(format!(
                    "Encoding format '{other}' is not supported. Supported encoding formats are \
                     [null, 'base64']."
                )));
            }
        };
        Ok(Self {
            dimensions,
            dtype,
            base64,
        })
    }

    /// Writes a vector of length 1.
    pub(super) fn write(self, vector: Vec<f32>) -> Written {
        match self.dtype {
            Dtype::Float if self.base64 => {
                let bytes: Vec<u8> = vector
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                Written::Base64(STANDARD.encode(bytes))
            }
            Dtype::Float => Written::Floats(vector),
            Dtype::Int8 => self.write_integers(scaled(&vector, -128)),
            Dtype::Uint8 => self.write_integers(scaled(&vector, 0)),
            // Offset binary: the packed byte less 128.
            Dtype::Binary => {
                let packed = packed(&vector).map(|byte| i16::from(byte) - 128);
                self.write_integers(packed.collect())
            }
            Dtype::Ubinary => self.write_integers(packed(&vector).map(i16::from).collect()),
        }
    }

    fn write_integers(self, integers: Vec<i16>) -> Written {
        if !self.base64 {
            return Written::Integers(integers);
        }
        // A signed byte and an unsigned one of the same bits are the same byte.
        let bytes: Vec<u8> = integers
            .iter()
            .map(|value| value.to_le_bytes()[0])
            .collect();
        Written::Base64(STANDARD.encode(bytes))
    }
}

fn dimensions(fields: &mut Fields, model: &Model) -> Result<usize, Refusal> {
    let Some(asked) = fields.number("output_dimension")? else {
        return Ok(model.default_dimension);
    };
    let known = model
        .dimensions
        .iter()
        .find(|&&known| known as u64 == asked);
    known.copied().ok_or_else(|| {
        Refusal::invalid(format!(
            "Output dimension {asked} is not supported by model '{}'. Supported output dimensions \
             are {:?}.",
            model.name, model.dimensions
        ))
    })
}

fn dtype(fields: &mut Fields, model: &Model) -> Result<Dtype, Refusal> {
    let name = fields.optional_text("output_dtype")?;
    let dtype = match name.as_deref().unwrap_or("float") {
        "float" => Dtype::Float,
        "int8" => Dtype::Int8,
        "uint8" => Dtype::Uint8,
        "binary" => Dtype::Binary,
        "ubinary" => Dtype::Ubinary,
        other => {
            return Err(Refusal::invalid(format!(
                "Output dtype '{other}' is not supported. Supported output dtypes are ['float', \
                 'int8', 'uint8', 'binary', 'ubinary']."
            )));
        }
    };
    if dtype != Dtype::Float && !model.quantized {
        return Err(Refusal::invalid(format!(
            "Model '{}' supports only the output dtype 'float'.",
            model.name
        )));
    }
    Ok(dtype)
}

/// Maps the values to 256 steps, the first of which is `lowest`; the largest value reaches the end.
fn scaled(vector: &[f32], lowest: i16) -> Vec<i16> {
    let largest = vector.iter().fold(0_f32, |max, value| max.max(value.abs()));
    let scale = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    vector
        .iter()
        .map(|value| {
            let step = (value * scale).round().clamp(-128.0, 127.0);
            #[expect(clippy::cast_possible_truncation, reason = "clamped just above")]
            let step = step as i16;
            step + 128 + lowest
        })
        .collect()
}

/// Packs the signs, eight to a byte, the first in the highest bit.
fn packed(vector: &[f32]) -> impl Iterator<Item = u8> {
    vector.chunks(8).map(|eight| {
        eight
            .iter()
            .zip((0..8).rev())
            .fold(0, |byte, (value, bit)| {
                byte | (u8::from(*value > 0.0) << bit)
            })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(dtype: Dtype, base64: bool) -> serde_json::Value {
        let shape = Shape {
            dimensions: 8,
            dtype,
            base64,
        };
        let vector = vec![0.5, -0.5, 0.25, -0.25, 0.0, 0.5, 0.25, -0.25];
        serde_json::to_value(shape.write(vector)).unwrap()
    }

    #[test]
    fn every_type_is_written_as_documented() {
        assert_eq!(
            written(Dtype::Int8, false),
            json!([127, -127, 64, -64, 0, 127, 64, -64])
        );
        assert_eq!(
            written(Dtype::Uint8, false),
            json!([255, 1, 192, 64, 128, 255, 192, 64])
        );
        assert_eq!(written(Dtype::Ubinary, false), json!([0b1010_0110]));
        assert_eq!(written(Dtype::Binary, false), json!([0b1010_0110 - 128]));
    }

    #[test]
    fn base64_holds_the_raw_array() {
        let raw = |dtype| {
            let text = written(dtype, true);
            STANDARD.decode(text.as_str().unwrap()).unwrap()
        };
        assert_eq!(raw(Dtype::Float)[..8], [0, 0, 0, 63, 0, 0, 0, 191]);
        assert_eq!(raw(Dtype::Float).len(), 32);
        assert_eq!(raw(Dtype::Int8)[..2], [127, 129]);
        assert_eq!(raw(Dtype::Uint8)[..2], [255, 1]);
        assert_eq!(raw(Dtype::Ubinary), [0b1010_0110]);
        assert_eq!(raw(Dtype::Binary), [0b0010_0110]);
    }
}
