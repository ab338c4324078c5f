//! The remote adapter, against the local server and against servers that fail.

mod auth;
mod before;
mod collections;
mod compression;
mod config;
mod datatypes;
mod failures;
mod gateway;
mod golden;
mod limits;
mod messages;
mod names;
mod protocol;
mod queries;
mod queue;
mod recorder;
mod refusals;
mod served;
mod settings;
mod statuses;
mod strict;
mod suite;
mod uploads;
mod versions;
