//! Local documents and local embeddings: everything that works without a key or a server.
