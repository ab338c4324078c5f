//! What every vector store promises.

use contexter_adapter::ServiceAdapter;
use contexter_model::{
    CollectionSpec, Count, Delete, Distance, EmbeddingSpace, EnsureCollection, ErrorKind, Filter,
    Flush, Leg, Point, PointId, Query, Retrieve, Scroll, Selector, SpaceKind, SparseVector, Upsert,
};

use crate::ask;

/// How many points are stored; more than one chunk of an upload.
const POINTS: u128 = 1_200;

/// Runs on a collection of this name, which is not there yet.
pub(crate) async fn store(adapter: &dyn ServiceAdapter, collection: &str) {
    let suite = Suite {
        adapter,
        collection: collection.to_owned(),
    };
    suite.creates_once_and_verifies().await;
    suite.stores_and_finds().await;
    suite.reads_back().await;
    suite.deletes_what_is_selected().await;
    suite.names_what_is_not_there().await;
}

struct Suite<'a> {
    adapter: &'a dyn ServiceAdapter,
    collection: String,
}

fn id(number: u128) -> PointId {
    PointId::from_u128(number)
}

/// A point of the letter that its number says.
fn point(number: u128) -> Point {
    let mut dense = vec![0.1, 0.1, 0.1, 0.1];
    dense[usize::try_from(number % 4).unwrap()] = 1.0;
    let term = u32::try_from(number % 4).unwrap();
    let library = if number.is_multiple_of(2) {
        "even"
    } else {
        "odd"
    };
    let payload = [
        ("library".to_owned(), library.into()),
        ("number".to_owned(), u64::try_from(number).unwrap().into()),
    ];
    Point {
        id: id(number),
        dense: Some(dense),
        sparse: Some(SparseVector::new(vec![term], vec![1.0]).unwrap()),
        payload: payload.into_iter().collect(),
    }
}

impl Suite<'_> {
    fn spec(&self, dimensions: usize) -> EnsureCollection {
        EnsureCollection(CollectionSpec {
            name: self.collection.clone(),
            space: EmbeddingSpace {
                id: "letters".to_owned(),
                dimensions,
                max_tokens: 64,
                kind: SpaceKind::Lexical,
            },
            distance: Distance::Cosine,
            keyword_fields: vec!["library".to_owned()],
        })
    }

    async fn count(&self, filter: Filter) -> u64 {
        let collection = self.collection.clone();
        ask(self.adapter, Count { collection, filter })
            .await
            .unwrap()
    }

    async fn flush(&self) {
        let collection = self.collection.clone();
        ask(self.adapter, Flush { collection }).await.unwrap();
    }

    async fn creates_once_and_verifies(&self) {
        let state = ask(self.adapter, self.spec(4)).await.unwrap();
        assert!(state.created);
        let state = ask(self.adapter, self.spec(4)).await.unwrap();
        assert!(!state.created);
        let error = ask(self.adapter, self.spec(5)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }

    async fn stores_and_finds(&self) {
        // Twice: what is stored again replaces itself.
        for _ in 0..2 {
            let upsert = Upsert {
                collection: self.collection.clone(),
                points: (0..POINTS).map(point).collect(),
            };
            ask(self.adapter, upsert).await.unwrap();
        }
        self.flush().await;
        assert_eq!(u128::from(self.count(Filter::all()).await), POINTS);

        let query = |filter| Query {
            collection: self.collection.clone(),
            legs: vec![
                Leg::Dense(vec![0.1, 0.1, 1.0, 0.1]),
                Leg::Sparse(SparseVector::new(vec![3], vec![1.0]).unwrap()),
                Leg::Sparse(SparseVector::new(vec![999], vec![1.0]).unwrap()),
            ],
            filter,
            limit: 7,
        };
        let reply = ask(self.adapter, query(Filter::all())).await.unwrap();
        let [dense, sparse, nothing] = &reply.rankings[..] else {
            panic!("one ranking for each leg: {reply:?}");
        };
        assert_eq!((dense.len(), sparse.len(), nothing.len()), (7, 7, 0));
        assert!(
            dense.iter().all(|hit| hit.id.as_u128() % 4 == 2),
            "{dense:?}"
        );
        assert!(
            sparse.iter().all(|hit| hit.id.as_u128() % 4 == 3),
            "{sparse:?}"
        );
        assert!(dense.is_sorted_by(|a, b| (a.score, b.id) >= (b.score, a.id)));

        let even = Filter::all().and("library", "even");
        let reply = ask(self.adapter, query(even)).await.unwrap();
        assert_eq!(reply.rankings[0].len(), 7);
        assert!(reply.rankings[1].is_empty(), "threes are odd: {reply:?}");
    }

    async fn reads_back(&self) {
        let retrieve = Retrieve {
            collection: self.collection.clone(),
            ids: vec![id(5), id(POINTS + 5), id(3)],
        };
        let records = ask(self.adapter, retrieve).await.unwrap();
        let numbers: Vec<_> = records
            .iter()
            .map(|record| &record.payload["number"])
            .collect();
        assert_eq!(
            numbers,
            [5, 3],
            "in the order of the ids, without what is not there"
        );

        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let scroll = Scroll::new(&self.collection, 500).after(after);
            let page = ask(self.adapter, scroll).await.unwrap();
            seen.extend(page.points.iter().map(|point| point.id));
            after = page.next;
            if after.is_none() {
                break;
            }
            assert!(seen.len() < 10_000, "the pages never end");
        }
        assert!(
            seen.is_sorted() && seen.len() as u128 == POINTS,
            "{}",
            seen.len()
        );
    }

    async fn deletes_what_is_selected(&self) {
        let delete = |selector| Delete {
            collection: self.collection.clone(),
            selector,
        };
        let empty = delete(Selector::Filter(Filter::all()));
        let error = ask(self.adapter, empty).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert_eq!(u128::from(self.count(Filter::all()).await), POINTS);

        let some = delete(Selector::Ids(vec![id(1), id(3), id(POINTS + 1)]));
        ask(self.adapter, some).await.unwrap();
        let odd = Filter::all().and("library", "odd");
        assert_eq!(u128::from(self.count(odd.clone()).await), POINTS / 2 - 2);
        ask(self.adapter, delete(Selector::Filter(odd.clone())))
            .await
            .unwrap();
        self.flush().await;
        assert_eq!(self.count(odd).await, 0);
        assert_eq!(u128::from(self.count(Filter::all()).await), POINTS / 2);
    }

    async fn names_what_is_not_there(&self) {
        let collection = format!("{}-nowhere", self.collection);
        let filter = Filter::all();
        let error = ask(self.adapter, Count { collection, filter })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}
