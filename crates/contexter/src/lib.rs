//! Dependable calls to flaky, metered services, and documentation search built on them.
//!
//! This crate only gathers the family under one name; every module is a crate of its own, to be
//! used alone where that is enough. What serves tests, `contexter-conformance` and
//! `contexter-sandbox`, is not among them.
//!
//! | feature | modules | default |
//! |---|---|---|
//! | (always) | [`service`] | |
//! | `resilience` | `breaker`, `retry`, `limit`, `timeout`, `fallback`, `chaos`, `resilience` | yes |
//! | `tower` | the mechanisms as layers of `tower`, and bridges between its services and ours | |
//! | `metrics` | counters and gauges of the mechanisms and of the event bus, through the `metrics` facade | |
//! | `integration` | `adapter`, `registry`, `discovery`, `protocol`, `event_bus`, `config`, `storage`, `monitor` | |
//! | `redis`, `nats` | `redis`, `nats`: the event bus on a broker | |
//! | `rag` | `model`, `rag`, and all of `integration` | |
//! | `local` | `local`, and all of `rag` | |
//! | `http` | `http` and `model`: one API of one service | |
//! | `voyage`, `context7`, `brightdata` | `voyage`, `context7`, `brightdata`, and all of `rag`, `http`, `resilience` | |
//! | `qdrant` | `qdrant` for a server, and all of `rag` | |
//! | `qdrant-edge` | `qdrant` with the embedded engine, and all of `rag` | |

#[cfg(feature = "integration")]
pub use contexter_adapter as adapter;
#[cfg(feature = "resilience")]
pub use contexter_breaker as breaker;
#[cfg(feature = "brightdata")]
pub use contexter_brightdata as brightdata;
#[cfg(feature = "resilience")]
pub use contexter_chaos as chaos;
#[cfg(feature = "integration")]
pub use contexter_config as config;
#[cfg(feature = "context7")]
pub use contexter_context7 as context7;
#[cfg(feature = "integration")]
pub use contexter_discovery as discovery;
#[cfg(feature = "integration")]
pub use contexter_event_bus as event_bus;
#[cfg(feature = "resilience")]
pub use contexter_fallback as fallback;
#[cfg(feature = "http")]
pub use contexter_http as http;
#[cfg(feature = "resilience")]
pub use contexter_limit as limit;
#[cfg(feature = "local")]
pub use contexter_local as local;
#[cfg(any(feature = "http", feature = "rag"))]
pub use contexter_model as model;
#[cfg(feature = "integration")]
pub use contexter_monitor as monitor;
#[cfg(feature = "nats")]
pub use contexter_nats as nats;
#[cfg(feature = "integration")]
pub use contexter_protocol as protocol;
#[cfg(any(feature = "qdrant", feature = "qdrant-edge"))]
pub use contexter_qdrant as qdrant;
#[cfg(feature = "rag")]
pub use contexter_rag as rag;
#[cfg(feature = "redis")]
pub use contexter_redis as redis;
#[cfg(feature = "integration")]
pub use contexter_registry as registry;
#[cfg(feature = "resilience")]
pub use contexter_resilience as resilience;
#[cfg(feature = "resilience")]
pub use contexter_retry as retry;
pub use contexter_service as service;
#[cfg(feature = "integration")]
pub use contexter_storage as storage;
#[cfg(feature = "resilience")]
pub use contexter_timeout as timeout;
#[cfg(feature = "voyage")]
pub use contexter_voyage as voyage;
