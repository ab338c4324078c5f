//! Aliases: another collection takes over in one step.

use std::sync::OnceLock;

use contexter_model::{Alias, AliasSwitched, Error, ErrorKind};
use qdrant_client::qdrant::alias_operations::Action;
use qdrant_client::qdrant::{
    AliasOperations, ChangeAliases, CreateAlias, DeleteAlias, ListAliasesRequest,
};

use super::fault;
use super::store::RemoteStore;
use crate::spec;

impl RemoteStore {
    pub(super) async fn aliases(&self) -> Result<Vec<Alias>, Error> {
        let connection = self.connection();
        let reply = connection
            .answer(
                connection
                    .collections()
                    .list_aliases(connection.request(ListAliasesRequest {})),
            )
            .await?;
        let mut aliases: Vec<Alias> = reply
            .aliases
            .into_iter()
            .map(|alias| Alias {
                alias: alias.alias_name,
                collection: alias.collection_name,
            })
            .collect();
        aliases.sort();
        Ok(aliases)
    }

    pub(super) async fn alias_named(&self, name: &str) -> Result<Option<Alias>, Error> {
        let aliases = self.aliases().await?;
        Ok(aliases.into_iter().find(|alias| alias.alias == name))
    }

    /// `before` keeps what the first attempt found: a later one may see what an earlier one did.
    pub(super) async fn switch_alias(
        &self,
        alias: &str,
        collection: &str,
        before: &OnceLock<Option<String>>,
    ) -> Result<AliasSwitched, Error> {
        spec::check_name("alias", alias)?;
        spec::check_name("collection name", collection)?;
        let aliases = self.aliases().await?;
        if aliases.iter().any(|other| other.alias == collection) {
            return Err(fault::error(
                ErrorKind::Invalid,
                format!("{collection:?} is an alias itself, an alias names a collection"),
            ));
        }
        let current = aliases
            .into_iter()
            .find(|other| other.alias == alias)
            .map(|other| other.collection);
        if current.is_none() && self.exists(alias).await? {
            return Err(fault::error(
                ErrorKind::Invalid,
                format!("{alias:?} is a collection, an alias cannot have its name"),
            ));
        }
        let previous = before.get_or_init(|| current).clone();
        // Takes the place of the alias that is there. The server carries out the actions of a request
        // one after the other and takes none back (1.19, `lib/storage`, `update_aliases`): were the
        // old one deleted first, it would be gone if the new one is then refused.
        let create = Action::CreateAlias(CreateAlias {
            collection_name: collection.to_owned(),
            alias_name: alias.to_owned(),
        });
        self.change_alias(create).await?;
        // Whoever deletes what was before must not delete what serves now.
        let previous = previous.filter(|previous| previous != collection);
        Ok(AliasSwitched { previous })
    }

    pub(super) async fn drop_alias(&self, alias: &str) -> Result<(), Error> {
        spec::check_name("alias", alias)?;
        let delete = Action::DeleteAlias(DeleteAlias {
            alias_name: alias.to_owned(),
        });
        match self.change_alias(delete).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    async fn change_alias(&self, action: Action) -> Result<(), Error> {
        let connection = self.connection();
        let request = ChangeAliases {
            actions: vec![AliasOperations {
                action: Some(action),
            }],
            timeout: Some(connection.server_timeout()),
        };
        let changed = connection
            .answer(
                connection
                    .collections()
                    .update_aliases(connection.request(request)),
            )
            .await;
        self.known().forget_all();
        changed.map(drop)
    }
}
