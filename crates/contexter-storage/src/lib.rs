//! Compressed, content-addressed document storage.
