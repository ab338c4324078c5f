//! The ingestion flow: from the documents of a library to an index that can be searched.
//!
//! The flow has two halves. The first makes every document findable by its words and ends when all
//! of it is durable; the second adds the vectors. Both are driven by events:
//!
//! | event | what its handler does |
//! |---|---|
//! | `document.ingested` | indexes the words of the document's chunks |
//! | `embedding.requested` | embeds the chunks, or finds the vectors of an earlier run |
//! | `embedding.completed` | asks for the vectors to be indexed |
//! | `vector.index_requested` | indexes words and vectors |
//! | `vector.indexed` | announces `processing.completed` |
//!
//! A step that fails for good announces `processing.failed` and goes to the bus's dead letters. So
//! does a document whose event never reaches its step, because it became poison or could not be
//! decoded, as far as the message still says which document it is. When a library ends,
//! `document.processed` is published. Payloads carry references; the bytes are in the storage under
//! their hash.
//!
//! The flow runs on any bus: in process, or [over a broker](contexter_event_bus::Bus::over). The
//! `source` of its events names the index, and other ingestions on the same bus let them pass. Both
//! halves of a run have one correlation id. A document whose event is
//! lost (by a broker that keeps nothing over a restart) is listed as failed after three hours
//! without progress, and taken up by the next run.
//!
//! Each step is a group of its own for each index, `contexter-rag.STEP.INDEX`. So a dead letter can
//! be [redriven](contexter_event_bus::Bus::redrive) by any process, also while none has the index
//! open: a broker keeps it for the group, and whoever opens the index next does the rest of its way.
//! A letter whose document was indexed in another version since is not done any more, and one that
//! was made under other settings or for another embedding space than those of the ingestion is refused.
//! What a killed run has left at the broker is passed over, because the next run puts in again whatever
//! did not come through. A broker keeps the groups of an index that is no more until somebody deletes
//! them.
//!
//! An index has one ingestion at a time in a process, since two would take each other's events: the
//! second is refused. [`Ingestion::remove_unreferenced`] and [`Ingestion::remove_library`] wait for the
//! runs, and new ones wait for them. What documents in work weigh together is bounded, so many large
//! ones take longer and no more memory.
//!
//! Every step may be repeated: what is already there is found by its hash. So a killed run is
//! resumed by running it again, and ends in the same index.

mod collection;
mod commit;
mod driver;
mod events;
mod failure;
mod flow;
mod ledger;
mod lost;
mod prepare;
mod report;
mod room;
mod run;
mod settings;
mod steps;
mod tidying;
mod tracker;
mod vectors;

pub use driver::{Environment, Ingestion};
pub use ledger::{Entry, Ledger, LedgerError, LibraryCounts, Stage};
pub use report::{LibraryEmbedded, ProcessingStarted, Progress};
pub use settings::{Division, IngestionSettings};
