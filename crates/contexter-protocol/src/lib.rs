//! Messages and CloudEvents of Contexter's services.
//!
//! Services talk in two ways: a message ([`IntegrationMessage`]) asks one other service for
//! something, an event ([`IntegrationEvent`]) tells whoever listens that something happened. Both
//! carry a correlation id, shared by everything that belongs to one flow, and a causation id, the
//! id of what led to them. A [`ProtocolHandler`] makes both and keeps those ids right.
//!
//! The data of an event is a typed payload ([`EventPayload`]); [`rag`] has those of the
//! documentation flow. It may also be bytes of any media type
//! ([`IntegrationEvent::data_bytes`]).
//!
//! [`codec`] turns events into the headers and body that brokers carry, and back. A message goes
//! the same way, in the envelope of an event ([`IntegrationMessage::into_event`]).
//!
//! # Newer writers, older readers
//!
//! | what is newer | what happens |
//! |---|---|
//! | an attribute, a member, a field of a payload | kept in `extensions`, or ignored by the payload type |
//! | a minor [`SchemaVersion`] of a payload or a message | read |
//! | a major one | refused: [`PayloadError::SchemaVersion`], [`DecodeError::SchemaVersion`] |
//! | the version of CloudEvents | refused: [`DecodeError::Version`] |
//!
//! # Time
//!
//! Decoding does not look at the clock. [`ProtocolHandler::accept`] and
//! [`accept_event`](ProtocolHandler::accept_event) refuse what has expired, by the receiver's clock
//! and without a tolerance, and what comes from a clock further ahead than
//! [`DEFAULT_CLOCK_SKEW`].
//!
//! # Examples
//!
//! ```
//! use contexter_protocol::ProtocolHandler;
//! use contexter_protocol::rag::DocumentProcessed;
//!
//! let handler = ProtocolHandler::new("document_processor")?;
//! let event = handler.create_event(
//!     &DocumentProcessed {
//!         library_id: "tokio".to_owned(),
//!         document_count: 12,
//!         processing_time_seconds: 0.5,
//!     },
//!     None,
//! )?;
//! assert_eq!(event.event_type(), "document.processed");
//! assert_eq!(event.payload::<DocumentProcessed>()?.document_count, 12);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Names
//!
//! Where CloudEvents has a name for something, the event uses it:
//!
//! | integration architecture | here |
//! |---|---|
//! | `IntegrationEvent.event_type` | [`IntegrationEvent::event_type`], attribute `type` |
//! | `source_service` | [`IntegrationEvent::source`] |
//! | `target_service` | [`IntegrationEvent::target_service`], extension `targetservice` |
//! | `payload` | [`IntegrationEvent::data`], typed by [`IntegrationEvent::payload`] |
//! | `timestamp` | [`IntegrationEvent::time`] |
//! | `correlation_id` | [`IntegrationEvent::correlation_id`], extension `correlationid` |
//! | `metadata` | [`IntegrationEvent::extensions`] |
//! | `IntegrationMessage`, `MessageType`, all fields | the same names |
//! | `ProtocolHandler.create_request`, `create_response` | the same names, and [`create_error`](ProtocolHandler::create_error), [`create_event`](ProtocolHandler::create_event) |
//! | `ProtocolHandler._generate_message_id` | inside: UUIDv7, which sorts by time |

mod arrival;
mod attribute;
pub mod codec;
mod data;
mod error;
mod event;
mod handler;
mod hash;
mod json;
mod members;
mod message;
mod payload;
pub mod rag;
mod schema;
mod trace;

pub use arrival::{DEFAULT_CLOCK_SKEW, Refused};
pub use attribute::ExtensionValue;
pub use error::{BuildError, DecodeError, InvalidAttribute, PayloadError};
pub use event::{EventBuilder, IntegrationEvent};
pub use handler::ProtocolHandler;
pub use hash::{Hash, InvalidHash};
pub use message::{IntegrationMessage, MessageType};
pub use payload::EventPayload;
pub use schema::SchemaVersion;
pub use trace::TraceContext;
