//! Flags of the user name that are words of a list.

use serde::{Deserialize, Serialize};

/// What kind of addresses a zone has; it decides which flags its user name may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ZoneKind {
    /// Addresses of homes: every place flag is allowed.
    Residential,
    /// Addresses of mobile networks: every place flag is allowed.
    Mobile,
    /// Addresses of data centres: of the place flags only the country.
    Datacenter,
    /// Addresses of internet providers: of the place flags only the country.
    Isp,
    /// The unlocker or the search zone in its form as a proxy: of the place flags only the country.
    Unlocker,
}

/// Where names are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dns {
    /// At the super proxy.
    Local,
    /// At the peer.
    Remote,
}

/// What happens when the chosen peer cannot reach the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteErr {
    /// The request fails, instead of going out from the super proxy.
    Block,
    /// The request goes out from another peer.
    PassDyn,
}
