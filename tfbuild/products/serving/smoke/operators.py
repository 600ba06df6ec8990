"""Which wheel has an operator that TensorFlow itself has not; pure.

Read from the libraries of tensorflow-text 2.16.1 and tensorflow-decision-forests 1.9.0, loaded into
TensorFlow 2.16.1: what its list of operators has more after each of them.
"""

from __future__ import annotations

TEXT = "tensorflow-text"
FORESTS = "tensorflow-decision-forests"

# Beginnings of names, and names without one in common.
_PREFIXES = {"TFText>": TEXT, "Sentencepiece": TEXT, "SimpleML": FORESTS, "YggdrasilDecisionForests": FORESTS}
_TEXT = frozenset(
    {
        "CaseFoldUTF8",
        "ConstrainedSequence",
        "FastBertNormalize",
        "FastWordpieceTokenizeWithOffsets",
        "FindSourceOffsets",
        "MaxSpanningTree",
        "NormalizeUTF8",
        "NormalizeUTF8WithOffsetsMap",
        "PhraseTokenize",
        "RegexSplitWithOffsets",
        "RougeL",
        "SentenceFragments",
        "SentenceFragmentsV2",
        "SplitMergeTokenizeWithOffsets",
        "TokenizerFromLogits",
        "UnicodeScriptTokenizeWithOffsets",
        "WhitespaceTokenizeWithOffsets",
        "WordpieceTokenizeWithOffsets",
    }
)


def wheel_with(operator: str) -> str | None:
    """The name of the wheel that has ``operator``, if it is a known one."""
    if operator in _TEXT:
        return TEXT
    return next((wheel for start, wheel in _PREFIXES.items() if operator.startswith(start)), None)
