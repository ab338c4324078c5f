//! The Qdrant engine as a vector store, embedded or hosted.
