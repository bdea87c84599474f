"""All that knows the engine: the only importer of opensearchpy and docker.

Nothing is defined here: another distribution (opensearch-protobufs) may write a file of this name in the same place.
"""
