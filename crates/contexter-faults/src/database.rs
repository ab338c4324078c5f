//! What the consumers write into: transactions that the deduplication opens and closes.
//!
//! It stands for the database of a service, which outlives the service's processes. An event that is
//! in progress is an open transaction of one process; what its handler writes counts when the
//! deduplication notes that the event is done. When the process dies, its transactions are rolled
//! back.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use contexter_event_bus::{Begin, DedupeKey, DedupeStore, DeliveryId, TransportError};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::line::serve;
use crate::numbered::key_of;

/// A process that is connected.
pub(crate) type Session = u64;

/// The session of this process.
pub(crate) const HERE: Session = 0;

/// The database.
#[derive(Debug, Default)]
pub(crate) struct Database {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    sessions: Session,
    /// Transactions by the name of their event, with what was written in them.
    open: HashMap<String, (Session, Option<Write>)>,
    done: HashSet<String>,
    groups: HashMap<String, Table>,
}

#[derive(Debug)]
struct Write {
    group: String,
    number: u64,
}

/// What one group has done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// How often each number took effect.
    effects: HashMap<u64, u64>,
    /// The last number of each key.
    last: HashMap<u64, u64>,
    /// Deliveries that reached the deduplication.
    pub(crate) arrived: u64,
    /// Those that it recognised.
    pub(crate) duplicates: u64,
    /// Effects that came after one of a later event of the same key.
    pub(crate) out_of_order: u64,
    /// Transactions that were rolled back because their process died.
    pub(crate) rolled_back: u64,
}

impl Table {
    /// How many different numbers took effect.
    pub(crate) fn handled(&self) -> u64 {
        self.effects.len() as u64
    }

    pub(crate) fn has(&self, number: u64) -> bool {
        self.effects.contains_key(&number)
    }

    /// How many numbers took effect more than once.
    pub(crate) fn doubled(&self) -> u64 {
        self.effects.values().filter(|times| **times > 1).count() as u64
    }
}

impl Database {
    /// Returns what a group has done.
    pub(crate) fn table(&self, group: &str) -> Table {
        let tables = self.tables.lock();
        tables.groups.get(group).cloned().unwrap_or_default()
    }

    /// Returns how many different numbers took effect in a group.
    pub(crate) fn handled(&self, group: &str) -> u64 {
        let tables = self.tables.lock();
        tables.groups.get(group).map_or(0, Table::handled)
    }

    /// Returns how many of these took no effect in a group.
    pub(crate) fn unhandled(&self, group: &str, numbers: &BTreeSet<u64>) -> u64 {
        let tables = self.tables.lock();
        let table = tables.groups.get(group);
        let has = |number: &&u64| table.is_some_and(|table| table.has(**number));
        numbers.len() as u64 - numbers.iter().filter(has).count() as u64
    }

    pub(crate) fn connect(&self) -> Session {
        let mut tables = self.tables.lock();
        tables.sessions += 1;
        tables.sessions
    }

    /// A process is gone: what it had open is rolled back.
    pub(crate) fn disconnect(&self, session: Session) {
        let mut tables = self.tables.lock();
        let Tables { open, groups, .. } = &mut *tables;
        open.retain(|_, (owner, write)| {
            if *owner == session
                && let Some(table) = write
                    .as_ref()
                    .and_then(|write| groups.get_mut(&write.group))
            {
                table.rolled_back += 1;
            }
            *owner != session
        });
    }

    pub(crate) fn begin(&self, session: Session, group: &str, key: &str) -> Begin {
        let mut tables = self.tables.lock();
        if tables.open.contains_key(key) {
            return Begin::InProgress;
        }
        let done = tables.done.contains(key);
        let table = tables.groups.entry(group.to_owned()).or_default();
        table.arrived += 1;
        if done {
            table.duplicates += 1;
            return Begin::Done;
        }
        tables.open.insert(key.to_owned(), (session, None));
        Begin::New
    }

    /// Writes a number in the transaction of its event; nothing if there is none.
    pub(crate) fn write(&self, session: Session, group: &str, key: &str, number: u64) {
        let mut tables = self.tables.lock();
        if let Some((owner, write)) = tables.open.get_mut(key)
            && *owner == session
        {
            let group = group.to_owned();
            *write = Some(Write { group, number });
        }
    }

