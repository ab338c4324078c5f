//! What collections are expected to be.

use std::fmt;

use contexter_model::{CollectionSpec, Distance, Error, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::spec;

/// What collections are expected to be; another one is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CollectionConfig {
    /// The dimensions of the dense vectors; any if not set.
    pub vector_size: Option<usize>,
    /// How near two dense vectors are; any measure if not set.
    pub distance_metric: Option<Metric>,
}

/// A [`Distance`] as the vendor spells it; case does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
#[non_exhaustive]
pub enum Metric {
    /// [`Distance::Cosine`]
    Cosine,
    /// [`Distance::Dot`]
    Dot,
    /// [`Distance::Euclid`]
    Euclid,
}

impl TryFrom<String> for Metric {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "cosine" => Ok(Self::Cosine),
            "dot" => Ok(Self::Dot),
            "euclid" | "euclidean" => Ok(Self::Euclid),
            _ => Err("expected Cosine, Dot or Euclid".to_owned()),
        }
    }
}

impl From<Metric> for Distance {
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::Cosine => Self::Cosine,
            Metric::Dot => Self::Dot,
            Metric::Euclid => Self::Euclid,
        }
    }
}

impl CollectionConfig {
    /// Expects nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the dimensions of the dense vectors.
    #[must_use]
    pub fn with_vector_size(mut self, dimensions: usize) -> Self {
        self.vector_size = Some(dimensions);
        self
    }

    /// Sets how near two dense vectors are.
    #[must_use]
    pub fn with_distance_metric(mut self, metric: Metric) -> Self {
        self.distance_metric = Some(metric);
        self
    }

    /// Refuses a collection that is not as expected.
    pub(super) fn check(self, spec: &CollectionSpec) -> Result<(), Error> {
        let invalid = |message: String| Err(spec::error(ErrorKind::Invalid, message));
        match self.vector_size {
            Some(size) if size != spec.space.dimensions => {
                return invalid(format!(
                    "collection {:?} is to have {} dimensions (embedder {:?}), the configuration \
                     says vector_size {size}",
                    spec.name, spec.space.dimensions, spec.space.id,
                ));
            }
            _ => {}
        }
        match self.distance_metric.map(Distance::from) {
            Some(distance) if distance != spec.distance => invalid(format!(
                "collection {:?} is to have the distance {:?}, the configuration says \
                 distance_metric {distance:?}",
                spec.name, spec.distance,
            )),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cosine => "Cosine",
            Self::Dot => "Dot",
            Self::Euclid => "Euclid",
        })
    }
}
