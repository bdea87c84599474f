"""Words for yes and no, and for what is in stock, in the common languages."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

_MIN_BEGINNING = 7  # characters


def _folded(text: str) -> str:
    """Return the text without case, accents, and the signs that part words."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return re.sub(r"[\s_\-,;:]+", " ", text).strip(" .!")


def _words(text: str) -> frozenset[str]:
    return frozenset(_folded(word) for word in text.split("|"))


YES = _words(
    "true|t|yes|y|1|ja|j|wahr|あり|oui|vrai|sí|verdadero|sì|vero|sim|verdadeiro|tak|prawda|ano|áno|kyllä|да|evet|ναι|igen|"
    "是|是的|有|对|真|はい|예|네|✓|✔|✅|x|on|an"
)
NO = _words(
    "false|f|no|n|0|nein|falsch|non|faux|falso|não|nao|nee|nej|nei|nie|ne|falsz|fałsz|ei|нет|hayır|όχι|nem|否|不|不是|无|無|没有|假|"
    "いいえ|なし|아니오|아니요|✗|✘|❌|off|aus"
)
IN_STOCK = _words(
    "in stock|instock|available|limited availability|limitedavailability|low stock|online only|onlineonly|"
    "only left|nur noch|nur noch auf lager|nur noch verfügbar|on order|made to order|auf bestellung|sur commande|"
    "bajo pedido|su ordinazione|op bestelling|na zamówienie|in store only|instoreonly|"
    "preorder|pre order|presale|backorder|back order|on backorder|lieferbar|sofort lieferbar|"
    "verfügbar|auf lager|vorrätig|am lager|bestellbar|vorbestellbar|en stock|disponible|disponibles|en existencia|"
    "disponibile|in magazzino|disponível|em estoque|em stock|op voorraad|leverbaar|beschikbaar|i lager|på lager|"
    "varastossa|dostępny|w magazynie|skladem|в наличии|есть|stokta|var|有货|有貨|现货|現貨|有库存|在售|在庫あり|재고 있음"
)
OUT_OF_STOCK = _words(
    "out of stock|outofstock|unavailable|not available|sold out|soldout|discontinued|nicht lieferbar|nicht verfügbar|"
    "nicht auf lager|nicht vorrätig|ausverkauft|vergriffen|zurzeit nicht lieferbar|rupture de stock|en rupture|"
    "en rupture de stock|épuisé|indisponible|non disponible|agotado|sin stock|no disponible|sin existencias|esaurito|"
    "non disponibile|esgotado|indisponível|sem estoque|uitverkocht|niet op voorraad|niet leverbaar|slut i lager|slutsåld|"
    "udsolgt|utsolgt|loppu|niedostępny|brak|vyprodáno|není skladem|нет в наличии|отсутствует|tükendi|yok|"
    "无货|無貨|缺货|缺貨|售罄|"
    "无库存|已下架|在庫なし|売り切れ|품절"
)


_OUT_BEGINNINGS = tuple(f"{words} " for words in OUT_OF_STOCK if len(words) >= _MIN_BEGINNING)
_IN_BEGINNINGS = tuple(f"{words} " for words in IN_STOCK if len(words) >= _MIN_BEGINNING)


def yes_or_no(value: Any) -> bool | None:
    """Return whether a value is a word for yes, or for being in stock; None for any other value."""
    if isinstance(value, bool):
        return value
    text = _folded(str(value).rsplit("/", 1)[-1])  # schema.org writes https://schema.org/InStock
    if text in YES or text in IN_STOCK:
        return True
    return False if text in NO or text in OUT_OF_STOCK else None


def stock_by_beginning(text: str) -> bool | None:
    """Return whether a text begins with words for being in stock, or not: "lieferbar in 2 Tagen"; None for others."""
    folded = f"{_folded(text)} "
    if folded.startswith(_OUT_BEGINNINGS):
        return False
    return True if folded.startswith(_IN_BEGINNINGS) else None


def is_yes_or_no(value: Any) -> bool:
    """Return whether a value answers a question and nothing else, so that nobody searches for it."""
    return isinstance(value, bool) or (
        str(value).lower() not in ("1", "0", "x") and _folded(str(value)) in YES | NO
    )
