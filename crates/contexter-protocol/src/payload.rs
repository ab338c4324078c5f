//! What makes a type the payload of an event.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::schema::SchemaVersion;

/// A typed payload: the type fixes the name of its event.
///
/// # Examples
///
/// ```
/// use contexter_protocol::EventPayload;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Renamed {
///     from: String,
///     to: String,
/// }
///
/// impl EventPayload for Renamed {
///     const TYPE: &'static str = "file.renamed";
///
///     fn subject(&self) -> Option<String> {
///         Some(self.from.clone())
///     }
/// }
/// ```
pub trait EventPayload: Serialize + DeserializeOwned + Send + 'static {
    /// The event type: tokens separated by dots, such as `"document.ingested"`.
    const TYPE: &'static str;

    /// The version of the schema that the type has; 1.0 by default.
    ///
    /// Raise the minor number when fields are added, the major one when readers of the older type
    /// would misunderstand the newer. Data of a newer minor version is read, of a newer major
    /// version refused.
    const SCHEMA_VERSION: SchemaVersion = SchemaVersion::FIRST;

    /// Returns what the event is about within its source; none by default.
    fn subject(&self) -> Option<String> {
        None
    }

    /// Returns the key within which events keep their order; none by default.
    fn partition_key(&self) -> Option<String> {
        None
    }

    /// Returns a URI reference to the bytes that the event is about; none by default.
    fn data_ref(&self) -> Option<String> {
        None
    }
}
