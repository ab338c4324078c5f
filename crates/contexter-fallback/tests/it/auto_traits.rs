//! `Send`, `Sync` and `Unpin` of every public type: a change is a decision.

use std::future::Ready;

use contexter_fallback::{
    AnyError, CacheConfig, CacheService, CachedCall, Configured, Error, Fallback, FallbackCall,
    FallbackService, FlightConfig, Freshness, Operation, ResponseCache, Served, SharedCall,
    SingleFlight, StaleCall, StaleConfig, StaleValue, Value,
};
use contexter_service::{Both, Cx, DefaultClock};

fn shared<T: Send + Sync + Unpin + 'static>() {}
fn sent<T: Send>() {}

type Key = String;
type Done = Ready<Result<u8, ()>>;
type Op = fn(Cx) -> Done;

#[test]
fn handles_and_data_are_shared_between_threads() {
    shared::<Fallback<Value<u8>>>();
    shared::<Fallback<Operation<fn(&u8) -> Done>>>();
    shared::<FallbackService<(), Value<u8>>>();
    shared::<SingleFlight<Key, u8>>();
    shared::<StaleValue<Key, u8>>();
    shared::<ResponseCache<Key, u8, ()>>();
    shared::<CacheService<(), fn(&u8) -> Key, Key, u8, (), Configured, DefaultClock, AnyError>>();
    shared::<Error<u8>>();
    shared::<Both<u8>>();
    shared::<Served<u8, ()>>();
    shared::<Freshness>();
    shared::<(FlightConfig, StaleConfig, CacheConfig)>();
    shared::<(AnyError, Configured, Value<u8>)>();
}

#[test]
fn calls_are_sent_between_threads() {
    sent::<FallbackCall<'static, u8, (), Op, Done, Value<u8>, AnyError>>();
    sent::<SharedCall<'static, Key, u8, Op, Done>>();
    sent::<StaleCall<'static, Key, u8, DefaultClock, AnyError, Op, Done>>();
    sent::<CachedCall<'static, Key, u8, (), Configured, DefaultClock, AnyError, Done>>();
}

#[test]
fn a_shared_call_may_be_moved_if_its_operation_may() {
    fn unpin<T: Unpin>() {}
    unpin::<SharedCall<'static, Key, u8, Op, Done>>();
    unpin::<FallbackCall<'static, u8, (), Op, Done, Value<u8>, AnyError>>();
}

#[cfg(feature = "tower")]
#[test]
fn a_call_of_tower_is_sent_between_threads_and_borrows_nothing() {
    fn owned<T: Send + Unpin + 'static>() {}
    type Client = tower::util::ServiceFn<fn(u8) -> Done>;
    owned::<contexter_fallback::TowerCall<Client, u8, Value<u8>, AnyError>>();
}
