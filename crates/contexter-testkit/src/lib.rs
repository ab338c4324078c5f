//! Starts real servers on free ports for tests, and stops them.
//!
//! [`Redis`], [`Nats`] and [`Tinyproxy`] are ready-made; [`Builder`] describes any other server. What is started
//! dies with the test that started it, even when the test's process is killed. A [`Forwarder`] stands
//! between a client and a server, and resets their connections.
//! [`ScriptedServer`] is no program: it answers HTTP by a script, within the test. Nor is [`TlsTerminator`],
//! which speaks TLS before a server that does not.
//!
//! A test that needs a server says so in its first line with [`require!`], so that
//! `cargo xtask test --without-services` can leave it out, and list it. One that needs what not every
//! machine has says so with [`require_env!`] or [`require_installed!`], and is listed where it is not.
//!
//! # Examples
//!
//! ```no_run
//! use contexter_testkit::Redis;
//!
//! # fn main() -> Result<(), contexter_testkit::Error> {
//! contexter_testkit::require!("redis-server"; Ok(()));
//! let mut redis = Redis::start()?;
//! println!("connect to {}", redis.url());
//! redis.kill()?; // as if the power had failed
//! redis.restart()?; // same port, same data
//! # Ok(())
//! # }
//! ```

mod builder;
mod error;
mod forwarder;
mod installed;
mod left_out;
mod nats;
mod program;
mod ready;
mod redis;
mod scripted;
mod server;
mod small_disk;
mod supervisor;
mod tinyproxy;
mod tls;
mod wait;

pub use builder::Builder;
pub use error::Error;
pub use forwarder::Forwarder;
pub use installed::{INSTALLED, installed};
pub use left_out::{LEFT_OUT_LIST, WITHOUT, left_out, variables};
pub use nats::Nats;
pub use redis::Redis;
pub use scripted::{Recorded, Scripted, ScriptedServer};
pub use server::Server;
pub use small_disk::SmallDisk;
pub use tinyproxy::Tinyproxy;
pub use tls::{SelfSigned, TlsTerminator};
