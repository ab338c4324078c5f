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
/// The grammar is that of Context7, `^/[^/]+/[^/]+([/@][^/]+)?$`: `/owner/name`, optionally followed
/// by `/version` or `@version`. An `@` at the beginning of a name belongs to it, and what stands
/// behind such a name is the rest of the name, so that `/npm/@babel/core` is the package
/// `@babel/core` and `/npm/@babel/core@7.0.0` a version of it; an `@` at the end belongs to the name,
/// too.
///
/// It is narrower than the pattern in this: an id has at most 500 bytes, no white space and no control
/// characters, and says once where its version begins, unlike `/owner/name@1/2`.
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

    fn parts(&self) -> Parts<'_> {
        // Invariant of the type: it could be taken apart when it was made.
        apart(&self.0).unwrap_or((&self.0, "", None))
    }
}

/// Owner, name and version.
type Parts<'a> = (&'a str, &'a str, Option<&'a str>);

/// Takes an id apart; none if it does not follow the grammar.
fn apart(id: &str) -> Option<Parts<'_>> {
    let (owner, rest) = id.strip_prefix('/')?.split_once('/')?;
    let (first, second) = match rest.split_once('/') {
        Some((first, second)) => (first, Some(second)),
        None => (rest, None),
    };
    let is_part = |part: &str| !part.is_empty() && !part.contains('/');
    if !(is_part(owner) && is_part(first) && second.is_none_or(is_part)) {
        return None;
    }
    match second {
        Some(version) if !first.starts_with('@') => {
            // Without this version the id would read as one of another version.
            let is_plain = at_mark(first).1.is_none();
            is_plain.then_some((owner, first, Some(version)))
        }
        _ => {
            let (name, version) = at_mark(rest);
            Some((owner, name, version))
        }
    }
}

/// Splits a name from its version at the first `@` in its last part that does not begin that part;
/// there is no version if nothing follows.
fn at_mark(name: &str) -> (&str, Option<&str>) {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let mut marks = name.match_indices('@').map(|(at, _)| at);
    let mark = marks.find(|at| *at > last);
    match mark.and_then(|at| name.split_at_checked(at)) {
        Some((name, version)) if version.len() > 1 => (name, version.strip_prefix('@')),
        _ => (name, None),
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
            && apart(&text).is_some();
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
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> Option<(String, String, Option<String>)> {
        let id: LibraryId = text.parse().ok()?;
        let version = id.version().map(str::to_owned);
        Some((id.owner().to_owned(), id.name().to_owned(), version))
    }

    #[test]
    fn an_id_is_taken_apart_where_its_version_begins() {
        for (text, owner, name, version) in [
            ("/vercel/next.js", "vercel", "next.js", None),
            ("/vercel/next.js/v14", "vercel", "next.js", Some("v14")),
            ("/vercel/next.js@v14", "vercel", "next.js", Some("v14")),
            // Tags of monorepos hold an `@` of their own.
            ("/vercel/ai/pkg@1.2.0", "vercel", "ai", Some("pkg@1.2.0")),
            ("/vercel/ai@pkg@1.2.0", "vercel", "ai", Some("pkg@1.2.0")),
            // Names of npm begin with a scope.
            ("/npm/@babel/core", "npm", "@babel/core", None),
            (
                "/npm/@babel/core@7.0.0",
                "npm",
                "@babel/core",
                Some("7.0.0"),
            ),
            ("/npm/@babel@7", "npm", "@babel", Some("7")),
            ("/npm/@babel", "npm", "@babel", None),
            ("/@babel/core", "@babel", "core", None),
            ("/@babel/core/v7", "@babel", "core", Some("v7")),
            ("/a@b/c@d", "a@b", "c", Some("d")),
            ("/a@b/c/d", "a@b", "c", Some("d")),
            ("/a/b@", "a", "b@", None),
            ("/a/b@/c", "a", "b@", Some("c")),
            ("/a/b/c@", "a", "b", Some("c@")),
            ("/a/b@@c", "a", "b", Some("@c")),
            ("/a/@/@b@c@d", "a", "@/@b", Some("c@d")),
        ] {
            let expected = (owner.into(), name.into(), version.map(Into::into));
            assert_eq!(parts(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_id_is_refused_and_shown_in_short() {
        for bad in [
            "",
            "/",
            "a/b",
            "/a",
            "/a/",
            "//b",
            "/a//c",
            "/a/b/",
            "/a/b/c/d",
            "/a/@b/c/d",
            "/a/@b/",
            "/a/b c",
            "/a/b\n",
            "/a/b\u{9b}",
            "/a/b\u{2028}",
            "/a/b@1/2",
        ] {
            assert!(bad.parse::<LibraryId>().is_err(), "{bad:?}");
        }
        let longest = format!("/a/{}", "b".repeat(MAX_LEN - 3));
        assert!(longest.parse::<LibraryId>().is_ok());
        let error = format!("{longest}b").parse::<LibraryId>().unwrap_err();
        assert!(error.to_string().len() < 250, "{error}");
    }

    /// As the pattern `^/[^/]+/[^/]+([/@][^/]+)?$` reads it: what may follow an `@` may also be part
    /// of the name before it.
    fn matches_the_pattern(text: &str) -> bool {
        let parts: Vec<&str> = text.split('/').collect();
        matches!(parts.as_slice(), ["", parts @ ..]
            if (2..=3).contains(&parts.len()) && parts.iter().all(|part| !part.is_empty()))
    }

    /// Where ids are narrower than the pattern.
    fn is_left_out(text: &str) -> bool {
        let names_two_versions = || {
            let parts: Vec<&str> = text.split('/').collect();
            let [_, _, name, _] = parts.as_slice() else {
                return false;
            };
            let inner: Vec<char> = name.chars().skip(1).collect();
            let marked = inner.split_last().is_some_and(|(_, c)| c.contains(&'@'));
            marked && !name.starts_with('@')
        };
        text.len() > MAX_LEN
            || text.contains(|c: char| c.is_whitespace() || c.is_control())
            || names_two_versions()
    }

    proptest! {
        #[test]
        fn what_the_pattern_allows_is_an_id(text in "/[^/]{1,9}/[^/]{1,9}([/@][^/]{1,9})?") {
            prop_assert!(matches_the_pattern(&text));
            prop_assert_eq!(text.parse::<LibraryId>().is_ok(), !is_left_out(&text), "{:?}", text);
        }

        #[test]
        fn an_id_is_what_the_pattern_allows(text in "[/@a-c \\n\u{9b}é]{0,12}|(/@?[a-c@]{1,3}){1,4}") {
            let expected = matches_the_pattern(&text) && !is_left_out(&text);
            prop_assert_eq!(text.parse::<LibraryId>().is_ok(), expected, "{:?}", text);
        }

        #[test]
        fn an_id_is_its_parts(text in "(/@?[a-c@é]{1,3}){2,3}") {
            let Ok(id) = text.parse::<LibraryId>() else {
                return Ok(());
            };
            let bare = format!("/{}/{}", id.owner(), id.name());
            let again = match id.version() {
                None => vec![bare.clone()],
                Some(version) => vec![format!("{bare}/{version}"), format!("{bare}@{version}")],
            };
            prop_assert!(again.contains(&text), "{:?}", id);
            let bare: LibraryId = bare.parse().unwrap();
            prop_assert_eq!((bare.owner(), bare.name()), (id.owner(), id.name()));
            prop_assert_eq!(bare.version(), None);
        }
    }
}
