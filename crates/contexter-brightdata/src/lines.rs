//! The headers of an answer as the judges read them.

use std::borrow::Cow;

use contexter_http::Reply;

/// All headers of an answer. One whose value is no text is among them: that the vendor tells of a
/// failure counts, in whatever letters.
pub(crate) struct HeaderLines<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> HeaderLines<'a> {
    pub(crate) fn of(reply: &'a Reply) -> Self {
        Self(reply.headers().collect())
    }

    /// Returns name and value of each.
    pub(crate) fn pairs(&self) -> Vec<(&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (*name, value.as_ref()))
            .collect()
    }
}
