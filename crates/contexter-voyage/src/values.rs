//! The types of a vector's values, and how they travel.

use serde::{Deserialize, Serialize};

/// The type of the values that are asked for.
///
/// Source: <https://docs.voyageai.com/docs/flexible-dimensions-and-quantization>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dtype {
    /// `f32`; the vector has length 1.
    #[default]
    Float,
    /// `i8`.
    Int8,
    /// `u8`.
    Uint8,
    /// One bit for a value, eight to an `i8`: the packed byte less 128.
    Binary,
    /// One bit for a value, eight to a `u8`.
    Ubinary,
}

impl Dtype {
    /// Returns the name in requests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Int8 => "int8",
            Self::Uint8 => "uint8",
            Self::Binary => "binary",
            Self::Ubinary => "ubinary",
        }
    }

    /// Returns how many values a vector of this dimension has.
    #[must_use]
    pub const fn length(self, dimension: u32) -> usize {
        match self {
            Self::Float | Self::Int8 | Self::Uint8 => dimension as usize,
            Self::Binary | Self::Ubinary => (dimension / 8) as usize,
        }
    }

    /// Returns the bytes of one value.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Float => 4,
            _ => 1,
        }
    }
}

/// How vectors travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Transport {
    /// As base64 of their bytes: a quarter of the size, and exact. The default.
    #[default]
    Base64,
    /// As lists of numbers.
    List,
}

impl Transport {
    pub(crate) fn encoding_format(self) -> Option<&'static str> {
        match self {
            Self::Base64 => Some("base64"),
            Self::List => None,
        }
    }

    /// Returns how many bytes of a reply a vector takes at most.
    pub(crate) fn bytes(self, dtype: Dtype, dimension: u32) -> usize {
        /// Index, names and brackets around a vector.
        const AROUND: usize = 96;
        /// The longest that a float is written as, with its comma.
        const FLOAT: usize = 26;
        /// The same of an integer.
        const INTEGER: usize = 5;
        let length = dtype.length(dimension);
        let inner = match (self, dtype) {
            (Self::Base64, _) => (length * dtype.bytes()).div_ceil(3) * 4,
            (Self::List, Dtype::Float) => length * FLOAT,
            (Self::List, _) => length * INTEGER,
        };
        inner + AROUND
    }
}

/// Vectors, all of one type.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Vectors {
    /// See [`Dtype::Float`].
    Float(Vec<Vec<f32>>),
    /// See [`Dtype::Int8`].
    Int8(Vec<Vec<i8>>),
    /// See [`Dtype::Uint8`].
    Uint8(Vec<Vec<u8>>),
    /// See [`Dtype::Binary`].
    Binary(Vec<Vec<i8>>),
    /// See [`Dtype::Ubinary`].
    Ubinary(Vec<Vec<u8>>),
}

impl Vectors {
    pub(crate) fn none(dtype: Dtype) -> Self {
        match dtype {
            Dtype::Float => Self::Float(Vec::new()),
            Dtype::Int8 => Self::Int8(Vec::new()),
            Dtype::Uint8 => Self::Uint8(Vec::new()),
            Dtype::Binary => Self::Binary(Vec::new()),
            Dtype::Ubinary => Self::Ubinary(Vec::new()),
        }
    }

    /// Returns the type of the values.
    #[must_use]
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::Float(_) => Dtype::Float,
            Self::Int8(_) => Dtype::Int8,
            Self::Uint8(_) => Dtype::Uint8,
            Self::Binary(_) => Dtype::Binary,
            Self::Ubinary(_) => Dtype::Ubinary,
        }
    }

    /// Returns how many vectors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Float(vectors) => vectors.len(),
            Self::Int8(vectors) | Self::Binary(vectors) => vectors.len(),
            Self::Uint8(vectors) | Self::Ubinary(vectors) => vectors.len(),
        }
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the vectors if their values are floats.
    #[must_use]
    pub fn into_float(self) -> Option<Vec<Vec<f32>>> {
        match self {
            Self::Float(vectors) => Some(vectors),
            _ => None,
        }
    }

    /// Takes the vectors of another up behind its own. Those of another type are dropped: parts of one
    /// request have one type.
    pub(crate) fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Float(own), Self::Float(more)) => own.extend(more),
            (Self::Int8(own), Self::Int8(more)) | (Self::Binary(own), Self::Binary(more)) => {
                own.extend(more);
            }
            (Self::Uint8(own), Self::Uint8(more)) | (Self::Ubinary(own), Self::Ubinary(more)) => {
                own.extend(more);
            }
            _ => {}
        }
    }
}
