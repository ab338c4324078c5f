//! An event bus with acknowledgement, bounded queues and dead letters.
