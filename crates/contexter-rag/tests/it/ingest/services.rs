//! A source of documents, an embedder and a vector store in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use contexter_adapter::{Capabilities, HealthStatus, ServiceAdapter, ServiceHealth};
use contexter_model::{
    CollectionState, Count, Delete, DocsPage, Document, Embed, Embeddings, EnsureCollection, Error,
    ErrorKind, FetchDocs, Filter, Flush, Format, Optimize, Point, PointId, Selector, Upsert, Usage,
};
use contexter_service::Service;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// All that a test ingests with.
#[derive(Clone, Default)]
pub(crate) struct Services {
    pub(crate) shelf: Shelf,
    pub(crate) embedder: Embedder,
    pub(crate) store: Store,
}

/// Documents in memory, by path; every library has the same.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<BTreeMap<String, String>>>);

impl Shelf {
    pub(crate) fn put(&self, path: &str, text: &str) {
        self.0.lock().insert(path.to_owned(), text.to_owned());
    }

    pub(crate) fn remove(&self, path: &str) {
        self.0.lock().remove(path);
    }
}

impl Service<FetchDocs> for Shelf {
    type Response = DocsPage;
    type Error = Error;

    async fn call(&self, req: FetchDocs) -> Result<DocsPage, Error> {
        let documents = self.0.lock();
        let mut page = DocsPage::default();
        for (path, text) in &*documents {
            page.documents.push(Document {
                library: req.library.clone(),
                path: path.clone(),
                title: path.clone(),
                format: Format::Markdown,
                text: text.clone(),
            });
        }
        Ok(page)
    }
}

/// Embeds every text as the same vector, and counts them; fails as it is told to.
#[derive(Clone, Default)]
pub(crate) struct Embedder {
    pub(crate) failing: Failing,
    pub(crate) texts: Arc<AtomicUsize>,
}

impl Service<Embed> for Embedder {
    type Response = Embeddings;
    type Error = Error;

    async fn call(&self, req: Embed) -> Result<Embeddings, Error> {
        self.failing.check()?;
        self.texts.fetch_add(req.texts.len(), Ordering::Relaxed);
        Ok(Embeddings {
            vectors: vec![vec![1.0, 0.0]; req.texts.len()],
            usage: Usage::default(),
        })
    }
}

/// How a service fails at the moment, if it does.
#[derive(Clone, Default)]
pub(crate) struct Failing(Arc<Mutex<Option<ErrorKind>>>);

impl Failing {
    pub(crate) fn set(&self, kind: impl Into<Option<ErrorKind>>) {
        *self.0.lock() = kind.into();
    }

    fn check(&self) -> Result<(), Error> {
        match *self.0.lock() {
            Some(kind) => Err(Error::new(kind, "told to fail")),
            None => Ok(()),
        }
    }
}

/// Holds calls up while it is closed, and says when one has come.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(tokio::sync::Mutex<()>, Notify)>);

impl Gate {
    /// Closes the gate until the guard is dropped.
    pub(crate) async fn close(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.0.lock().await
    }

    /// Waits until a call has come.
    pub(crate) async fn reached(&self) {
        self.0.1.notified().await;
    }

    async fn pass(&self) {
        self.0.1.notify_one();
        drop(self.0.0.lock().await);
    }
}

/// Points in memory, by collection. Its gate and its failures are those of opening and of upserts.
#[derive(Clone, Default)]
pub(crate) struct Store {
    pub(crate) gate: Gate,
    pub(crate) failing: Failing,
    collections: Arc<Mutex<BTreeMap<String, BTreeMap<PointId, Point>>>>,
}

impl Store {
    /// Returns paths and texts of what a collection holds of a library, in order.
    pub(crate) fn texts(&self, collection: &str, library: &str) -> Vec<(String, String)> {
        let points = self.points(collection);
        let of_it = points.iter().filter(|p| p.payload["library"] == library);
        let text = |point: &Point, field| point.payload[field].as_str().unwrap().to_owned();
        let mut texts: Vec<_> = of_it.map(|p| (text(p, "path"), text(p, "text"))).collect();
        texts.sort();
        texts
    }

    pub(crate) fn points(&self, collection: &str) -> Vec<Point> {
        let collections = self.collections.lock();
        let points = collections.get(collection).into_iter();
        points.flat_map(BTreeMap::values).cloned().collect()
    }

    fn change<T>(
        &self,
        collection: &str,
        change: impl FnOnce(&mut BTreeMap<PointId, Point>) -> T,
    ) -> Result<T, Error> {
        let mut collections = self.collections.lock();
        let none = || Error::new(ErrorKind::NotFound, "no such collection");
        collections.get_mut(collection).map(change).ok_or_else(none)
    }
}

fn passes(filter: &Filter, point: &Point) -> bool {
    filter.must.iter().all(|condition| {
        let value = point.payload.get(&condition.field);
        let value = value.and_then(|value| value.as_str());
        value.is_some_and(|value| condition.any_of.iter().any(|one| one == value))
    })
}

impl Service<EnsureCollection> for Store {
    type Response = CollectionState;
    type Error = Error;

    async fn call(&self, req: EnsureCollection) -> Result<CollectionState, Error> {
        self.gate.pass().await;
        self.failing.check()?;
        let mut collections = self.collections.lock();
        let created = !collections.contains_key(&req.0.name);
        let points = collections.entry(req.0.name).or_default().len() as u64;
        Ok(CollectionState { created, points })
    }
}

impl Service<Upsert> for Store {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Upsert) -> Result<(), Error> {
        self.gate.pass().await;
        self.failing.check()?;
        let points = req.points.into_iter().map(|point| (point.id, point));
        self.change(&req.collection, |held| held.extend(points))
    }
}

impl Service<Delete> for Store {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Delete) -> Result<(), Error> {
        self.change(&req.collection, |held| match req.selector {
            Selector::Ids(ids) => held.retain(|id, _| !ids.contains(id)),
            Selector::Filter(filter) => held.retain(|_, point| !passes(&filter, point)),
        })
    }
}

impl Service<Count> for Store {
    type Response = u64;
    type Error = Error;

    async fn call(&self, req: Count) -> Result<u64, Error> {
        self.change(&req.collection, |held| {
            held.values().filter(|p| passes(&req.filter, p)).count() as u64
        })
    }
}

impl Service<Flush> for Store {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Flush) -> Result<(), Error> {
        self.change(&req.collection, |_| ())
    }
}

impl Service<Optimize> for Store {
    type Response = ();
    type Error = Error;

    async fn call(&self, req: Optimize) -> Result<(), Error> {
        self.change(&req.collection, |_| ())
    }
}

/// Offers documents and the vector store.
pub(crate) struct Adapter(Capabilities);

impl Adapter {
    pub(crate) fn of(services: &Services) -> Self {
        let store = &services.store;
        let capabilities = Capabilities::new()
            .with::<FetchDocs>(services.shelf.clone())
            .with::<EnsureCollection>(store.clone())
            .with::<Upsert>(store.clone())
            .with::<Delete>(store.clone())
            .with::<Count>(store.clone())
            .with::<Flush>(store.clone())
            .with::<Optimize>(store.clone());
        Self(capabilities)
    }
}

#[async_trait]
impl ServiceAdapter for Adapter {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0
    }

    async fn health_check(&self) -> ServiceHealth {
        let now = jiff::Timestamp::now();
        ServiceHealth::new(HealthStatus::Healthy, Duration::ZERO, now)
    }
}