    /// Commits.
    pub(crate) fn done(&self, session: Session, key: &str) {
        let mut tables = self.tables.lock();
        let Some((owner, write)) = tables.open.remove(key) else {
            return;
        };
        if owner != session {
            tables.open.insert(key.to_owned(), (owner, write));
            return;
        }
        tables.done.insert(key.to_owned());
        let Some(Write { group, number }) = write else {
            return;
        };
        let table = tables.groups.entry(group.clone()).or_default();
        *table.effects.entry(number).or_default() += 1;
        let last = table.last.entry(key_of(number)).or_default();
        if number < *last {
            tracing::warn!(number, last = *last, group, "out of order");
        }
        table.out_of_order += u64::from(number < *last);
        *last = number.max(*last);
    }

    /// Rolls back.
    pub(crate) fn release(&self, session: Session, key: &str) {
        let mut tables = self.tables.lock();
        if tables
            .open
            .get(key)
            .is_some_and(|(owner, _)| *owner == session)
        {
            tables.open.remove(key);
        }
    }

    /// Lets other processes connect, until the task is aborted.
    pub(crate) async fn listen(self: &Arc<Self>) -> Result<(SocketAddr, JoinHandle<()>)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let database = Arc::clone(self);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let database = Arc::clone(&database);
                tokio::spawn(async move {
                    let session = database.connect();
                    // However it ends, the process is gone.
                    let _ended = serve(stream, &database, session).await;
                    database.disconnect(session);
                });
            }
        });
        Ok((address, task))
    }
}

/// The database as the deduplication of a bus in this process.
#[derive(Debug)]
pub(crate) struct Here {
    pub(crate) database: Arc<Database>,
    pub(crate) group: &'static str,
}

#[async_trait]
impl DedupeStore for Here {
    async fn begin(
        &self,
        key: &DedupeKey,
        _by: &DeliveryId,
        _lease: Duration,
    ) -> Result<Begin, TransportError> {
        Ok(self.database.begin(HERE, self.group, key.as_str()))
    }

    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        self.database.done(HERE, key.as_str());
        Ok(())
    }

    async fn release(&self, key: &DedupeKey, _by: &DeliveryId) -> Result<(), TransportError> {
        self.database.release(HERE, key.as_str());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(database: &Database, session: Session, number: u64) -> Begin {
        let key = number.to_string();
        let begun = database.begin(session, "g", &key);
        if begun == Begin::New {
            database.write(session, "g", &key, number);
            database.done(session, &key);
        }
        begun
    }

    #[test]
    fn an_event_takes_effect_once_however_often_it_comes() {
        let database = Database::default();
        assert_eq!(handle(&database, 1, 7), Begin::New);
        assert_eq!(handle(&database, 2, 7), Begin::Done);
        let table = database.table("g");
        assert_eq!((table.handled(), table.doubled()), (1, 0));
        assert_eq!((table.arrived, table.duplicates), (2, 1));
    }

    #[test]
    fn what_a_dead_process_had_open_has_no_effect_and_is_free_again() {
        let database = Database::default();
        assert_eq!(database.begin(1, "g", "7"), Begin::New);
        database.write(1, "g", "7", 7);
        assert_eq!(database.begin(2, "g", "7"), Begin::InProgress);
        database.disconnect(1);
        assert_eq!(database.table("g").handled(), 0);
        assert_eq!(database.table("g").rolled_back, 1);
        assert_eq!(handle(&database, 2, 7), Begin::New);
        // What the dead one says late is not heard.
        database.done(1, "7");
        assert_eq!(database.table("g").doubled(), 0);
    }

    #[test]
    fn disorder_within_a_key_is_seen_and_between_keys_is_none() {
        let database = Database::default();
        let keys = crate::numbered::KEYS;
        for number in [keys, 1, 3 * keys, 2 * keys, 0] {
            handle(&database, 1, number);
        }
        assert_eq!(database.table("g").out_of_order, 2);
    }
}
