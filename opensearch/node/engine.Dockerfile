# The official image with Chinese word analysis.
FROM opensearchproject/opensearch:3.6.0
RUN /usr/share/opensearch/bin/opensearch-plugin install --batch analysis-smartcn
