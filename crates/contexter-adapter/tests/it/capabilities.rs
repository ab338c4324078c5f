//! Names and typed handles.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use contexter_adapter::Capabilities;
use contexter_service::{Capability, Service};

struct Store(u8);
struct Erase;
struct Search;

impl Capability for Store {
    const NAME: &'static str = "vector_storage";
    type Response = u8;
    type Error = Infallible;
}

impl Capability for Erase {
    const NAME: &'static str = "vector_storage";
    type Response = &'static str;
    type Error = Infallible;
}

impl Capability for Search {
    const NAME: &'static str = "vector_search";
    type Response = ();
    type Error = String;
}

#[derive(Clone, Default)]
struct Engine {
    calls: Arc<AtomicUsize>,
    offset: u8,
}

impl Service<Store> for Engine {
    type Response = u8;
    type Error = Infallible;

    async fn call(&self, req: Store) -> Result<u8, Infallible> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(req.0 + self.offset)
    }
}

impl Service<Erase> for Engine {
    type Response = &'static str;
    type Error = Infallible;

    async fn call(&self, _: Erase) -> Result<&'static str, Infallible> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok("erased")
    }
}

impl Service<Search> for Engine {
    type Response = ();
    type Error = String;

    async fn call(&self, _: Search) -> Result<(), String> {
        Err("nothing stored".to_owned())
    }
}

#[test]
fn names_are_sorted_and_each_is_there_once() {
    let capabilities = Capabilities::new()
        .with::<Store>(Engine::default())
        .with::<Erase>(Engine::default())
        .with::<Search>(Engine::default());
    let names: Vec<_> = capabilities.names().collect();
    assert_eq!(names, ["vector_search", "vector_storage"]);
    assert!(capabilities.contains("vector_search"));
    assert!(!capabilities.contains("vector"));
    let printed = format!("{capabilities:?}");
    assert_eq!(printed, "{\"vector_search\", \"vector_storage\"}");
}

#[tokio::test]
async fn verbs_that_share_a_name_keep_their_own_handles() {
    let capabilities = Capabilities::new().with::<Store>(Engine::default());
    assert!(capabilities.contains(Erase::NAME));
    assert!(
        capabilities.handle::<Erase>().is_none(),
        "the name alone is no handle"
    );

    let capabilities = capabilities.with::<Erase>(Engine::default());
    let store = capabilities.handle::<Store>().unwrap();
    let erase = capabilities.handle::<Erase>().unwrap();
    assert_eq!(store.call(Store(5)).await, Ok(5));
    assert_eq!(erase.call(Erase).await, Ok("erased"));
}

#[tokio::test]
async fn all_handles_reach_the_same_service() {
    let engine = Engine::default();
    let capabilities = Capabilities::new().with::<Store>(engine.clone());
    let one = capabilities.handle::<Store>().unwrap();
    let other = capabilities.handle::<Store>().unwrap();
    one.call(Store(1)).await.unwrap();
    other.clone().call(Store(1)).await.unwrap();
    assert_eq!(engine.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_second_service_for_a_request_replaces_the_first() {
    let capabilities = Capabilities::new()
        .with::<Store>(Engine::default())
        .with::<Store>(Engine {
            offset: 100,
            ..Engine::default()
        });
    let store = capabilities.handle::<Store>().unwrap();
    assert_eq!(store.call(Store(1)).await, Ok(101));
}

#[tokio::test]
async fn a_handle_passes_the_error_of_its_service() {
    let capabilities = Capabilities::new().with::<Search>(Engine::default());
    let search = capabilities.handle::<Search>().unwrap();
    assert_eq!(search.call(Search).await, Err("nothing stored".to_owned()));
}

#[test]
fn a_handle_outlives_the_capabilities() {
    let capabilities = Capabilities::new().with::<Store>(Engine::default());
    let store = capabilities.handle::<Store>().unwrap();
    drop(capabilities);
    let call = store.call(Store(1));
    drop(call);
}
