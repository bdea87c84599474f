"""The engine's version, and the files of the local OpenSearch, each pinned by its checksum."""

from __future__ import annotations

from dataclasses import dataclass

VERSION = "3.6.0"


@dataclass(frozen=True)
class Artifact:
    """One file of a Maven repository, pinned by its checksum."""

    group: str
    name: str
    version: str
    size: int  # bytes
    sha256: str
    packaging: str = "zip"

    @property
    def filename(self) -> str:
        """The name of the file."""
        return f"{self.name}-{self.version}.{self.packaging}"


_SERVER_GROUP, _PLUGIN_GROUP = "org.opensearch.distribution.integ-test-zip", "org.opensearch.plugin"
SERVER = Artifact(
    _SERVER_GROUP,
    "opensearch",
    VERSION,
    161609640,
    "a91faa1dc1cadc78cb278b4f63847e19e1627a4e9de698e14e7efc14ee37b286",
)
PLUGINS = (
    Artifact(
        _PLUGIN_GROUP,
        "opensearch-job-scheduler",
        f"{VERSION}.0",
        368626,
        "f81d0aa9fc850b18f803292bd7ae68bd33561f6c1d12db0f68529d40eddcee24",
    ),
    Artifact(
        _PLUGIN_GROUP,
        "opensearch-knn",
        f"{VERSION}.0",
        6015541,
        "ac392ca28a39b3bf290648a422ef30cb149dda2963a9d7feb26060e932341c9a",
    ),
    Artifact(
        _PLUGIN_GROUP,
        "neural-search",
        f"{VERSION}.0",
        12095213,
        "6ef1b206e79391e2e36268e32dc34d27fd8b8a59a8eb0a7393c97d53b038e433",
    ),
    Artifact(
        _PLUGIN_GROUP,
        "opensearch-ml-plugin",
        f"{VERSION}.0",
        390566619,
        "c051d436fe1936da1477bb999db829eb2bc92b12989e376c300d0a874fb90f9d",
    ),
)
# Chinese analysis is published as a Maven plugin only since 3.8.0; its jar works in 3.6.0 with this descriptor
SMARTCN = (
    Artifact(
        _PLUGIN_GROUP,
        "analysis-smartcn",
        "3.8.0",
        10690,
        "cd7ae3ac61dcbf224959e37e7388e7c9529c3d8ab8f323c5924303f802e69539",
        "jar",
    ),
    Artifact(
        "org.apache.lucene",
        "lucene-analysis-smartcn",
        "10.4.0",
        3598967,
        "21b83749222278527d6be3b3e9cd93b88a7cc6c18c1456ba5a6aae6c50d26372",
        "jar",
    ),
)
SMARTCN_DESCRIPTOR = f"""\
description=Smart Chinese analysis
version={VERSION}
name=analysis-smartcn
classname=org.opensearch.plugin.analysis.smartcn.AnalysisSmartChinesePlugin
java.version=21
opensearch.version={VERSION}
has.native.controller=false
"""
# the plugin in lucene_only/, which keeps vector fields of other engines than Lucene from ending the node
LUCENE_ONLY_SHA256 = "39db8054c16a2539e397bc007e415a36d05333834acf57c6d12a84cda68159ab"
LUCENE_ONLY_DESCRIPTOR = f"""\
description=Refuses vector fields that need native libraries
version=1
name=vitrine-lucene-only
classname=vitrine.LuceneOnly
java.version=21
opensearch.version={VERSION}
has.native.controller=false
"""
ALL = (SERVER, *PLUGINS, *SMARTCN)
