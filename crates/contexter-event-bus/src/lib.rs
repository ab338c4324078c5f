//! An event bus with acknowledgement, bounded queues and dead letters.
//!
//! Services that must not know each other publish events and subscribe to them by type. A [`Bus`]
//! connects them inside one process ([`Bus::new`]) or over a broker ([`Bus::over`] a
//! [`MessageTransport`]); handlers do not see which.
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
//! - **At least once.** In process, an accepted event is handled, or becomes a dead letter, or is
//!   named by the report of a drain; queues and dead letters are in memory, so a killed process loses
//!   them. On a broker, a confirmed event is handled or becomes a dead letter, whoever is killed in
//!   between: it is acknowledged only after the handler has succeeded or the dead letter is stored.
//! - **Failures are counted and bounded.** A handler that fails, panics or takes too long is tried
//!   again: [at once](SubscriptionConfig::attempts_in_one_go) if that is wanted, then after growing
//!   delays, [`max_attempts`](SubscriptionConfig::max_attempts) times in all. Then, or at once if it
//!   says that trying again is no use, the event becomes a [`DeadLetter`] that can be
//!   [redriven](Bus::redrive). The attempt number is visible to the handler. An event that kills the
//!   process each time becomes a dead letter by the broker's own count, without the handler: see
//!   [below](#what-kills-its-process).
//! - **Nothing is unbounded.** Each subscription has a bounded queue and an explicit [`Overflow`]
//!   policy; drops are counted. The event store, the dead letters and what deduplication remembers
//!   have bounds.
//! - **One subscription does not disturb another.** Each has its own queue and tasks, and a panic
//!   stays inside its attempt.
//! - **Order per partition key.** Events of one key are handled in the order of publishing, one at
//!   a time, also with [`concurrency`](SubscriptionConfig::concurrency) above 1, in a group, and
//!   while the first of them waits to be tried again. A dead letter makes way. Events without a key
//!   start in the order of publishing; one that waits to be tried again holds up nobody. On a broker
//!   this holds within one consumer; whether it does among those of a group,
//!   [its capabilities](Capability::OrderAcrossConsumers) say.
//! - **Publishing never waits for handlers**, only for room where the policy is to block, or for the
//!   broker to confirm. A handler that publishes into its own full queue waits until its own timeout.
//! - **Groups share.** Subscriptions of one [group](SubscriptionConfig::group) share the events. An
//!   event that a member leaves unfinished goes to another one.
//! - **Duplicates** are recognised by source and id, on a broker by default: an event is remembered
//!   only when its handler has succeeded ([`DedupeStore`]). The default store is in memory, and
//!   knows what this process has handled since it began; the members of a group in several processes
//!   share one by [`Bus::with_dedupe_store`].
//!
//! A handler that never reaches an `.await` cannot be stopped by a timeout. A [`Handler`] that
//! holds a clone of its own bus is released when its [`Subscription`] is dropped, and so is an
//! [observer](SubscriptionConfig::with_observer), with the last member of its group.
//!
//! # On a broker
//!
//! An event belongs to a consumer for a [lease](SubscriptionConfig::lease), which is renewed for as
//! long as the process lives. An event without a key that is to be tried again goes back to the
//! broker, so that any consumer can take it when it is due; one with a key stays, because those
//! behind it must wait, and it takes one of the places of
//! [`capacity`](SubscriptionConfig::capacity) meanwhile. What cannot be decoded, or was made in the
//! future, becomes a dead letter without reaching the handler; what has expired is counted and
//! acknowledged, since it is of no use to anybody.
//!
//! # What kills its process
//!
//! A handler that takes its process with it is never seen to fail, so the broker's count of
//! deliveries decides: what was delivered more often than
//! [`max_attempts`](SubscriptionConfig::max_attempts) allow is a dead letter of the kind
//! [`FailureKind::Poison`], before any handler is called. But a process that dies counts for
//! *everything that it held*, up to [`capacity`](SubscriptionConfig::capacity) events, most of which
//! no handler had begun with: brokers count deliveries, not attempts. So after three deaths the
//! innocent would be dead letters, too. Against that:
//!
//! - A [`DedupeStore`] that [outlives processes](DedupeStore::outlives_processes) knows which events
//!   a handler had begun with. Of those that were delivered too often, only these are poison; the
//!   others get one more attempt, their last. What ran beside the killer, at most
//!   [`concurrency`](SubscriptionConfig::concurrency) events, is still suspect.
//! - Without one, a small capacity keeps the number of the innocent small, and more attempts make
//!   them need more deaths.
//! - A dead letter is not lost: [`Bus::redrive`] gives it all its attempts again, with a new count.
//!   Redrive the letters of the kind `Poison` one by one, into a subscription with a capacity and a
//!   concurrency of 1: the one that kills shows itself, and the others are handled.
//!
//! A process that ends in good order counts only for what it had begun with, where the broker can take
//! a delivery back: Redis can. NATS counts whatever it has delivered, so there an event that waits
//! through more deployments than its attempts is poison, too.
//!
//! # Around handlers
//!
//! [`Handler::wrap`] puts a [`Middleware`] around a handler: the one that was put last is outermost.
//! A [`SubscriptionConfig::with_observer`] is told of every event that is settled without having been
//! handled: a dead letter of whatever kind, one that had expired, that was handled before, or that a
//! full queue has dropped.
//!
//! # Besides
//!
//! [`Bus::request`] and [`Bus::respond`] ask and answer. [`outbox`] publishes events exactly when a
//! change is made. [`Bus::history`] reads events again. [`Bus::health`] and [`Bus::stats`] say how
//! things are, and so do, with the feature `metrics`, the metrics of the process: the module of that
//! name lists them. Publications and attempts are spans, related through the events: see [`trace`].
//! [`Bus::drain`] ends everything in good order, [`Subscription::drain`] one subscription.
//!
//! A panic of a [`MessageTransport`], a [`DedupeStore`] or a [`TracePropagator`] that the bus was
//! given is an error of that call: it is logged, and the call is made again where a failed one would
//! be. After one of a transport, its health says so until another call succeeds.
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
mod contained;
mod dead_letter;
mod dedupe;
mod drain;
mod ending;
mod error;
mod event_store;
mod failed;
mod handler;
mod health;
mod history;
mod inspect;
mod lanes;
#[cfg(feature = "metrics")]
pub mod metrics;
mod middleware;
#[cfg(all(test, contexter_loom))]
mod models;
mod observe;
pub mod outbox;
mod pattern;
mod publish;
mod queue;
mod receipt;
mod remote;
mod request;
mod route;
mod stats;
mod subscribe;
mod subscription;
mod sync;
mod tally;
mod text;
pub mod trace;
pub mod transport;
mod turn;
mod worker;

pub use bus::Bus;
pub use config::{BusConfig, Overflow, SubscriptionConfig};
pub use dead_letter::RedriveError;
pub use dedupe::{Begin, DedupeKey, DedupeStore, DeliveryId, MemoryDedupe};
pub use error::{PublishError, SubscribeError};
pub use handler::{Delivery, FailureKind, Handler, HandlerError};
pub use health::{BusHealth, SubscriptionHealth};
pub use history::{EventFilter, Gap, History};
pub use middleware::{Middleware, Next, Wrapped, decoded};
pub use observe::{Unhandled, UnhandledReason};
pub use pattern::{InvalidPattern, Pattern};
pub use receipt::{Abandoned, Acceptance, DrainReport, Outcome, Receipt, Settlement};
pub use request::{Request, Responder, ResponderConfig};
pub use stats::{Stats, SubscriptionStats};
pub use subscription::Subscription;
pub use trace::{TracePropagator, TraceRelation};
pub use transport::{
    Capabilities, Capability, DeadLetter, DeadLetterId, DeadLetterQuery, DeadMessage,
    MessageTransport, RequestError, Start, TransportError,
};
