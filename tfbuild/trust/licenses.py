"""Licence expressions of SPDX: https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/. Pure."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from license_expression import ExpressionError, LicenseExpression, Licensing, get_spdx_licensing

from tfbuild.base.text import matches

# What SPDX does not list; a document that has one has to say where its text is.
_LICENSE_REF = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")


@cache
def _licensing() -> Licensing:
    return get_spdx_licensing()


def known_license(text: str) -> str:
    """The SPDX expression ``text``, if SPDX lists each licence in it, or it is a LicenseRef; else empty."""
    found = expression(text)
    return "" if found is None else str(found)


def expression(text: str) -> LicenseExpression | None:
    """The same, parsed; None where something in it is not known."""
    try:
        found = _licensing().parse(text)
    except (ExpressionError, ValueError):
        return None
    if found is None or not all(_is_known(name) for name in _names(found)):
        return None
    return found


def _names(found: LicenseExpression) -> tuple[str, ...]:
    return tuple(str(name) for name in _licensing().license_keys(found))


def _is_known(name: str) -> bool:
    return name in _licensing().known_symbols or re.fullmatch(_LICENSE_REF, name) is not None


def own_references(text: str) -> tuple[str, ...]:
    """The LicenseRefs in such an expression."""
    found = expression(text)
    names = () if found is None else _names(found)
    return tuple(name for name in names if re.fullmatch(_LICENSE_REF, name))


def forbidden_in(text: str, forbidden: tuple[str, ...]) -> tuple[str, ...]:
    """The licences in the expression ``text`` that one of the globs ``forbidden`` matches, where none is left
    to choose: of ``A OR B`` one may take the other. Empty for what is allowed, and for what is not known.

    An exception belongs to its licence: ``GPL-3.0-only WITH GCC-exception-3.1`` is one name.
    """
    found = expression(text)
    return () if found is None else tuple(dict.fromkeys(_forbidden(found, forbidden)))


def _forbidden(found: Any, forbidden: tuple[str, ...]) -> tuple[str, ...]:
    parts = tuple(getattr(found, "args", ()))
    if not parts:
        name = found.render()
        return (name,) if matches(name, forbidden) else ()
    inner = [_forbidden(each, forbidden) for each in parts]
    if isinstance(found, _licensing().OR):
        return tuple(name for names in inner for name in names) if all(inner) else ()
    return tuple(name for names in inner for name in names)
