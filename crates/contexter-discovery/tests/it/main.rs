//! The behaviour of discovery, in paused time.

mod choosing;
mod explaining;
mod services;
