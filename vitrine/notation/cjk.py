"""The characters of Chinese, Japanese and Korean writing, as classes of a regular expression without their brackets."""

from __future__ import annotations

HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"
HANGUL = "\u1100-\u11ff\uac00-\ud7af"
# All of them with their signs and radicals: each stands for itself, where letters of alphabets make words.
CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U0001b000-\U0001b2ff\U00020000-\U0003ffff"
