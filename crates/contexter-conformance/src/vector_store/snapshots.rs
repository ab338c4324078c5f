//! Snapshots.

use contexter_model::{CreateSnapshot, DropSnapshot, ErrorKind, ListSnapshots};

use super::fixture::{Store, fresh, point};
use crate::verdict::{Checked, check};

pub(super) async fn made_listed_dropped(store: &mut Store) -> Checked {
    store.handle::<CreateSnapshot>()?;
    let collection = store.collection("snapshots").await?;
    store
        .upsert(&collection, vec![point(1, &[1.0, 0.0, 0.0], &[], "a")])
        .await?;
    let made = store
        .call(CreateSnapshot {
            collection: collection.clone(),
        })
        .await?;
    check(made.bytes > 0, || {
        format!("expected some bytes, saw {made:?}")
    })?;
    let list = || ListSnapshots {
        collection: collection.clone(),
    };
    let listed = store.call(list()).await?;
    let there = listed.iter().any(|snapshot| snapshot.name == made.name);
    check(there, || {
        format!("expected {:?} among {listed:?}", made.name)
    })?;
    let forget = || DropSnapshot {
        collection: collection.clone(),
        snapshot: made.name.clone(),
    };
    store.call(forget()).await?;
    let left = store.call(list()).await?;
    check(left.is_empty(), || format!("expected none, saw {left:?}"))?;
    store.refused(forget(), ErrorKind::NotFound).await?;
    let unknown = CreateSnapshot {
        collection: fresh("unknown"),
    };
    store.refused(unknown, ErrorKind::NotFound).await.map(drop)
}
