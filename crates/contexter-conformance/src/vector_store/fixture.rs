//! A store that is open, and what scenarios put into it.

use std::sync::Arc;

use contexter_adapter::{AdapterError, ServiceAdapter};
use contexter_model::{
    CollectionSpec, CollectionState, Count, Distance, DropCollection, EmbeddingSpace,
    EnsureCollection, Error, ErrorKind, Filter, Hit, Leg, Payload, Point, PointId, Query, Record,
    Retrieve, SpaceKind, SparseVector, Upsert,
};
use contexter_service::{Capability, Handle, Service as _};
use serde_json::Value;

use super::Subject;
use crate::Verdict;
use crate::verdict::{Checked, check};

/// A store that is open.
pub(super) struct Store {
    adapter: Arc<dyn ServiceAdapter>,
    /// Collections to drop in the end.
    made: Vec<String>,
}

impl Store {
    pub(super) async fn open(subject: &impl Subject) -> Result<Self, AdapterError> {
        let adapter = subject.open().await?;
        adapter.initialize().await?;
        Ok(Self {
            adapter,
            made: Vec::new(),
        })
    }

    /// Closes the store and opens it again.
    pub(super) async fn reopen(&mut self, subject: &impl Subject) -> Result<(), AdapterError> {
        self.adapter.shutdown().await;
        // The last reference must be gone before somebody else can hold the data.
        self.adapter = Arc::new(super::fixture::Nothing::default());
        self.adapter = subject.open().await?;
        self.adapter.initialize().await
    }

    pub(super) async fn close(mut self) {
        if let Ok(drop) = self.handle::<DropCollection>() {
            for collection in std::mem::take(&mut self.made) {
                // What is left behind harms nobody: its name is used once.
                let _gone = drop.call(DropCollection { collection }).await;
            }
        }
        self.adapter.shutdown().await;
    }

    pub(super) fn adapter(&self) -> &dyn ServiceAdapter {
        &*self.adapter
    }

    /// Returns the handle of a request, or the reason why the scenario does not apply.
    pub(super) fn handle<Req: Capability>(&self) -> Checked<Handle<Req>> {
        self.adapter.capabilities().handle::<Req>().ok_or_else(|| {
            let name = std::any::type_name::<Req>();
            let name = name.rsplit("::").next().unwrap_or(name);
            Verdict::NotApplicable(format!("does not offer {name}"))
        })
    }

    /// Makes a call that must succeed.
    pub(super) async fn call<Req>(&self, req: Req) -> Checked<Req::Response>
    where
        Req: Capability<Error = Error>,
    {
        let outcome = self.handle::<Req>()?.call(req).await;
        outcome.map_err(|error| Verdict::Fail(format!("expected success, saw {error}")))
    }

    /// Makes a call that must fail.
    pub(super) async fn refused<Req>(&self, req: Req, kind: ErrorKind) -> Checked<Error>
    where
        Req: Capability<Error = Error>,
    {
        match self.handle::<Req>()?.call(req).await {
            Ok(_) => Err(Verdict::Fail(format!(
                "expected an error of kind {kind}, saw success"
            ))),
            Err(error) => {
                check(error.kind() == kind, || {
                    format!(
                        "expected an error of kind {kind}, saw {}: {error}",
                        error.kind()
                    )
                })?;
                Ok(error)
            }
        }
    }

    /// Creates a collection of three dimensions with the fields `library` and `kind`.
    pub(super) async fn collection(&mut self, about: &str) -> Checked<String> {
        let spec = spec(&fresh(about), 3);
        self.ensure(spec.clone()).await?;
        Ok(spec.name)
    }

    /// Creates or verifies a collection, and remembers to drop it.
    pub(super) async fn ensure(&mut self, spec: CollectionSpec) -> Checked<CollectionState> {
        if !self.made.contains(&spec.name) {
            self.made.push(spec.name.clone());
        }
        self.call(EnsureCollection(spec)).await
    }

