# The rerank service, without torch. EXTRAS adds what other `vitrine` commands need, such as
# --build-arg EXTRAS=index for `vitrine index`, or EXTRAS=all.
FROM python:3.11-slim
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
WORKDIR /vitrine
ARG EXTRAS=
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY vitrine vitrine
COPY encoders encoders
COPY opensearch opensearch
COPY indexer indexer
COPY rerank rerank
# uv, because pip does not apply the overrides in pyproject.toml
RUN pip install --no-cache-dir -c constraints.txt uv && \
  uv pip install --system --no-cache -c constraints.txt ".${EXTRAS:+[$EXTRAS]}"
RUN useradd --uid 1000 --create-home vitrine && install --directory --owner=1000 --group=1000 /data
USER 1000:1000
WORKDIR /data
ENV XDG_DATA_HOME=/data VITRINE_STORE=/data/store OMP_NUM_THREADS=1
VOLUME /data
EXPOSE 8060
HEALTHCHECK --interval=10s --timeout=5s --retries=6 --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8060/health', timeout=4)"]
CMD ["vitrine", "serve", "--host", "0.0.0.0", "--port", "8060"]
