# The official image with the plugin for Chinese word segmentation. The version is that of pinned.py.
FROM opensearchproject/opensearch:3.6.0
RUN /usr/share/opensearch/bin/opensearch-plugin install --batch analysis-smartcn
