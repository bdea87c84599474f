"""A local OpenSearch node without Docker, or one container."""
