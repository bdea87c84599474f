"""The search pipelines and the connector of the rerank hook."""
