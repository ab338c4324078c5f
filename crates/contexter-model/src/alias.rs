//! Aliases: other names of collections.

use serde::{Deserialize, Serialize};

use crate::capability::capability;

/// Makes an alias name a collection, whatever it named before, in one step.
///
/// An alias stands for its collection in every request, so that a collection can be built anew under
/// another name while the old one still serves, and then take its place.
///
/// # Behavior
///
/// Nobody sees a moment without the alias. An alias cannot have the name of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchAlias {
    /// The alias.
    pub alias: String,
    /// The collection that it names from now on.
    pub collection: String,
}

/// The reply to [`SwitchAlias`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasSwitched {
    /// The collection that the alias named before, if it was another one.
    pub previous: Option<String>,
}

/// Forgets an alias; one that is not there is no error. Its collection stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropAlias {
    /// The alias.
    pub alias: String,
}

/// Lists all aliases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListAliases;

/// An alias and the collection that it names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Alias {
    /// The alias.
    pub alias: String,
    /// The collection.
    pub collection: String,
}

capability! {
    SwitchAlias => "vector_storage", AliasSwitched;
    DropAlias => "vector_storage", ();
    ListAliases => "vector_storage", Vec<Alias>;
}
