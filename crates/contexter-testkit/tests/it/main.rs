//! Starts real servers and treats them badly.

mod failure;
mod forwarder;
mod nats;
mod parent;
mod redis;
mod scripted;
mod tinyproxy;
mod wire;
