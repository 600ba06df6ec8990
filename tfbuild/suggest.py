"""Finding the word that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

# 0.6 is difflib's own default: one slip in a short word passes, an unrelated word does not.
_CUTOFF = 0.6


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate closest to ``word``, or None where nothing is close.

    Dotted candidates are also compared by their last part, so ``march`` finds ``compile.march``.
    """
    choices = list(dict.fromkeys(candidates))
    lowered = {choice.lower(): choice for choice in reversed(choices)}
    if found := get_close_matches(word.lower(), lowered, n=1, cutoff=_CUTOFF):
        return lowered[found[0]]
    by_leaf = {choice.lower().rsplit(".", 1)[-1]: choice for choice in reversed(choices)}
    if found := get_close_matches(word.lower().rsplit(".", 1)[-1], by_leaf, n=1, cutoff=_CUTOFF):
        return by_leaf[found[0]]
    return None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """``; did you mean 'x'?``, or nothing; to be appended to a message."""
    found = nearest(word, candidates)
    return f"; did you mean '{found}'?" if found else ""


def one_of(words: Sequence[str]) -> str:
    """``'a', 'b' or 'c'``."""
    quoted = [f"'{word}'" for word in words]
    return " or ".join(part for part in (", ".join(quoted[:-1]), *quoted[-1:]) if part)
