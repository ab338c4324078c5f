//! Aliases.

use contexter_model::{
    Alias, AliasSwitched, Count, DropAlias, DropCollection, ErrorKind, Filter, ListAliases,
    SwitchAlias,
};

use super::fixture::{Store, fresh, point, term};
use crate::verdict::{Checked, check, same};

pub(super) async fn switched_in_one_step(store: &mut Store) -> Checked {
    store.handle::<SwitchAlias>()?;
    let (old, new) = (
        store.collection("old").await?,
        store.collection("new").await?,
    );
    let alias = fresh("alias");
    store
        .upsert(&old, vec![point(1, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a")])
        .await?;
    store
        .upsert(&new, vec![point(2, &[1.0, 0.0, 0.0], &[(7, 1.0)], "a")])
        .await?;
    let switch = |collection: &str| SwitchAlias {
        alias: alias.clone(),
        collection: collection.to_owned(),
    };
    let first = store.call(switch(&old)).await?;
    same(
        "the first switch",
        &first,
        &AliasSwitched { previous: None },
    )?;
    same("before", &store.found(&alias, term(7)).await?, &vec![1])?;
    let second = store.call(switch(&new)).await?;
    let previous = Some(old.clone());
    same("the second switch", &second, &AliasSwitched { previous })?;
    let again = store.call(switch(&new)).await?;
    same(
        "a repeated switch",
        &again,
        &AliasSwitched { previous: None },
    )?;
    same("after", &store.found(&alias, term(7)).await?, &vec![2])?;
    same("the old one", &store.found(&old, term(7)).await?, &vec![1])?;
    let aliases = store.call(ListAliases).await?;
    let listed = Alias {
        alias: alias.clone(),
        collection: new.clone(),
    };
    check(aliases.contains(&listed), || {
        format!("expected {listed:?} among {aliases:?}")
    })?;
    let through_alias = vec![point(3, &[0.0, 1.0, 0.0], &[(8, 1.0)], "a")];
    store.upsert(&alias, through_alias).await?;
    same(
        "stored through the alias",
        &store.count(&new, Filter::all()).await?,
        &2,
    )?;

    let unknown = switch(&fresh("unknown"));
    store.refused(unknown, ErrorKind::NotFound).await?;
    let over_a_collection = SwitchAlias {
        alias: old.clone(),
        collection: new.clone(),
    };
    store.refused(over_a_collection, ErrorKind::Invalid).await?;
    same("still", &store.found(&alias, term(7)).await?, &vec![2])?;
    if store.handle::<DropCollection>().is_ok() {
        let by_alias = DropCollection {
            collection: alias.clone(),
        };
        store.refused(by_alias, ErrorKind::Invalid).await?;
    }
    let forget = || DropAlias {
        alias: alias.clone(),
    };
    store.call(forget()).await?;
    store.call(forget()).await?;
    let count = Count {
        collection: alias.clone(),
        filter: Filter::all(),
    };
    store.refused(count, ErrorKind::NotFound).await.map(drop)
}
