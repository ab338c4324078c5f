//! Which host a key belongs to.

/// The original platform, for keys `pa-…`.
///
/// Source: <https://docs.voyageai.com/reference/embeddings-api>.
pub const VOYAGE_URL: &str = "https://api.voyageai.com/v1";

/// MongoDB Atlas, for keys `al-…`.
///
/// Source: <https://www.mongodb.com/docs/voyageai/api-and-clients>.
pub const ATLAS_URL: &str = "https://ai.mongodb.com/v1";

/// MongoDB Atlas in the United States, for keys `al-us-…`.
pub const ATLAS_US_URL: &str = "https://us.ai.mongodb.com/v1";

/// MongoDB Atlas in the European Union, for keys `al-eu-…`.
pub const ATLAS_EU_URL: &str = "https://eu.ai.mongodb.com/v1";

/// The prefixes of keys and their hosts, the longest first.
const HOSTS: [(&str, &str); 4] = [
    ("al-us-", ATLAS_US_URL),
    ("al-eu-", ATLAS_EU_URL),
    ("al-", ATLAS_URL),
    ("pa-", VOYAGE_URL),
];

/// Returns the base URL of the host that a key was issued for, by its prefix. A key works on that
/// host only; one of an unknown prefix goes to the original platform.
///
/// # Examples
///
/// ```
/// use contexter_voyage::{ATLAS_EU_URL, ATLAS_URL, VOYAGE_URL, base_url_of};
///
/// assert_eq!(base_url_of("pa-123"), VOYAGE_URL);
/// assert_eq!(base_url_of("al-123"), ATLAS_URL);
/// assert_eq!(base_url_of("al-eu-123"), ATLAS_EU_URL);
/// ```
#[must_use]
pub fn base_url_of(key: &str) -> &'static str {
    HOSTS
        .iter()
        .find(|(prefix, _)| key.starts_with(prefix))
        .map_or(VOYAGE_URL, |(_, url)| url)
}

/// Whether text looks like a key of the vendor: it must not be shown.
pub(crate) fn looks_like_key(word: &str) -> bool {
    const SHORTEST: usize = 12;
    word.len() >= SHORTEST && HOSTS.iter().any(|(prefix, _)| word.starts_with(prefix))
}

/// Whether requests to this host cost a tenth more, as those of a geography do.
///
/// Source: <https://www.mongodb.com/docs/voyageai/>, geography-scoped endpoints.
pub(crate) fn has_surcharge(base_url: &str) -> bool {
    let host = base_url
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', ':']).next());
    host.is_some_and(|host| host.ends_with(".ai.mongodb.com"))
}
