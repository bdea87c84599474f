"""What shoppers call a column: its own name, or a usual name of its kind. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache, lru_cache

from opensearch.index.fields import FieldPlan
from opensearch.understanding.words import fold
from vitrine.notation.units import unit_of

# What shoppers call a column, whatever the catalogue calls it.
_NUMBER_KINDS: tuple[str, ...] = (
    "size sizes sz gr größe groesse grosse eu taille pointure talla numero taglia misura maat 尺码 尺寸 码 号",
    "width breite largeur ancho 宽度",
    "height höhe hauteur altura altezza hoogte 高度",
    "length länge longueur largo lunghezza lengte 长度",
    "weight gewicht poids peso 重量",
    "year jahr année ano anno jaar 年份",
    "rating ratings rated score bewertung bewertungen valoración valutazione 评分",
)
_WORD_KINDS: tuple[str, ...] = (
    "colour color colours colors farbe couleur color colore kleur 颜色 颜色分类 色",
    "brand make manufacturer supplier vendor marke hersteller marque marca merk 品牌 牌子",
    "material fabric stoff matière matiere tessuto tela stof 材质 面料",
    "gender sex geschlecht genre género sesso 性别",
)
_UNIT = re.compile(r"[^\W_][\s_\-(\[/]+([^\W\d_]{1,8})[)\]]?$")
_PER = re.compile(
    r"/|(?<![a-z])(?:per|pro|je|par|por)(?![a-z])|pric|preis|prix|prec|prez", re.IGNORECASE
)  # of a price


def names_column(word: str, column: str) -> bool:
    """Return whether a word, folded, names a column, by the column's own name or by a usual name of its kind."""
    return word in names_of(column)


@lru_cache(maxsize=4096)
def names_of(column: str) -> Collection[str]:
    """Return the folded words that name a column."""
    words = [fold(word) for word in _words_of(column)]
    kinds = (kind for kind in usual_names() if kind & {*words})
    return {*words[-1:]}.union(*kinds)


def names_number(word: str, plan: FieldPlan) -> bool:
    """Return whether a word, folded, says what the number after it is, other than an amount of money."""
    if any(word in kind for kind in usual_names()[: len(_NUMBER_KINDS)]):
        return True
    return any(word in names_of(column) for column in plan.numbers if not plan.format_of(column).currency)


@cache
def usual_names() -> tuple[frozenset[str], ...]:
    """Return the usual names of each kind of column, folded."""
    return tuple(frozenset(fold(name) for name in kind.split()) for kind in (*_NUMBER_KINDS, *_WORD_KINDS))


@lru_cache(maxsize=4096)
def unit_in_name(column: str) -> str | None:
    """Return the unit that the name of a column ends with, as `storage_gb` and `weight (kg)` do; None without one."""
    match = _UNIT.search(column)
    return unit_of(match[1]) if match and not _PER.search(column) else None


def _words_of(column: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column)
    words = re.findall(r"[^\W\d_]+", spaced)
    return words[:-1] if len(words) > 1 and unit_in_name(column) else words