    pub(super) async fn upsert(&self, collection: &str, points: Vec<Point>) -> Checked {
        self.call(Upsert {
            collection: collection.to_owned(),
            points,
        })
        .await
    }

    pub(super) async fn count(&self, collection: &str, filter: Filter) -> Checked<u64> {
        self.call(Count {
            collection: collection.to_owned(),
            filter,
        })
        .await
    }

    pub(super) async fn search(
        &self,
        collection: &str,
        leg: Leg,
        filter: Filter,
    ) -> Checked<Vec<Hit>> {
        let mut reply = self
            .call(Query {
                collection: collection.to_owned(),
                legs: vec![leg],
                filter,
                limit: 100,
            })
            .await?;
        let rankings = reply.rankings.len();
        check(rankings == 1, || {
            format!("expected 1 ranking, saw {rankings}")
        })?;
        Ok(reply.rankings.pop().unwrap_or_default())
    }

    /// Returns what a leg finds, as numbers.
    pub(super) async fn found(&self, collection: &str, leg: Leg) -> Checked<Vec<u128>> {
        let hits = self.search(collection, leg, Filter::all()).await?;
        Ok(numbers(&hits))
    }

    pub(super) async fn record(&self, collection: &str, n: u128) -> Checked<Option<Record>> {
        let mut records = self
            .call(Retrieve {
                collection: collection.to_owned(),
                ids: vec![id(n)],
            })
            .await?;
        Ok(records.pop())
    }
}

/// Stands in while nothing is open.
#[derive(Default)]
struct Nothing(contexter_adapter::Capabilities);

#[async_trait::async_trait]
impl ServiceAdapter for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn capabilities(&self) -> &contexter_adapter::Capabilities {
        &self.0
    }

    async fn health_check(&self) -> contexter_adapter::ServiceHealth {
        contexter_adapter::ServiceHealth::new(
            contexter_adapter::HealthStatus::Unhealthy,
            std::time::Duration::ZERO,
            jiff::Timestamp::UNIX_EPOCH,
        )
    }
}

/// A name that nobody has.
pub(super) fn fresh(about: &str) -> String {
    format!("conformance-{about}-{}", PointId::new_v4().simple())
}

pub(super) fn spec(name: &str, dimensions: usize) -> CollectionSpec {
    CollectionSpec {
        name: name.to_owned(),
        space: EmbeddingSpace {
            id: "conformance-1".to_owned(),
            dimensions,
            max_tokens: 64,
            kind: SpaceKind::Lexical,
        },
        distance: Distance::Cosine,
        keyword_fields: vec!["library".to_owned(), "kind".to_owned()],
    }
}

pub(super) fn id(n: u128) -> PointId {
    PointId::from_u128(n)
}

pub(super) fn numbers(hits: &[Hit]) -> Vec<u128> {
    hits.iter().map(|hit| hit.id.as_u128()).collect()
}

pub(super) fn terms(pairs: &[(u32, f32)]) -> SparseVector {
    let (indices, values) = pairs.iter().copied().unzip();
    SparseVector::new(indices, values).expect("the pairs of the scenarios are in order")
}

pub(super) fn term(index: u32) -> Leg {
    Leg::Sparse(terms(&[(index, 1.0)]))
}

pub(super) fn toward(x: f32, y: f32, z: f32) -> Leg {
    Leg::Dense(vec![x, y, z])
}

pub(super) fn library(name: &str) -> Payload {
    Payload::from_iter([("library".to_owned(), Value::from(name))])
}

/// A point; empty lists are vectors that it does not have.
pub(super) fn point(n: u128, dense: &[f32], pairs: &[(u32, f32)], of: &str) -> Point {
    Point {
        id: id(n),
        dense: (!dense.is_empty()).then(|| dense.to_vec()),
        sparse: (!pairs.is_empty()).then(|| terms(pairs)),
        payload: library(of),
    }
}
