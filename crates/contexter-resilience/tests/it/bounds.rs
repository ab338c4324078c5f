//! What may cross threads, and be moved once pinned.

use std::sync::Arc;

use contexter_breaker::Breaker;
use contexter_model::Error;
use contexter_resilience::{
    BreakerConfig, Cached, Guarded, Keyed, Scope, StackConfig, StackSnapshot, StandardStack,
    UnlessRejected,
};
use contexter_service::{ByVerdict, Cx, DefaultClock, DefaultContext, ManualClock, Service};

fn shared<T: Send + Sync + Unpin>() {}
fn sent<T: Send>(_value: &T) {}

struct Echo;

impl Service<String> for Echo {
    type Response = String;
    type Error = Error;

    async fn call(&self, text: String) -> Result<String, Error> {
        Ok(text)
    }
}

#[test]
fn every_type_may_be_shared_between_threads() {
    shared::<StandardStack>();
    shared::<StandardStack<ManualClock, UnlessRejected>>();
    shared::<Guarded<Echo>>();
    shared::<Keyed<String, Breaker>>();
    shared::<Keyed<String, StandardStack>>();
    shared::<
        Cached<String, Arc<Echo>, DefaultClock, ByVerdict, DefaultContext, fn(&String) -> u64, u64>,
    >();
    shared::<StackConfig>();
    shared::<BreakerConfig>();
    shared::<Scope>();
    shared::<StackSnapshot>();
    shared::<contexter_resilience::Error<Error>>();
}

#[test]
fn every_future_may_be_spawned() {
    let stack = StandardStack::default();
    sent(&stack.run(Cx::new(), |_cx| async { Ok::<_, Error>(()) }));
    let guarded = stack.service(Echo);
    sent(&guarded.call(String::new()));
    sent(&guarded.call_with(Cx::new(), String::new()));
    let cached = stack.service(Echo).cached_by(String::clone).unwrap();
    sent(&cached.call(String::new()));
}
