//! What the vendor allows, by its documentation as read in November 2026.

/// The most texts in one request for embeddings.
///
/// Source: <https://docs.voyageai.com/reference/embeddings-api>. Older pages and clients say 128.
pub const MAX_TEXTS: usize = 1_000;

/// The most documents in one request for an order.
///
/// Source: <https://docs.voyageai.com/reference/reranker-api>.
pub const MAX_RERANK_DOCUMENTS: usize = 1_000;

/// The most documents in one request for contextualized embeddings.
///
/// Source: <https://docs.voyageai.com/reference/contextualized-embeddings-api>.
pub const MAX_CONTEXT_DOCUMENTS: usize = 1_000;

/// The most chunks of all documents in one request for contextualized embeddings.
///
/// Source: <https://docs.voyageai.com/reference/contextualized-embeddings-api>.
pub const MAX_CONTEXT_CHUNKS: usize = 16_000;

/// The largest chunk that the vendor's own chunker makes, in tokens.
///
/// Source: <https://docs.voyageai.com/docs/contextualized-chunk-embeddings>.
pub const MAX_CHUNK_SIZE: u32 = 32_000;

/// The most inputs in one request for multimodal embeddings.
///
/// Source: <https://docs.voyageai.com/reference/multimodal-embeddings-api>.
pub const MAX_MULTIMODAL_INPUTS: usize = 1_000;

/// The largest image, in bytes: 20 MB.
///
/// Source: <https://docs.voyageai.com/docs/multimodal-embeddings>.
pub const MAX_IMAGE_BYTES: usize = 20_000_000;

/// So many pixels of an image count as one token.
///
/// Source: <https://docs.voyageai.com/docs/multimodal-embeddings>.
pub const PIXELS_PER_TOKEN: u64 = 560;

/// An image is billed for no more pixels than this.
///
/// Source: <https://docs.voyageai.com/docs/pricing>.
pub const MAX_BILLED_PIXELS: u64 = 2_000_000;

/// The most inputs of one batch job, over all its lines.
///
/// Source: <https://docs.voyageai.com/docs/batch-inference>.
pub const MAX_JOB_INPUTS: usize = 100_000;

/// The most entries in the metadata of a batch job.
///
/// Source: <https://docs.voyageai.com/docs/batch-inference>.
pub const MAX_METADATA: usize = 16;

/// The most jobs on one page of their list.
///
/// Source: <https://docs.voyageai.com/docs/batch-inference>.
pub const MAX_PAGE: usize = 100;

/// A share of the token cap of a request that packing fills, in percent, where tokens are counted
/// exactly. The rest is for what the vendor adds to each text.
pub(crate) const EXACT_MARGIN: u64 = 97;

/// The same where tokens are estimated.
pub(crate) const ESTIMATE_MARGIN: u64 = 80;

/// What is added to the count of every text for the vendor's prompt and its markers: the longest
/// prompt has 8 words.
///
/// Source: <https://docs.voyageai.com/docs/embeddings>, "input_type".
pub(crate) const MARKERS: u64 = 16;

/// The largest reply that is read: a page of a job's results apart, what a packed request can
/// rightly cause.
pub(crate) const MAX_REPLY_BYTES: u64 = 64 * 1024 * 1024;

/// Packing puts no more bytes of contents into one request, so that several of them under way have room:
/// the largest image as base64 fits. It is a choice of this crate.
pub(crate) const MAX_REQUEST_BYTES: u64 = 32 * 1024 * 1024;

/// The largest file that is read whole; results of jobs are read line by line, whatever their size.
pub(crate) const MAX_FILE_BYTES: u64 = 1024 * 1024 * 1024;

/// The longest line of a job's results: as the largest reply.
pub(crate) const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;
