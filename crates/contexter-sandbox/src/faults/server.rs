//! Which of the servers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the sandbox's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Server {
    /// Voyage AI.
    Voyage,
    /// Context7.
    Context7,
    /// Bright Data's REST interface.
    Brightdata,
    /// Bright Data's native proxy.
    BrightdataProxy,
    /// Qdrant.
    Qdrant,
}

impl Server {
    /// All servers.
    pub const ALL: [Self; 5] = [
        Self::Voyage,
        Self::Context7,
        Self::Brightdata,
        Self::BrightdataProxy,
        Self::Qdrant,
    ];

    /// Returns the name that scripts use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Voyage => "voyage",
            Self::Context7 => "context7",
            Self::Brightdata => "brightdata",
            Self::BrightdataProxy => "brightdata_proxy",
            Self::Qdrant => "qdrant",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
