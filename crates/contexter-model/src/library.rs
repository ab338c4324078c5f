//! Libraries: what documentation belongs to.

use std::fmt;
use std::str::FromStr;

use contexter_service::Capability;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The longest accepted id, in bytes; Context7 has the same limit.
const MAX_LEN: usize = 500;

/// The id of a library, such as `/crates/tokio/1.54.1`.
///
/// The grammar is that of Context7: `/owner/name`, optionally followed by `/version` or
/// `@version`; no part is empty and none holds white space or control characters.
///
/// # Examples
///
/// ```
/// use contexter_model::LibraryId;
///
/// let id: LibraryId = "/crates/tokio/1.54.1".parse()?;
/// assert_eq!((id.owner(), id.name(), id.version()), ("crates", "tokio", Some("1.54.1")));
/// # Ok::<(), contexter_model::InvalidLibraryId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LibraryId(String);

impl LibraryId {
    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part that says who publishes the library.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.parts().0
    }

    /// Returns the library's name without owner and version.
    #[must_use]
    pub fn name(&self) -> &str {
        self.parts().1
    }

    /// Returns the version, if the id names one.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.parts().2
    }

    fn parts(&self) -> (&str, &str, Option<&str>) {
        // Invariant of the type: a leading slash and at least two parts.
        let rest = self.0.strip_prefix('/').unwrap_or(&self.0);
        let (owner, rest) = rest.split_once('/').unwrap_or((rest, ""));
        match rest.split_once(['/', '@']) {
            Some((name, version)) => (owner, name, Some(version)),
            None => (owner, rest, None),
        }
    }
}

impl FromStr for LibraryId {
    type Err = InvalidLibraryId;

    fn from_str(text: &str) -> Result<Self, InvalidLibraryId> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for LibraryId {
    type Error = InvalidLibraryId;

    fn try_from(text: String) -> Result<Self, InvalidLibraryId> {
        let well_formed = text.len() <= MAX_LEN
            && !text.chars().any(|c| c.is_whitespace() || c.is_control())
            && text.strip_prefix('/').is_some_and(|rest| {
                let parts: Vec<&str> = rest.splitn(4, '/').collect();
                // Tags of monorepos hold an `@` of their own, as in `/owner/name/pkg@1.2.0`.
                let (before_tag, most_marks) = match parts.as_slice() {
                    [owner, name, _tag] => (owner.len() + 1 + name.len(), 0),
                    _ => (rest.len(), 1),
                };
                let marks = rest.get(..before_tag).unwrap_or(rest).matches('@').count();
                (2..=3).contains(&parts.len())
                    && parts.iter().all(|part| !part.is_empty())
                    && marks <= most_marks
                    && !rest.ends_with('@')
                    && !rest.contains("/@")
            });
        if well_formed {
            Ok(Self(text))
        } else {
            let mut shown: String = text.chars().take(80).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            Err(InvalidLibraryId { id: shown })
        }
    }
}

impl From<LibraryId> for String {
    fn from(id: LibraryId) -> Self {
        id.0
    }
}

impl fmt::Display for LibraryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error returned for a text that is no [`LibraryId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid library id {id:?}: expected /owner/name or /owner/name/version, at most {MAX_LEN} bytes"
)]
pub struct InvalidLibraryId {
    id: String,
}

/// A library that a documentation source knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Library {
    /// Its id, by which its documents are fetched.
    pub id: LibraryId,
    /// Its name for people.
    pub title: String,
    /// One line about it; empty if the source has none.
    pub description: String,
}

impl Library {
    /// Creates a library.
    pub fn new(id: LibraryId, title: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            id,
            title: title.into(),
            description: description.into(),
        }
    }
}

/// Asks a source which of its libraries a name means; best match first.
///
/// An empty name lists all libraries of a source that can list them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveLibrary {
    /// The name that a person typed.
    pub name: String,
    /// How many libraries to return at most.
    pub limit: usize,
}

impl Capability for ResolveLibrary {
    const NAME: &'static str = "library_resolution";
    type Response = Vec<Library>;
    type Error = Error;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_may_hold_an_at_sign_where_nothing_else_can() {
        let id: LibraryId = "/vercel/next.js/pkg@1.2.0".parse().unwrap();
        assert_eq!(
            (id.owner(), id.name(), id.version()),
            ("vercel", "next.js", Some("pkg@1.2.0"))
        );
        let id: LibraryId = "/vercel/next.js@v14".parse().unwrap();
        assert_eq!((id.name(), id.version()), ("next.js", Some("v14")));
        for bad in [
            "/a/b@1/2", "/a@b/c/d", "/a@b/c@d", "/a/b@c@d", "/a/@b", "/a/b@", "/a/b/c@",
        ] {
            assert!(bad.parse::<LibraryId>().is_err(), "{bad}");
        }
    }
}
