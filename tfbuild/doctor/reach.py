"""What a build would talk to over the network: asked once, judged by pure checks.

A proxy or mirror that is set and does not answer stops every download, so it is fatal; an address that is
only the default may not be needed, so it is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tfbuild.base.errors import HostError, TfBuildError
from tfbuild.base.urls import VARIABLE, is_local, parse_mirror_rules, safe_url
from tfbuild.downloads.fetch import new_session
from tfbuild.downloads.pip_settings import pip_settings
from tfbuild.machine.host import Proxy
from tfbuild.machine.programs import Runner

# Where most releases have their source.
SOURCES = "https://github.com/"
_TIMEOUT_S = 5
_NO_SOCKS = "downloads through it need the Python package PySocks"
# Of proxies: what names hosts that are reached without one is no address.
_NO_PROXY = "no_proxy"

# What is wrong with an address, empty where it answers; with and without the proxies of the environment.
Probe = Callable[[str, bool], str]


@dataclass(frozen=True)
class Reach:
    """Each address that was asked with what is wrong, empty where it answers; without passwords.

    ``proxies`` are by variable. ``unknown`` says why nothing could be asked, ``untrusted`` that it
    is for the certificates that the environment names.
    """

    proxies: Mapping[str, str] = field(default_factory=dict)
    mirrors: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)
    unknown: TfBuildError | None = None
    untrusted: TfBuildError | None = None


def ask(
    env: Mapping[str, str], proxies: Sequence[Proxy], runner: Runner, probe: Probe | None = None
) -> Reach:
    """Ask everything that a build would, at the same time; no longer than some seconds."""
    try:
        rules = parse_mirror_rules(env.get(VARIABLE, ""))
    except TfBuildError as error:
        return Reach(unknown=error)
    try:
        probe = probe or prober(env)
    except TfBuildError as error:
        return Reach(untrusted=error)
    wanted = {each.variable: each.value for each in proxies if each.variable.lower() != _NO_PROXY}
    replaced = [rule.replacement for rule in rules]
    hosts = [] if any(SOURCES.startswith(rule.prefix) for rule in rules) else [SOURCES]
    if not any(rule.prefix.startswith("pypi:") for rule in rules):
        hosts += _indexes(runner)
    with ThreadPoolExecutor(max_workers=8) as pool:
        told = [pool.submit(_ask_one, probe, url, direct=True) for url in wanted.values()]
        told += [pool.submit(_ask_one, probe, url, direct=False) for url in (*replaced, *hosts)]
    answers = [each.result() for each in told]
    first, second = len(wanted), len(wanted) + len(replaced)
    return Reach(
        proxies=dict(zip(wanted, answers[:first], strict=True)),
        mirrors=dict(zip(map(safe_url, replaced), answers[first:second], strict=True)),
        hosts=dict(zip(map(safe_url, hosts), answers[second:], strict=True)),
    )


def _indexes(runner: Runner) -> list[str]:
    try:
        return [url for url in pip_settings(runner).indexes if not is_local(url)]
    except HostError:  # no pip: only wheels need one, and their builds tell
        return []


def _ask_one(probe: Probe, url: str, *, direct: bool) -> str:
    if is_local(url):
        path = Path(url.removeprefix("file://"))
        return "" if path.exists() else "there is no such file or folder"
    return probe(url if "://" in url else f"http://{url}", direct)


def prober(env: Mapping[str, str]) -> Probe:
    """Any answer will do, also one that says no. Raises :class:`HostError` as downloads would."""
    through, straight = new_session(env), new_session(env)
    straight.trust_env = False  # a proxy is not asked through itself

    def probe(url: str, direct: bool) -> str:
        if not url.startswith(("http:", "https:")):
            # A SOCKS proxy speaks no HTTP: nothing is known of it, but that requests needs a package for it.
            return "" if not url.startswith("socks") or find_spec("socks") else _NO_SOCKS
        try:
            (straight if direct else through).head(url, timeout=_TIMEOUT_S, allow_redirects=False)
        except (OSError, ValueError) as error:
            return _reason(error)
        return ""

    return probe


def _reason(error: BaseException) -> str:
    """The words of the operating system, wherever they are in the chain of causes."""
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, OSError) and current.strerror:
            return current.strerror
        if "timeout" in type(current).__name__.lower():
            return f"no answer in {_TIMEOUT_S} s"
        linked = (current.__cause__, current.__context__, getattr(current, "reason", None), *current.args)
        pending += [each for each in linked if isinstance(each, BaseException)]
    return type(error).__name__
