"""The words around prices and measures, by what they say, with bars between them. A language is further entries."""

from __future__ import annotations

from opensearch.understanding.words import fold, spelled_out


def _phrases(*lines: str) -> tuple[str, ...]:
    """Return the phrases of lines, each also without accents and with umlauts as two letters."""
    texts = [phrase.strip() for line in lines for phrase in line.split("|")]
    return tuple(dict.fromkeys(form for text in texts for form in (text, fold(text), spelled_out(text))))


# Before a number with or without a currency.
AT_MOST = _phrases(
    "under|below|less than|less then|cheaper than|cheaper then|at most|no more than|not more than|not over|lower than",
    "unter|weniger als|günstiger als|billiger als|höchstens|maximal",
    "moins de|moins cher que|en dessous de|au plus|menos de|por debajo de|como máximo|meno di|sotto i|al massimo",
    "onder|onder de|minder dan|goedkoper dan|hoogstens|低于|少于|不超过|不到|小于|不高于|低於|少於|不超過|<=|≤|<",
)
AT_LEAST = _phrases(
    "above|more than|more then|at least|no less than|not less than|more expensive than|mehr als|mindestens|teurer als",
    "plus de|au moins|más de|por lo menos|più di|almeno|meer dan|minstens",
    "高于|大于|超过|不低于|至少|高於|大於|超過|>=|≥|>",
)
# Before a number at the end of the query, unless titles hold the word before it together with this one ("Air Max").
AT_MOST_AT_END = _phrases("max|max.|maximum|up to|bis|bis zu|jusqu'à|jusqu’à|hasta|fino a|tot")
# Before a number with a currency: they also stand before other numbers ("pro max 64", "from 2020").
AT_MOST_OF_MONEY = _phrases("within|por menos de")
AT_LEAST_OF_MONEY = _phrases(
    "over|from|min|min.|minimum|starting at|ab|über|von|à partir de|dès|desde|a partir de|da|vanaf"
)
# After a number with or without a currency.
OR_LESS = _phrases(
    "or less|or cheaper|oder weniger|und weniger|oder günstiger|oder billiger|ou moins|ou moins cher|o menos|o meno",
    "of minder|of goedkoper",
)
# After a number with its currency or unit.
OR_LESS_OF_MONEY = _phrases(
    "or under|or below|and under|and below|max|maximum|以下|以内|之内|内|以內|之內|內"
)
OR_MORE = _phrases(
    "or more|or above|or over|and up|and above|and more|oder mehr|und mehr|ou plus|et plus|o más|y más|o più|of meer",
    "以上|起|+",
)
# Around two numbers; the first ones need no currency.
BETWEEN = _phrases("between|zwischen|entre|tra|fra|tussen")
FROM = _phrases("from|von|de|da|van|在")
AND = _phrases("and|to|und|bis|et|à|y|a|e|en|tot|-|–|—|~|～|到|至|..|和")
# Before all of them.
PRICE = _phrases(
    "for|priced|price|prices|costing|für|preis|zum preis|pour|prix|por|precio|per|prezzo|voor|prijs",
    "价格|价钱|售价|价位|预算|價格|預算",
)
CURRENCY_WORDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("dollar", "dollars", "bucks"), ("USD", "CAD", "AUD", "NZD", "SGD", "HKD")),
    **dict.fromkeys(("pounds", "quid"), ("GBP",)),
    **dict.fromkeys(("yuan", "kuai", "块", "块钱"), ("CNY",)),
    **dict.fromkeys(("元", "塊"), ("CNY", "TWD", "HKD")),
    **dict.fromkeys(("yen", "日元"), ("JPY",)),
    **dict.fromkeys(("rupee", "rupees"), ("INR", "PKR", "LKR")),
    **dict.fromkeys(("franken", "francs"), ("CHF",)),
    **{code.casefold(): (code,) for code in ("CAD", "AUD", "JPY", "INR", "RUB", "PLN", "SEK", "DKK", "NOK")},
    "美元": ("USD",),
    "欧元": ("EUR",),
}
# What a number counts when it is neither money nor a unit that a column may have.
COUNTED = _phrases(
    "minutes|minute|mins|min|seconds|sec|days|weeks|people|persons|players|degrees|calories|mph|fps|rpm|db|star|stars",
    "sterne|jahren|tage|minuten|personen|minutes|jours|岁|天|分钟|人",
)
# Before a bound that is an age.
AGED = _phrases(
    "age|ages|aged|kid|kids|child|children|boy|boys|girl|girls|toddler|toddlers|baby|babies|kinder|kind|jungen",
    "mädchen|babys|enfant|enfants|garçon|garçons|fille|filles|niño|niños|niña|niñas|bambino|bambini|bambina|kinderen",
)
MAX_AGE = 18
# Words before `max` in names of models, whether or not the shop has them.
OF_MODELS = _phrases("pro|air|ultra|plus|mini|turbo|promax")
# Units that are words of a language too; they touch their number, as in 55in.
TOUCHING_UNITS = _phrases("in|to|go|mo|an|ans|a|st.|个|件")
