"""Pages as trees of elements, so that nothing that a file or an image says can become markup. Pure."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Tree

from tfbuild.base.printable import printable

DOCTYPE = "<!doctype html>"
AUTHOR = "Written by tfbuild"


def page(title: str, style: str) -> tuple[Tree.Element, Tree.Element]:
    """The root of a page and its main part; ``style`` is the text of its style sheet."""
    root = Tree.Element("html", {"lang": "en"})
    head = Tree.SubElement(root, "head")
    Tree.SubElement(head, "meta", {"charset": "utf-8"})
    Tree.SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    text(head, "title", title)
    Tree.SubElement(head, "style").text = style
    return root, Tree.SubElement(Tree.SubElement(root, "body"), "main")


def text(parent: Tree.Element, name: str, words: str, kind: str = "") -> Tree.Element:
    """A new element with ``words`` in it, which may come from anywhere."""
    element = Tree.SubElement(parent, name, {"class": kind} if kind else {})
    element.text = printable(words)
    return element


def written(root: Tree.Element) -> str:
    """The page's text. Ends with a newline."""
    return f"{DOCTYPE}\n{Tree.tostring(root, encoding='unicode', method='html')}\n"


def is_page(path: Path) -> bool:
    """Whether the file is a page of this program's."""
    with path.open("rb") as file:
        begins = file.read(len(DOCTYPE)) == DOCTYPE.encode()
        file.seek(max(0, path.stat().st_size - 1000))
        return begins and f"<footer>{AUTHOR}".encode() in file.read()
