//! Aliases, kept in the folder's own metadata, and the end of collections.

use std::collections::BTreeMap;

use contexter_model::{
    Alias, AliasSwitched, DropAlias, DropCollection, Error, ErrorKind, ListAliases, SwitchAlias,
};
use contexter_service::Service;

use super::fault;
use super::store::EmbeddedStore;
use super::threads::blocking;
use crate::spec;

impl EmbeddedStore {
    /// Changes aliases: on the disk first, then for calls.
    async fn change_aliases<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Self, &mut BTreeMap<String, String>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = self.creation_turn().await?;
        let store = self.clone();
        blocking("change aliases", move || {
            let _turn = turn;
            let mut aliases = store.aliases()?;
            let outcome = change(&store, &mut aliases)?;
            store.keep_aliases(aliases)?;
            Ok(outcome)
        })
        .await
    }

    /// Writes aliases down, if they are others than before. Only for whoever has the turn.
    fn keep_aliases(&self, aliases: BTreeMap<String, String>) -> Result<(), Error> {
        if aliases == self.aliases()? {
            return Ok(());
        }
        self.folder().write_aliases(&aliases)?;
        self.set_aliases(aliases)
    }
}

/// # Errors
///
/// `NotFound` if there is no such collection, `Invalid` if the alias is the name of a collection.
impl Service<SwitchAlias> for EmbeddedStore {
    type Response = AliasSwitched;
    type Error = Error;

    async fn call(&self, req: SwitchAlias) -> Result<AliasSwitched, Error> {
        let switch = |store: &Self, aliases: &mut BTreeMap<String, String>| {
            let SwitchAlias { alias, collection } = req;
            spec::check_name("alias", &alias)?;
            if store.is_collection(&alias) {
                return Err(fault::error(
                    ErrorKind::Invalid,
                    format!("{alias:?} is a collection, an alias cannot have its name"),
                ));
            }
            if aliases.contains_key(&collection) {
                return Err(fault::error(
                    ErrorKind::Invalid,
                    format!("{collection:?} is an alias itself, an alias names a collection"),
                ));
            }
            // Says which folder it is not in.
            store.collection(&collection)?;
            let previous = aliases
                .insert(alias, collection.clone())
                .filter(|previous| *previous != collection);
            Ok(AliasSwitched { previous })
        };
        self.change_aliases(switch)
            .await
            .map_err(|error| error.with_operation("switch_alias"))
    }
}

impl Service<DropAlias> for EmbeddedStore {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: DropAlias) -> Result<(), Error> {
        self.change_aliases(move |_, aliases| {
            aliases.remove(&req.alias);
            Ok(())
        })
        .await
        .map_err(|error| error.with_operation("drop_alias"))
    }
}

impl Service<ListAliases> for EmbeddedStore {
    type Response = Vec<Alias>;
    type Error = Error;

    async fn call(&self, _req: ListAliases) -> Result<Vec<Alias>, Error> {
        let aliases = self
            .aliases()
            .map_err(|error| error.with_operation("list_aliases"))?;
        Ok(aliases
            .into_iter()
            .map(|(alias, collection)| Alias { alias, collection })
            .collect())
    }
}

/// Waits for calls that are under way; those that come too late find the collection closed.
impl Service<DropCollection> for EmbeddedStore {
    type Response = bool;
    type Error = Error;

    async fn call(&self, req: DropCollection) -> Result<bool, Error> {
        let name = req.collection;
        let drop_it = move |store: &Self, aliases: &mut BTreeMap<String, String>| {
            if let Some(collection) = aliases.get(&name) {
                return Err(fault::error(
                    ErrorKind::Invalid,
                    format!(
                        "{name:?} is an alias of collection {collection:?}, which only its own name \
                         deletes",
                    ),
                ));
            }
            spec::check_name("collection name", &name)?;
            // First, so that whatever ends this leaves no alias that names nothing.
            aliases.retain(|_, collection| *collection != name);
            store.keep_aliases(aliases.clone())?;
            if let Some(collection) = store.take(&name)? {
                collection.close();
            } else if !store.folder().collection(&name).path().exists() {
                return Ok(false);
            }
            // Also what was closed by a call before, which could not remove the files.
            store.folder().remove(&name)?;
            Ok(true)
        };
        self.change_aliases(drop_it)
            .await
            .map_err(|error| error.with_operation("drop_collection"))
    }
}
