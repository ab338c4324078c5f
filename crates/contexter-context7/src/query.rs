//! What may be asked.

use contexter_model::{Error, ErrorKind};

/// The longest query, in characters; longer ones are cut.
///
/// Source: `docs/openapi.json` of <https://github.com/upstash/context7>, parameters `query` and
/// `libraryName`. Whether it counts bytes or characters is not documented, so bytes are counted
/// here: what has at most 500 bytes has at most 500 characters.
pub const MAX_QUERY_CHARS: usize = 500;

/// Returns a query as it may be sent: without white space around it, and cut to the limit.
pub(crate) fn cut_to_limit(query: &str) -> Result<&str, Error> {
    let query = query.trim();
    if query.is_empty() {
        return Err(Error::new(
            ErrorKind::Invalid,
            "the query is blank, expected at least one word",
        ));
    }
    Ok(at_most(query, MAX_QUERY_CHARS).trim_end())
}

/// Returns a name as it may be sent; one that is too long is refused, since no part of a name means
/// the same.
pub(crate) fn within_limit<'a>(what: &str, name: &'a str) -> Result<&'a str, Error> {
    let name = name.trim();
    let problem = if name.is_empty() {
        "is blank, expected at least one character".to_owned()
    } else if name.len() > MAX_QUERY_CHARS {
        format!(
            "has {} bytes, expected at most {MAX_QUERY_CHARS}",
            name.len()
        )
    } else {
        return Ok(name);
    };
    Err(Error::new(
        ErrorKind::Invalid,
        format!("the {what} {problem}"),
    ))
}

/// Returns the longest beginning of `text` that has at most `bytes` bytes.
pub(crate) fn at_most(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let end = (0..=bytes)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_query_is_cut_between_characters() {
        let long = format!("  {}  ", "ä".repeat(400));
        let cut = cut_to_limit(&long).unwrap();
        assert_eq!(cut, "ä".repeat(250));
        assert_eq!(cut_to_limit(&"x".repeat(501)).unwrap().len(), 500);
        assert_eq!(cut_to_limit(" how? ").unwrap(), "how?");
    }

    #[test]
    fn what_asks_nothing_is_refused() {
        assert_eq!(
            cut_to_limit(" \n").unwrap_err().to_string(),
            "the query is blank, expected at least one word"
        );
    }

    #[test]
    fn a_name_is_never_cut() {
        assert_eq!(within_limit("name", " tokio ").unwrap(), "tokio");
        assert_eq!(
            within_limit("name", &"n".repeat(501))
                .unwrap_err()
                .to_string(),
            "the name has 501 bytes, expected at most 500"
        );
        assert_eq!(
            within_limit("name", "").unwrap_err().to_string(),
            "the name is blank, expected at least one character"
        );
    }
}
