"""Pages of a Python index."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfbuild.base.errors import UsageError
from tfbuild.downloads.index_pages import choose, file_name, links, page_url, split_pypi

PAGE = """<!DOCTYPE html><html><body>
<a href="../../files/a_b-1.0-py3-none-any.whl#sha256=00" data-requires-python="&gt;=3.9">a_b</a>
<a href="https://cdn.example/x/a_b-1.0%2Bcpu-py3-none-any.whl?token=1#sha256=11">other</a>
<a href="/root/a_b-1.0.tar.gz">sdist</a><a name="nothing">no link</a></body></html>"""


def test_the_links_of_a_page_are_absolute_and_without_fragments() -> None:
    found = links(PAGE, "text/html; charset=utf-8", "https://index.example/simple/a-b/")
    assert found == (
        "https://index.example/files/a_b-1.0-py3-none-any.whl",
        "https://cdn.example/x/a_b-1.0%2Bcpu-py3-none-any.whl?token=1",
        "https://index.example/root/a_b-1.0.tar.gz",
    )
    assert choose(found, "a_b-1.0-py3-none-any.whl") == found[:1]
    assert choose(found, "a_b-1.0+cpu-py3-none-any.whl") == found[1:2]
    assert choose(found, "a_b-2.0-py3-none-any.whl") == ()


def test_a_base_element_is_honoured_and_a_json_page_is_read() -> None:
    html = '<head><base href="https://b.example/d/"></head><a href="x-1-py3-none-any.whl">x</a>'
    assert links(html, "text/html", "https://a.example/") == ("https://b.example/d/x-1-py3-none-any.whl",)
    document = json.dumps(json_page({"url": "../x-1-py3-none-any.whl", "hashes": {}}))
    assert links(document, "application/vnd.pypi.simple.v1+json", "https://a.example/s/x/") == (
        "https://a.example/s/x-1-py3-none-any.whl",
    )
    assert links("not json", "application/json", "https://a.example/") == ()


def json_page(*files: dict[str, object]) -> dict[str, object]:
    """With the keys that PEP 691 wants; the name of a file is the last part of its URL."""
    named = [{"filename": file_name(str(each["url"])), **each} for each in files]
    return {"meta": {"api-version": "1.0"}, "name": "x", "files": named}


def test_a_yanked_file_is_found_because_a_lock_names_it() -> None:
    html = '<a href="x-1-py3-none-any.whl" data-yanked="broken">x-1-py3-none-any.whl</a>'
    assert links(html, "text/html", "https://a.example/") == ("https://a.example/x-1-py3-none-any.whl",)
    document = json_page({"url": "x-1-py3-none-any.whl", "hashes": {"sha256": "00"}, "yanked": "broken"})
    found = links(json.dumps(document), "application/vnd.pypi.simple.v1+json", "https://a.example/")
    assert found == ("https://a.example/x-1-py3-none-any.whl",)


def test_the_charset_is_what_the_server_says_else_utf_8() -> None:
    html = '<a href="/ä/x.whl">x</a>'
    for page, kind in (
        (html.encode(), "text/html"),
        (html.encode("latin-1"), "text/html; charset=ISO-8859-1"),
        (html.encode("utf-16"), 'application/vnd.pypi.simple.v1+html; charset="utf-16"'),
    ):
        assert links(page, kind, "https://a.example/") == ("https://a.example/ä/x.whl",)


@pytest.mark.filterwarnings("error")
def test_the_next_minor_version_of_the_api_is_read_in_silence_and_the_next_major_one_is_not() -> None:
    kind = "application/vnd.pypi.simple.v1+json"
    document = json_page({"url": "https://b.example/x.whl", "hashes": {}})
    for version, found in (("1.99", ("https://b.example/x.whl",)), ("2.0", ())):
        text = json.dumps({**document, "meta": {"api-version": version}})
        assert links(text, kind, "https://a.example/") == found
        html = f'<meta name="pypi:repository-version" content="{version}"><a href="https://b.example/x.whl">x</a>'
        assert links(html, "text/html", "https://a.example/") == found
    assert links("looks-like-a-file-name", "text/html", "https://a.example/") == ()


@pytest.mark.parametrize(
    "page", ["<![x y[ z ]]>", "<![if x", '<a href="http://[x/">x</a>', "<!", "<?xml?><a>"]
)
def test_a_page_that_is_not_html_offers_nothing(page: str) -> None:
    assert links(page.encode(), "text/html", "https://a.example/") == ()


@given(st.binary(max_size=200), st.text(max_size=40))
def test_any_bytes_of_any_type_are_read(page: bytes, kind: str) -> None:
    assert isinstance(links(page, kind, "https://a.example/"), tuple)


@given(st.text(max_size=200), st.sampled_from(["text/html", "application/json"]))
def test_any_page_is_read(text: str, kind: str) -> None:
    assert isinstance(links(text, kind, "https://a.example/"), tuple)


def test_a_url_of_the_scheme_has_a_name_and_a_file() -> None:
    assert split_pypi("pypi:Typing_Extensions/a-1-py3-none-any.whl") == (
        "typing-extensions",
        "a-1-py3-none-any.whl",
    )
    for wrong in ("pypi:", "pypi:a", "pypi:a/", "pypi:/b.whl", "pypi:a/../b.whl", "pypi:a/.whl"):
        with pytest.raises(UsageError):
            split_pypi(wrong)


def test_pages_of_indexes() -> None:
    assert page_url("https://i.example/simple/", "a-b") == "https://i.example/simple/a-b/"
    assert page_url("/srv/simple", "a") == "file:///srv/simple/a/"
    assert page_url("file:///srv/simple", "a") == "file:///srv/simple/a/"
    assert file_name("https://[broken") == ""
