//! The ids of data sets and of their snapshots.

use std::fmt;
use std::str::FromStr;

use contexter_model::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                let is_good = text.strip_prefix($prefix).is_some_and(|rest| {
                    (1..=120).contains(&rest.len())
                        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                });
                if is_good {
                    Ok(Self(text.to_owned()))
                } else {
                    let shown: String = text.chars().take(80).collect();
                    Err(Error::new(
                        ErrorKind::Invalid,
                        format!(
                            concat!("{:?} is no id, expected ", $prefix, "… of letters and digits"),
                            shown
                        ),
                    ))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// The id of a data set, such as `gd_l1viktl72bvl7bjuj0`.
    DatasetId, "gd_"
}

id! {
    /// The id of a snapshot, such as `s_m4x7enmven8djfqak`: one run of a data set.
    SnapshotId, "s"
}
