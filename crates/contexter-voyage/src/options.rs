//! What every request for vectors lets one choose.

use contexter_model::Purpose;
use serde::Serialize;

use crate::{Dtype, Model, ModelKind, Transport};

/// What every request for vectors lets one choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VectorOptions {
    pub(crate) purpose: Option<Purpose>,
    pub(crate) model: Option<String>,
    pub(crate) dimension: Option<u32>,
    pub(crate) dtype: Dtype,
    pub(crate) transport: Transport,
}

/// How the options are sent. Older models know no types of values, so that the default is not named.
#[derive(Debug, Serialize)]
pub(crate) struct WireOptions<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dtype: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_format: Option<&'static str>,
}

impl VectorOptions {
    pub(crate) fn new(purpose: Option<Purpose>) -> Self {
        Self {
            purpose,
            model: None,
            dimension: None,
            dtype: Dtype::default(),
            transport: Transport::default(),
        }
    }

    pub(crate) fn wire<'a>(&self, model: &'a str) -> WireOptions<'a> {
        WireOptions {
            model,
            input_type: self.purpose.map(|purpose| match purpose {
                Purpose::Document => "document",
                Purpose::Query => "query",
            }),
            output_dimension: self.dimension,
            output_dtype: (self.dtype != Dtype::Float).then_some(self.dtype.as_str()),
            encoding_format: self.transport.encoding_format(),
        }
    }

    /// Returns how many values a vector of the reply has, where that is known.
    pub(crate) fn length(&self, kind: ModelKind) -> Option<usize> {
        let name = self.model.as_deref().unwrap_or_default();
        let dimension = self
            .dimension
            .or_else(|| Model::named(name, kind).default_dimension());
        dimension.map(|dimension| self.dtype.length(dimension))
    }

    /// Returns the model as the reply names it, or else as the request does.
    pub(crate) fn model_of(&self, replied: Option<String>) -> String {
        replied.or_else(|| self.model.clone()).unwrap_or_default()
    }
}

/// Lets the options of a request for vectors be set: the same methods for each.
macro_rules! with_vector_options {
    ($request:ident) => {
        impl $request {
            /// Returns what the vectors are for; `None` puts no words before what is embedded.
            #[must_use]
            pub fn purpose(&self) -> Option<Purpose> {
                self.options.purpose
            }

            /// Returns the model, if one was set.
            #[must_use]
            pub fn model(&self) -> Option<&str> {
                self.options.model.as_deref()
            }

            /// Sets the model.
            #[must_use]
            pub fn with_model(mut self, name: impl Into<String>) -> Self {
                self.options.model = Some(name.into());
                self
            }

            /// Sets the length of the vectors.
            #[must_use]
            pub fn with_dimension(mut self, dimension: u32) -> Self {
                self.options.dimension = Some(dimension);
                self
            }

            /// Sets the type of their values.
            #[must_use]
            pub fn with_dtype(mut self, dtype: Dtype) -> Self {
                self.options.dtype = dtype;
                self
            }

            /// Sets how they travel.
            #[must_use]
            pub fn with_transport(mut self, transport: Transport) -> Self {
                self.options.transport = transport;
                self
            }
        }
    };
}

pub(crate) use with_vector_options;
