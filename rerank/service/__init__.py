"""The rerank service over HTTP: candidates in, order out."""
