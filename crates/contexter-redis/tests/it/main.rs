//! The transport on a real Redis.

mod dead_letters;
mod delivery;
mod faults;
mod groups;
mod leases;
mod publish;
mod replay;
mod requests;
mod settings;
mod support;
