"""The reference of configuration keys, from the models that read them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from tfbuild.cli.guide.keys import KeyEntry, keys, sections
from tfbuild.cli.reference.markdown import code, page, table
from tfbuild.config.model import ConfigModel
from tfbuild.products import table as products

_HEAD = ("key", "value", "default", "read by", "meaning")


def keys_page() -> str:
    """``docs/reference/configuration-keys.md``"""
    return page("Configuration keys", _lines(products.model()))


def _lines(model: ConfigModel) -> Iterator[str]:
    yield "Files in `build_configs/` and `--set KEY=VALUE` take these keys; `invoke list-keys compile.` lists"
    yield "those of a section in a terminal. A list also has the form `KEY+`, which appends to the list of"
    yield "the configuration that is extended; a map is merged entry by entry."
    yield "[Configurations](../configurations.md) explains how the layers work."
    yield ""
    entries = keys()
    yield "## The file itself"
    yield ""
    yield "`--set` does not take these."
    yield ""
    yield from _table(each for each in entries if not each.set)
    by_name = {each.key: each for each in entries}
    for section, paths in sections().items():
        yield f"## {section}" if section else "## Top level"
        yield ""
        about = _about(model, section)
        if about:
            yield about
            yield ""
        yield from _table(by_name[path] for path in paths)


def _table(entries: Iterable[KeyEntry]) -> Iterator[str]:
    rows = [
        (code(each.key), each.value, code(each.default), _readers(each), each.meaning) for each in entries
    ]
    yield from table(_HEAD, rows)


def _readers(entry: KeyEntry) -> str:
    return "all" if entry.products == products.names() else ", ".join(entry.products)


def _about(model: ConfigModel, section: str) -> str:
    group: type[BaseModel] = model.values
    text = ""
    for name in filter(None, section.split(".")):
        field = group.model_fields[name]
        inner = field.annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            raise TypeError(f"{section} is no section")
        text, group = field.description or (inner.__doc__ or "").strip(), inner
    command = next((each.command for each in model.products if each.name == section), "")
    return f"{text} Read by `{command}`." if command else text
