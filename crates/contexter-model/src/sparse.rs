//! Sparse vectors.

use serde::{Deserialize, Serialize};

/// A vector of which only the non-zero dimensions are kept.
///
/// Indices are unique and ascending, values are finite.
///
/// # Examples
///
/// ```
/// use contexter_model::SparseVector;
///
/// let vector = SparseVector::new(vec![7, 3], vec![0.5, 1.0])?;
/// assert_eq!(vector.indices(), [3, 7]);
/// assert_eq!(vector.values(), [1.0, 0.5]);
/// # Ok::<(), contexter_model::InvalidSparseVector>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct SparseVector {
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl SparseVector {
    /// Creates a vector from pairs in any order.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidSparseVector`] if the lists differ in length, an index comes twice or a
    /// value is not finite.
    pub fn new(indices: Vec<u32>, values: Vec<f32>) -> Result<Self, InvalidSparseVector> {
        if indices.len() != values.len() {
            return Err(InvalidSparseVector::Length {
                indices: indices.len(),
                values: values.len(),
            });
        }
        let mut pairs: Vec<(u32, f32)> = indices.into_iter().zip(values).collect();
        pairs.sort_unstable_by_key(|&(index, _)| index);
        let mut last = None;
        for &(index, value) in &pairs {
            if !value.is_finite() {
                return Err(InvalidSparseVector::Value { index, value });
            }
            if last == Some(index) {
                return Err(InvalidSparseVector::Twice { index });
            }
            last = Some(index);
        }
        let (indices, values) = pairs.into_iter().unzip();
        Ok(Self { indices, values })
    }

    /// Returns the dimensions that are not zero, ascending.
    #[must_use]
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Returns the values of [`indices`](Self::indices), in their order.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Returns whether every dimension is zero.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Returns indices and values as lists.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u32>, Vec<f32>) {
        (self.indices, self.values)
    }
}

#[derive(Deserialize)]
struct Unchecked {
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl TryFrom<Unchecked> for SparseVector {
    type Error = InvalidSparseVector;

    fn try_from(unchecked: Unchecked) -> Result<Self, InvalidSparseVector> {
        Self::new(unchecked.indices, unchecked.values)
    }
}

/// The error returned for lists that are no [`SparseVector`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSparseVector {
    /// The lists differ in length.
    #[error("sparse vector has {indices} indices but {values} values")]
    Length {
        /// How many indices there are.
        indices: usize,
        /// How many values there are.
        values: usize,
    },
    /// An index comes more than once.
    #[error("sparse vector names index {index} twice")]
    Twice {
        /// The index.
        index: u32,
    },
    /// A value is not finite.
    #[error("sparse vector has {value} at index {index}, expected a finite value")]
    Value {
        /// The index.
        index: u32,
        /// The value.
        value: f32,
    },
}
