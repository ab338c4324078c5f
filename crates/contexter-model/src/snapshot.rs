//! Snapshots: copies of collections, where the store keeps such copies.

use serde::{Deserialize, Serialize};

use crate::capability::capability;

/// Makes a copy of a collection that can be restored later, where the store keeps such copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSnapshot {
    /// Of which collection.
    pub collection: String,
}

/// Lists the snapshots of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSnapshots {
    /// Of which collection.
    pub collection: String,
}

/// Deletes a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropSnapshot {
    /// Of which collection.
    pub collection: String,
    /// Which one.
    pub snapshot: String,
}

/// A copy of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name, unique in its collection.
    pub name: String,
    /// How many bytes it takes.
    pub bytes: u64,
    /// When it was made, in seconds since 1970, if the store says so.
    pub created: Option<i64>,
    /// The SHA-256 of the file in hexadecimal digits, if the store says so.
    pub sha256: Option<String>,
}

capability! {
    CreateSnapshot => "vector_storage", Snapshot;
    ListSnapshots => "vector_storage", Vec<Snapshot>;
    DropSnapshot => "vector_storage", ();
}
