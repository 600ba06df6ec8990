"""Mirror rules: text in, URLs out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfbuild.base.errors import UsageError
from tfbuild.base.urls import MirrorRule, parse_mirror_rules, safe_url
from tfbuild.downloads.mirrors import archive_addresses, debian_urls, downloader_config, rewrite, url_resolver

SNAPSHOT = "https://snapshot.debian.org/archive/debian/20240101T000000Z"
_PATHS = st.lists(st.text("abc123._+~-", min_size=1), min_size=1, max_size=4).map("/".join)
_HOSTS = st.from_regex(r"[a-z]{1,8}\.(example|invalid)(:[0-9]{2,4})?", fullmatch=True)


def test_rules_come_in_their_order_and_the_original_last() -> None:
    text = "https://github.com/=https://proxy.example/gh/, https://github.com/tensorflow=/srv/tf\n"
    rules = parse_mirror_rules(text)
    assert rewrite("https://github.com/tensorflow/x.tar.gz", rules) == (
        "https://proxy.example/gh/tensorflow/x.tar.gz",
        "/srv/tf/x.tar.gz",
        "https://github.com/tensorflow/x.tar.gz",
    )
    assert rewrite("https://other.example/x", rules) == ("https://other.example/x",)


@pytest.mark.parametrize(
    "url", ["https://github.community/x", "https://github.com.evil.example/x", "http://github.com/x"]
)
def test_a_prefix_ends_at_a_whole_component(url: str) -> None:
    assert rewrite(url, parse_mirror_rules("https://github.com=https://m.example")) == (url,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("https://github.com/", "no '='"),
        ("=https://m.example/", "not the beginning of a URL"),
        ("github.com=https://m.example/", "not the beginning of a URL"),
        ("https://github.com/=", "neither"),
        ("https://github.com/=relative/folder", "neither"),
        ("https://github.com/=ftp://m.example/", "neither"),
        ("https://github.com/=https://", "no host"),
        ("https://github.com/=https://[broken/", "no host"),
    ],
)
def test_what_cannot_be_understood_is_told(text: str, why: str) -> None:
    with pytest.raises(UsageError) as failure:
        parse_mirror_rules(text)
    assert failure.value.exit_code == 2
    assert why in failure.value.details[0]
    assert "PREFIX=REPLACEMENT" in str(failure.value.hint)


def test_all_bad_rules_are_told_at_once_without_passwords() -> None:
    with pytest.raises(UsageError) as failure:
        parse_mirror_rules("a=b https://u:s3cr3t@x/=https://u:s3cr3t@[y/ https://x/=/fine")
    assert len(failure.value.details) == 2
    assert "s3cr3t" not in "".join(failure.value.details)


def test_debian_paths_go_to_the_mirrors_and_then_to_the_snapshot() -> None:
    assert debian_urls("debian:pool/main/t/x_1+d.tar.xz", ("http://m.example/debian/",), SNAPSHOT) == (
        "http://m.example/debian/pool/main/t/x_1+d.tar.xz",
        f"{SNAPSHOT}/pool/main/t/x_1+d.tar.xz",
    )
    assert debian_urls("pool/x", (), "") == ()


@pytest.mark.parametrize("path", ["debian:", "debian:/etc/passwd", "debian:pool/../../x", "../x"])
def test_a_debian_path_stays_in_the_archive(path: str) -> None:
    with pytest.raises(UsageError):
        debian_urls(path, ("http://m.example/debian",), SNAPSHOT)


def test_rules_apply_to_debian_urls_before_and_after_they_are_resolved() -> None:
    rules = parse_mirror_rules("debian:=/srv/debian https://snapshot.debian.org/=https://p.example/snap/")
    resolve = url_resolver(rules, ("http://m.example/debian",), SNAPSHOT)
    assert resolve("debian:pool/x") == (
        "/srv/debian/pool/x",
        "http://m.example/debian/pool/x",
        "https://p.example/snap/archive/debian/20240101T000000Z/pool/x",
        f"{SNAPSHOT}/pool/x",
    )
    assert resolve("https://github.com/x") == ("https://github.com/x",)


# -- Bazel and apt ---------------------------------------------------------------------------------------


def as_bazel_would(config: str, url: str) -> tuple[str, ...]:
    """What UrlRewriter.java makes of ``url``: whole matches without scheme, all lines, the scheme back."""
    scheme, _, rest = url.partition("://")
    found = []
    for line in config.splitlines():
        directive, pattern, replacement = line.split(" ")
        assert directive == "rewrite"
        match = re.fullmatch(pattern, rest)
        if match:
            parts = re.split(r"(\\.|\$\d)", replacement)
            text = "".join(
                (match[int(part[1:])] if part[0] == "$" else part[-1] if part[0] == "\\" else part)
                for part in parts
                if part
            )
            found.append(text if "://" in text else f"{scheme}://{text}")
    return tuple(dict.fromkeys(found)) or (url,)


@given(
    st.lists(st.tuples(_HOSTS, _PATHS, _HOSTS, _PATHS, st.booleans(), st.booleans()), max_size=4),
    _PATHS,
    st.sampled_from(["", "?a=b"]),
)
def test_bazel_tries_the_urls_that_we_try(
    parts: list[tuple[str, str, str, str, bool, bool]], path: str, query: str
) -> None:
    rules = [
        MirrorRule(f"https://{host}/{folder}{'/' * slash}", f"http://{mirror}/{there}{'/' * other}")
        for host, folder, mirror, there, slash, other in parts
    ]
    config = downloader_config(rules)
    for rule in rules:
        urls = [f"{rule.prefix.rstrip('/')}/{path}{query}"]
        # With a slash at its end a prefix is a folder, which nobody downloads.
        urls += [] if rule.prefix.endswith("/") else [f"{rule.prefix}{query}"]
        for url in urls:
            assert as_bazel_would(config, url) == rewrite(url, rules)
    assert as_bazel_would(config, "https://elsewhere.test/x") == ("https://elsewhere.test/x",)


def test_what_means_something_to_bazel_is_taken_literally() -> None:
    rules = parse_mirror_rules("https://a.example/(x)+/=https://m.example/$1\\d/")
    config = downloader_config(rules)
    assert as_bazel_would(config, "https://a.example/(x)+/f")[0] == "https://m.example/$1\\d/f"
    assert as_bazel_would(config, "https://a.example/xx/f") == ("https://a.example/xx/f",)


def test_bazel_gets_no_folders_no_schemes_of_ours_and_no_passwords() -> None:
    text = (
        "debian:=http://m.example/d https://a.example/=/srv/a https://b.example/=https://u:s3cr3t@m.example/"
    )
    assert downloader_config(parse_mirror_rules(text)).splitlines() == [
        r"rewrite b\.example/(.*) https://m.example/$1",
        "rewrite (.*) $1",
    ]
    assert downloader_config(parse_mirror_rules("debian:=http://m.example/d")) == ""


def test_apt_gets_the_addresses_in_order_without_folders_and_passwords() -> None:
    rules = parse_mirror_rules(
        "debian:=/srv/debian http://m.example/=http://u:s3cr3t@one.example/m debian:=https://two.example/debian/"
    )
    assert archive_addresses("http://m.example/debian", "debian:", rules) == (
        "http://one.example/m/debian",
        "https://two.example/debian",
        "http://m.example/debian",
    )
    assert archive_addresses("http://m.example/debian/", "", rules)[0] == "http://one.example/m/debian"
    assert archive_addresses("https://s.example/debian", "", rules) == ("https://s.example/debian",)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("https://u:p@h/x", "https://h/x"),
        ("https://u:p@ss@h:8/x?a=b@c", "https://h:8/x?a=b@c"),
        ("https://h/x@1.2", "https://h/x@1.2"),
        ("see http://token@h/ and https://u:p@g/", "see http://h/ and https://g/"),
        ("debian:pool/x", "debian:pool/x"),
    ],
)
def test_user_names_and_passwords_are_taken_out(text: str, safe: str) -> None:
    assert safe_url(text) == safe


@given(_HOSTS, _PATHS, _HOSTS, _PATHS, st.booleans(), st.booleans())
def test_slashes_at_the_ends_of_a_rule_make_no_difference(
    host: str, path: str, mirror: str, folder: str, slash: bool, mirror_slash: bool
) -> None:
    rule = MirrorRule(f"https://{host}" + "/" * slash, f"http://{mirror}/{folder}" + "/" * mirror_slash)
    url = f"https://{host}/{path}"
    assert rewrite(url, [rule]) == (f"http://{mirror}/{folder}/{path}", url)


@given(st.text(), st.lists(st.tuples(st.text(), st.text())))
def test_the_original_is_always_the_last_resort(url: str, pairs: list[tuple[str, str]]) -> None:
    urls = rewrite(url, [MirrorRule(prefix, replacement) for prefix, replacement in pairs])
    assert url in urls
    assert len(set(urls)) == len(urls)


@given(st.text())
def test_any_text_is_either_rules_or_a_usage_error(text: str) -> None:
    try:
        rules = parse_mirror_rules(text)
    except UsageError:
        return
    assert all(rule.prefix and rule.replacement for rule in rules)


@given(st.lists(st.tuples(_HOSTS, _HOSTS, _PATHS), max_size=5), st.sampled_from([",", " ", "\n", " , "]))
def test_what_is_written_is_what_is_read(parts: list[tuple[str, str, str]], separator: str) -> None:
    rules = tuple(MirrorRule(f"https://{a}/", f"https://{b}/{path}") for a, b, path in parts)
    assert parse_mirror_rules(separator.join(f"{r.prefix}={r.replacement}" for r in rules)) == rules
