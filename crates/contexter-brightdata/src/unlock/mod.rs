//! The unlocker: one page of the web, whatever it takes.

mod client;
mod envelope;
mod page;
mod redirect;
mod reply;
mod request;
mod screenshot;

pub(crate) use client::Unlocker;
pub use envelope::judge_envelope;
pub(crate) use page::{converted, page};
pub use redirect::MAX_REDIRECTS;
pub(crate) use redirect::follow;
pub use reply::Unlocked;
pub(crate) use reply::lower_case;
pub use request::{DataFormat, Envelope, Expect, Unlock};
pub use screenshot::TakeScreenshot;
