//! Document processing, embedding, hybrid search and the ingestion flow over capabilities.
