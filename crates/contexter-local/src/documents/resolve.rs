//! Which library a name means.

use contexter_model::LibraryId;

/// How well a name fits; smaller is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    Exact,
    Prefix,
    Part,
}

/// Returns how well `wanted` fits the library; `None` if it does not.
///
/// Case and the difference between `-` and `_` do not count; every library fits an empty name.
pub(crate) fn rank(id: &LibraryId, wanted: &str) -> Option<Rank> {
    let wanted = normal(wanted.trim());
    let name = normal(id.name());
    if wanted.is_empty() || wanted == name || wanted == normal(id.as_str()) {
        Some(Rank::Exact)
    } else if name.starts_with(&wanted) {
        Some(Rank::Prefix)
    } else {
        name.contains(&wanted).then_some(Rank::Part)
    }
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}
