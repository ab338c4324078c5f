//! An event bus with acknowledgement, bounded queues and dead letters.
//!
//! Services that must not know each other publish events and subscribe to them by type. A
//! [`Bus`] connects them inside one process.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//!
//! use contexter_event_bus::{Bus, Delivery, SubscriptionConfig};
//! use contexter_protocol::IntegrationEvent;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bus = Bus::default();
//! let _subscription = bus.subscribe(
//!     "document.*",
//!     SubscriptionConfig::default(),
//!     |delivery: Delivery| async move {
//!         println!("{} (attempt {})", delivery.event().event_type(), delivery.attempt());
//!         Ok(())
//!     },
//! )?;
//!
//! let event = IntegrationEvent::builder("crawler", "document.found").build()?;
//! let receipt = bus.publish(event).await?;
//! assert_eq!(receipt.accepted(), 1);
//!
//! let report = bus.drain(Duration::from_secs(5)).await;
//! assert_eq!(report.settled, 1);
//! assert!(report.abandoned.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - **At least once, inside the process.** An accepted event is handled, or becomes a dead letter,
//!   or is named by the report of a drain. Queues and dead letters are in memory: a killed process
//!   loses them, so a flow records what is done where it is durable and starts again from there.
//! - **Failures are counted and bounded.** A handler that fails, panics or takes too long is tried
//!   again with growing delays, [`max_attempts`](SubscriptionConfig::max_attempts) times in all.
//!   Then, or at once if it says that trying again is no use, the event becomes a [`DeadLetter`]
//!   that can be [redriven](Bus::redrive). The attempt number is visible to the handler.
//! - **Nothing is unbounded.** Each subscription has a bounded queue and an explicit [`Overflow`]
//!   policy; drops are counted. The event store and the dead letters have bounds.
//! - **One subscription does not disturb another.** Each has its own queue and tasks, and a panic
//!   stays inside its attempt.
//! - **Order per partition key.** Events of one key are handled in the order of publishing, one at
//!   a time, also with [`concurrency`](SubscriptionConfig::concurrency) above 1 and while the first
//!   of them waits to be tried again. A dead letter makes way. Events without a key start in the
//!   order of publishing; one that waits to be tried again holds up nobody.
//! - **Publishing never waits for handlers**, only for room where the policy is to block. A handler
//!   that publishes into its own full queue waits until its own timeout.
//!
//! A handler that never reaches an `.await` cannot be stopped by a timeout. A [`Handler`] that
//! holds a clone of its own bus is released when its [`Subscription`] is dropped.
//!
//! # Names
//!
//! | integration architecture | here |
//! |---|---|
//! | `EventBus` | [`Bus`] |
//! | `EventBus.subscribe(event_type, handler)` | [`Bus::subscribe`], typed: [`Bus::subscribe_to`] |
//! | `EventBus.publish`, which gathers the handlers | [`Bus::publish_and_settle`]; [`Bus::publish`] does not wait |
//! | `EventBus.publish_document_processed` | [`Bus::publish_document_processed`] |
//! | `EventBus.subscribers`, `event_store`, its last event | [`Stats`]: `subscribers`, `stored_events`, `last_event` |
//! | `EventBus.event_store` | [`Bus::history`], [`Bus::replay`] |

mod attempts;
mod bus;
mod claim;
mod config;
mod dead_letter;
mod dedupe;
mod error;
mod event_store;
mod handler;
mod health;
mod inspect;
mod lanes;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(all(test, contexter_loom))]
mod models;
pub mod outbox;
mod pattern;
mod publish;
mod queue;
mod receipt;
mod remote;
mod request;
mod route;
mod stats;
mod subscription;
mod sync;
pub mod transport;
mod worker;

pub use bus::Bus;
pub use config::{BusConfig, Overflow, SubscriptionConfig};
pub use dead_letter::RedriveError;
pub use dedupe::{Begin, DedupeKey, DedupeStore, MemoryDedupe};
pub use error::{PublishError, SubscribeError};
pub use event_store::{EventFilter, Gap, History};
pub use handler::{Delivery, FailureKind, Handler, HandlerError};
pub use health::{BusHealth, SubscriptionHealth};
pub use pattern::{InvalidPattern, Pattern};
pub use receipt::{Abandoned, Acceptance, DrainReport, Outcome, Receipt, Settlement};
pub use request::{Request, Responder, ResponderConfig};
pub use stats::{Stats, SubscriptionStats};
pub use subscription::Subscription;
pub use transport::{
    Capabilities, Capability, DeadLetter, DeadLetterId, DeadLetterQuery, DeadMessage,
    MessageTransport, RequestError, Start, TransportError,
};
