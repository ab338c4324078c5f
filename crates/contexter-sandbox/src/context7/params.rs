//! The parameters of a request, checked as the service does.

use super::refusal::Refusal;

/// The longest query and name, in characters.
const MAX_CHARS: usize = 500;

/// The parameters of a query string, in their order.
#[derive(Debug)]
pub(super) struct Params(pub(super) Vec<(String, String)>);

/// In which form documentation is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
}

impl Params {
    /// Returns every value of a parameter.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Returns a text of 1 to 500 characters that may be left out.
    pub(super) fn optional(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let Some(value) = self.0.iter().find(|(key, _)| key == name) else {
            return Ok(None);
        };
        within_limit(name, &value.1).map(Some)
    }

    /// Returns a text of 1 to 500 characters.
    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.optional(name)?
            .ok_or_else(|| Refusal::invalid(format!("{name} is required")))
    }

    /// Returns the form; text where none is named.
    pub(super) fn form(&self) -> Result<Form, Refusal> {
        match self.all("type").next() {
            None | Some("txt") => Ok(Form::Text),
            Some("json") => Ok(Form::Json),
            Some(other) => Err(Refusal::invalid(format!(
                "type must be one of: txt, json. Received: {}",
                shown(other)
            ))),
        }
    }

    /// Checks the flag `fast`, which changes nothing here: everything is fast.
    pub(super) fn fast(&self) -> Result<(), Refusal> {
        match self.all("fast").next() {
            None | Some("true" | "false") => Ok(()),
            Some(other) => Err(Refusal::invalid(format!(
                "fast must be true or false. Received: {}",
                shown(other)
            ))),
        }
    }

    /// Returns a number within a range.
    pub(super) fn number(
        &self,
        name: &str,
        default: usize,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<usize, Refusal> {
        let Some(text) = self.all(name).next() else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (low, high) = range.into_inner();
                Refusal::invalid(format!("{name} must be a number from {low} to {high}"))
            })
    }
}

pub(super) fn within_limit<'a>(name: &str, value: &'a str) -> Result<&'a str, Refusal> {
    if value.trim().is_empty() {
        return Err(Refusal::invalid(format!("{name} is required")));
    }
    let chars = value.chars().count();
    if chars > MAX_CHARS {
        return Err(Refusal::invalid(format!(
            "{name} must have at most {MAX_CHARS} characters"
        )));
    }
    Ok(value)
}

/// Reads `^/[^/]+/[^/]+([/@][^/]+)?$`: the id without its version, and the version.
pub(super) fn library_id(text: &str) -> Result<(String, Option<String>), Refusal> {
    if text.chars().count() > MAX_CHARS {
        return Err(Refusal::invalid(format!(
            "libraryId must have at most {MAX_CHARS} characters"
        )));
    }
    let parts: Vec<&str> = text.split('/').collect();
    let (owner, name, tag) = match parts.as_slice() {
        ["", owner, name] => (*owner, *name, None),
        ["", owner, name, tag] => (*owner, *name, Some(*tag)),
        _ => return Err(Refusal::invalid_id(&shown(text))),
    };
    if owner.is_empty() || name.is_empty() || tag == Some("") {
        return Err(Refusal::invalid_id(&shown(text)));
    }
    // An @ in the name begins the version; one at its beginning belongs to the name.
    let at = name.char_indices().skip(1).find(|(_, c)| *c == '@');
    let (name, tag) = match (at, tag) {
        (Some((at, _)), None) => {
            let (name, tag) = name.split_at(at);
            (name, tag.strip_prefix('@').filter(|tag| !tag.is_empty()))
        }
        (_, tag) => (name, tag),
    };
    Ok((format!("/{owner}/{name}"), tag.map(str::to_owned)))
}

/// Returns the beginning of what a client sent.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_an_owner_a_name_and_maybe_a_version_in_either_form() {
        for (text, id, tag) in [
            ("/a/b", "/a/b", None),
            ("/a/b/v1", "/a/b", Some("v1")),
            ("/a/b@v1", "/a/b", Some("v1")),
            ("/a/b/pkg@1", "/a/b", Some("pkg@1")),
            ("/npm/@scope", "/npm/@scope", None),
        ] {
            let read = library_id(text).unwrap();
            assert_eq!((read.0.as_str(), read.1.as_deref()), (id, tag), "{text}");
        }
        for bad in ["", "/", "a/b", "/a", "/a/", "//b", "/a/b/", "/a/b/c/d"] {
            assert!(library_id(bad).is_err(), "{bad}");
        }
        assert!(library_id(&format!("/a/{}", "b".repeat(500))).is_err());
    }
}
