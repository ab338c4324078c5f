//! The event bus on NATS JetStream.
//!
//! [`NatsTransport`] carries the events of a [`Bus`](contexter_event_bus::Bus) over a NATS server
//! with JetStream, 2.9 or later.
//!
//! # Examples
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use contexter_event_bus::{Bus, BusConfig};
//! use contexter_nats::{NatsConfig, NatsTransport};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = NatsTransport::connect(NatsConfig::new(["nats://127.0.0.1:4222"])).await?;
//! let bus = Bus::over(Arc::new(transport), &BusConfig::default());
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! | what | where |
//! |---|---|
//! | an event of type `a.b` | stream [`stream`](NatsConfig::stream), subject `prefix.a.b` |
//! | a group | one durable pull consumer for each pattern of the group |
//! | a subscription without a group | a consumer that the server forgets when it is idle |
//! | dead letters | stream `NAME-dead`, subject `prefix-dead.letter` |
//! | a request of type `a.b` | subject `prefix-request.a.b`, not stored |
//!
//! Events are CloudEvents in binary mode of the NATS protocol binding; structured mode is read, too.
//!
//! Whoever else publishes into the stream must use the subject `prefix.TYPE`: by the subject the
//! server chooses what a group gets. Whether an event is for a group is decided by its type: one
//! whose type its pattern does not match is acknowledged and seen by nobody. One whose type is not
//! in its subject never reaches those who subscribe to that type.
//!
//! # What it promises
//!
//! - **Confirmed.** An event is published when the server has stored it in the file of the stream.
//!   The server writes at once and syncs to the disk every two minutes by default: a killed server
//!   loses nothing, a power failure may (`sync_interval` of the server).
//! - **Published once within the window.** `Nats-Msg-Id` is the source and the id of the event. When
//!   the connection breaks, what was not confirmed is sent again, and the server recognises it for
//!   [`duplicate_window`](NatsConfig::duplicate_window). An event of the same call that was stored
//!   after the break can then be before one that was lost by it.
//! - **Order.** Confirmed events of one key are stored in their order: of one key one is on its way
//!   at a time, which costs a round trip for each event of the same key, and everything else goes at
//!   once. A consumer that is alone in its group handles the events of a key in that order for as
//!   long as it keeps their leases. When its connection broke, it asks for nothing new until what was
//!   on its way comes again, which takes about a lease, two at most. An event whose lease ran out
//!   keeps its place before the others of its key for six leases, counted from when the server can
//!   be reached. What takes longer than that to come again is overtaken; so is what a server gives
//!   that has lost its own record of what it had delivered. Among several consumers of a group there
//!   is no order.
//! - **Leases are fenced here.** The server accepts a late acknowledgement; so each consumer keeps
//!   the time of its leases itself and refuses. It counts from the arrival of the message: one that
//!   lay in the socket of a stopped process looks younger than it is.
//! - **Members of a group share the longest of their leases.** The server has one lease for a group;
//!   a member with a longer one makes it longer when it comes, so that nobody gets what it still
//!   works on. What a dead member held goes to the others after that lease. A shorter one counts when
//!   a member comes while no other is there.
//! - **The server never gives up on a message.** Deliveries are not limited at the server; the bus
//!   makes a dead letter of what was delivered too often.
//! - **What is removed is told.** The stream removes the oldest events
//!   ([`max_events`](NatsConfig::max_events), [`max_bytes`](NatsConfig::max_bytes),
//!   [`max_age`](NatsConfig::max_age)), whether they were read or not. What a group of *all* types
//!   (`>`) missed by that is counted in
//!   [`trimmed`](contexter_event_bus::transport::TransportHealth::trimmed) when the next event
//!   arrives, with one warning for each gap: exactly where one member is there, and in the time in
//!   which none was; among several each counts for itself what it can tell of the loss of the group,
//!   which is at least so much: the largest of their counts is nearest, not their sum. What a group of
//!   *some* types missed cannot be counted: the server keeps no record of the types of what it
//!   removed. There, what was removed while no member was there is a warning with the numbers in
//!   between, some of which may have been for the group, when the next member comes. Not noticed is
//!   what was removed while a group of some types fell behind with a member there, or what was leased
//!   when it was removed; the server gives the latter to nobody again.
//! - **What waits counts.** A message that was given back for later counts as unsettled for the
//!   server: [`max_ack_pending`](NatsConfig::max_ack_pending) bounds them for a whole group.
//!
//! - **A subscription without a group that the server has forgotten** ([`NatsConfig::forget_after`]:
//!   nothing was asked for, since the handler had enough, or the connection was away) is made again at
//!   the oldest message that it has not settled. What it has settled since comes again, too, and is
//!   known to the deduplication.
//! - **A stream that was made again**, since the server had lost what it had, is read from its
//!   beginning by every consumer that was there before: what is in it by then nobody has passed. In
//!   the names of places its numbers are told from those of the old one: `95~1`.
//!
//! - **Headers that the client library does not take** (that are no UTF-8, or have names that are
//!   not printable ASCII) end its connection. The connection is made again, and the message is
//!   fetched through the server's interface, given to the bus as undecodable, and settled like any
//!   other; so it becomes a dead letter, and the next one arrives.
//!
//! - **Headers have 64 KiB.** JetStream takes no more; an event with more is refused as too large. A
//!   dead letter that needs more has everything at the beginning of its data; if the server takes no
//!   message so large, the end of the original data is cut off, and that is logged.
//!
//! - **A request that is over is not delivered.** It says for how long it is wanted, and a responder counts
//!   that from when it has come, so their clocks need not agree. A responder that closes sends what has
//!   come, and nobody has begun with, to the others.
//!
//! Headers of a message have no order here, because the client library keeps none.

mod config;
mod dead;
mod error;
mod inbox;
mod link;
mod message;
mod names;
mod publish;
mod raw;
mod read;
mod replay;
mod request;
mod source;
mod stream;
mod transport;

pub use config::NatsConfig;
#[cfg(feature = "fuzzing")]
pub use raw::read_stored;
pub use transport::NatsTransport;
