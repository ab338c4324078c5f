//! The events of a [`Bus`](contexter_event_bus::Bus) on Redis Streams.
//!
//! [`RedisTransport`] is a [`MessageTransport`](contexter_event_bus::MessageTransport): it stores
//! events, leases them to consumers and keeps dead letters. Attempts, retries, order, timeouts and
//! deduplication are the bus's own. It needs Redis 7.0 or newer.
//!
//! # One stream
//!
//! All events of a bus are in **one** stream, and a consumer leaves out what its pattern does not
//! match: it acknowledges that at once, before it is decoded. The alternative, a stream for each
//! event type, was turned down:
//!
//! - Redis has no wildcards over streams. A subscription to `document.>` would have to discover new
//!   types, and would miss or delay the first event of each.
//! - The order of events of one key would end at the border between two types: `order.placed` could
//!   be delivered after `order.cancelled`.
//! - A late subscriber reads the past in the order in which it happened, from one place; a replay
//!   has one place to go on from, and one gap to report.
//!
//! The price is that every group reads every event of its bus. Flows that do not belong together
//! get buses of their own, by [`name`](RedisConfig::name).
//!
//! # What is at the server
//!
//! | key | what |
//! |---|---|
//! | `{NAME}:events` | stream: the events, in binary mode, one field for each header, and `data` |
//! | `{NAME}:dead` | stream: dead letters, with their original messages |
//! | `{NAME}:delayed:GROUP` | sorted set: what was given back and is not due yet |
//! | `{NAME}:alive:GROUP` | the sign of life of a subscription without a group |
//! | `{NAME}:handled:EVENT` | what a group knows of an event, with a [`RedisDedupe`] |
//! | `{NAME}:responders` | sorted set: who answers which requests |
//! | `{NAME}:requests:GROUP`, `{NAME}:replies:ID` | lists: requests and replies on their way |
//!
//! The group of a subscription is a consumer group of the stream together with its pattern, so that
//! members with different patterns do not take each other's events. Each consumer has a name of its
//! own, so that what a dead one held is taken over; consumers that are idle and hold nothing are
//! deleted after [`forget_after`](RedisConfig::forget_after).
//!
//! # What it promises
//!
//! - **Confirmed** means answered by the server. Whether it survives a crash is the server's
//!   setting: with `appendonly yes` and `appendfsync always`, it does.
//! - **Leases** are the idle times of the pending list. A consumer renews them by `XCLAIM … JUSTID`
//!   to itself, and takes over by `XCLAIM` what another one has not settled for *that one's* lease,
//!   which is at the end of its name: members of one group may have different leases. The number of
//!   deliveries is read from the pending list in the same step. A late acknowledgement is refused
//!   by the consumer's own clock, whose leases begin when a read is sent, end 5 % earlier than the
//!   server's, and are looked at each time that an acknowledgement is sent; renewing and giving back
//!   are refused by the server, which compares the owner.
//! - **Giving back with a delay**, which Redis lacks, moves the entry out of the pending list into a
//!   sorted set, by the server's clock and in one step. Any consumer of the group takes it when it is
//!   due, never earlier, also when the one that gave it back has died. What is due is looked for at
//!   the time that is known, and every [`block_time`](RedisConfig::block_time).
//! - **Order**: one consumer gets events in the order of storing. What was in an answer that never
//!   came, because the connection broke, is fetched before anything newer. Among several consumers
//!   of a group there is no order.
//! - **A connection that breaks**, or does not answer for
//!   [`response_timeout`](RedisConfig::response_timeout), is made again with growing pauses, for as
//!   long as it takes. Whoever waits for an answer for a shorter time leaves the connection as it is.
//! - **A group that the server has lost** is made again where it was. What its members had not
//!   settled then is lost with it, except without a group: such a consumer knows all that was
//!   pending or given back, and restores it.
//! - **A subscription without a group** shows life as soon as it has a connection, and is forgotten
//!   when it has not for [`forget_after`](RedisConfig::forget_after), in which the server itself was
//!   there all the time. One that lives all the same (its machine slept) finds its group gone, and
//!   loses nothing.
//! - **Closing** gives back what was read ahead. A server that is away is waited for no longer than
//!   250 ms, because leases end by themselves.
//! - **Messages that are no events** keep the names of their headers, too: bytes that are no UTF-8
//!   are the characters U+10FF80 to U+10FFFF in a [`RawMessage`](contexter_event_bus::transport::RawMessage),
//!   and bytes again when it is redelivered.
//! - **Trimming** ([`max_events`](RedisConfig::max_events), [`max_age`](RedisConfig::max_age))
//!   removes the oldest events, whether they were read or not. Entries that were trimmed while they
//!   were leased are left out and counted; so is what was trimmed before a group had read it, in
//!   [`trimmed`](contexter_event_bus::transport::TransportHealth::trimmed) of one member, with one
//!   warning for each gap. It counts entries of the whole stream, for a group must read all of them:
//!   how many of those that are gone its pattern would have matched cannot be known. Not counted is
//!   what was gone when the group was made, what was deleted one by one (`XDEL`), what a group misses
//!   that the server has lost, and what one misses that began in the middle of the stream
//!   (`Start::At`, or a group of an earlier version) before it had once read everything. All
//!   transports of a bus should have the same limits.
//! - **Bytes** are no limit of a stream: Redis has none but the memory of the whole server, at which
//!   it refuses to store (`maxmemory`, with the policy `noeviction`; others evict whole streams).
//! - **Duplicates** are not recognised when publishing; the bus recognises them when handling: those
//!   of its own process, or, with a [`RedisDedupe`], those of all.
//! - **Requests** are not stored for longer than they may take. A responder that dies is taken to
//!   be there for 5 more seconds; requests to it run into their time limits.

mod config;
mod dead;
mod dedupe;
mod dial;
mod entry;
mod error;
mod expiry;
mod keys;
mod link;
mod publish;
mod replay;
mod request;
mod scripts;
mod source;
mod transport;

pub use config::RedisConfig;
pub use dedupe::RedisDedupe;
pub use transport::RedisTransport;
