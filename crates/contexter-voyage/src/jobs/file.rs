//! A file of the account.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// A file of the account.
///
/// Source: <https://docs.voyageai.com/docs/batch-inference>.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct File {
    /// Its id.
    pub id: String,
    /// What it is for, such as `batch`.
    #[serde(default)]
    pub purpose: Option<String>,
    /// Its name.
    #[serde(default)]
    pub filename: Option<String>,
    /// Its size.
    #[serde(default)]
    pub bytes: Option<u64>,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    // An array must not pass for a page: with this field only an object does.
    #[serde(flatten)]
    _others: IgnoredAny,
}
