"""The rerank service: HTTP in, order out."""
