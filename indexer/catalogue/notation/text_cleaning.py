"""Readable text of a catalogue cell: without markup, entities, control and zero-width characters."""

from __future__ import annotations

import html
import re
import unicodedata

from selectolax.lexbor import LexborHTMLParser

_MAX_PASSES = 3  # feeds escape markup up to twice: &amp;lt;p&amp;gt;
_ELEMENTS = (
    "a|abbr|address|article|aside|audio|b|base|bdi|bdo|big|blockquote|body|br|button|canvas|caption|center|cite|code|"
    "col|colgroup|dd|del|details|dfn|div|dl|dt|em|embed|fieldset|figcaption|figure|font|footer|form|h[1-6]|head|"
    "header|hr|html|i|iframe|img|input|ins|kbd|label|legend|li|link|main|map|mark|meta|nav|noscript|object|ol|"
    "option|p|param|picture|pre|q|s|samp|script|section|select|small|source|span|strike|strong|style|sub|summary|"
    "sup|svg|table|tbody|td|template|textarea|tfoot|th|thead|time|title|tr|tt|u|ul|var|video|wbr"
)
# A sign `<` alone is no markup, so that "a < b" stays; an unknown element counts when it closes or has a namespace.
_MARKUP = re.compile(
    rf"<(?:{_ELEMENTS})(?:\s[^<>]*)?/?>|</[a-z][\w:.-]*\s*>|<[a-z][\w.-]*(?::[\w.-]+)+[^<>]*>|<!--|<!doctype",
    re.IGNORECASE,
)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_INVISIBLE_ELEMENTS = "script, style, template, noscript, svg, iframe, object"
_BLOCKS = (
    "address, article, aside, blockquote, br, caption, dd, div, dl, dt, figcaption, figure, footer, h1, h2, h3, h4, "
    "h5, h6, header, hr, li, main, ol, option, p, pre, section, table, td, th, tr, ul"
)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]|_x000[dD]_")
# Joiners shape Arabic and Indic scripts and emoji, so they go only beside other characters.
_ZERO_WIDTH = re.compile(
    r"[\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
    r"|(?<![\u0600-\u0dff\u2600-\U0001ffff])[\u200c\u200d]"
)
_SPACES = re.compile(r"[^\S\n]+")
_LINE_ENDS = re.compile(r" ?\n\s*")
_SUSPECT = re.compile(
    r"[<&\x00-\x08\x0a-\x1f\x7f-\xa0\u00ad\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2069\u3000\ufeff"
    r"\ufff9-\ufffb\ud800-\udfff]|_x000|\s\s"
)


def clean_text(text: str) -> str:
    """Return the text that a browser would show, in Unicode's form NFC.

    Elements become their text, and what is never shown (scripts, styles, comments) goes. Blocks end in a line end.
    A text without markup keeps every sign, so that "a < b" stays.
    """
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if not _SUSPECT.search(text):
        return text.strip()
    if "<" in text or "&" in text:
        text = _without_markup(text)
    text = _ZERO_WIDTH.sub("", _CONTROL.sub(" ", text.replace("\r\n", "\n")))
    return _LINE_ENDS.sub("\n", _SPACES.sub(" ", text)).strip()


def _without_markup(text: str) -> str:
    for _ in range(_MAX_PASSES):
        before = text
        if "<" in text:
            text = _CDATA.sub(r"\1", text)
            if _MARKUP.search(text):
                text = _shown(text)
        if "&" in text:
            text = _ENTITY.sub(lambda match: html.unescape(match.group()), text)
        if text == before:
            break
    return text


def _shown(markup: str) -> str:
    """Return the text of the elements that a browser shows; the parser resolves their entities."""
    document = LexborHTMLParser(markup)
    for node in document.css(_INVISIBLE_ELEMENTS):
        node.decompose()
    for node in document.css(_BLOCKS):
        node.insert_before("\n")
        node.insert_after("\n")
    body = document.body
    return body.text(separator="") if body is not None else ""
