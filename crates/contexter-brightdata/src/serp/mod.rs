//! Search results, as the vendor reads them from the pages of search engines.

mod client;
mod request;
mod results;

pub(crate) use client::{Searcher, read};
pub use request::{Engine, SearchPage};
pub use results::{Organic, SerpPage, UnreadableResults, read_results};
