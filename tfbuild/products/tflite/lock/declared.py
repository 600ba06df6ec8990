"""What upstream's CMake build of TFLite would download, read from its source; pure.

Three kinds of declaration, in the order in which they count: FetchContent in ``tools/cmake/modules/*.cmake``
of tensorflow/lite (tflite in LiteRT), ExternalProject in its ``cmake/Download*.cmake``, and the same in the
``cmake/`` of a dependency, whose CMakeLists.txt runs it unless ``<NAME>_SOURCE_DIR`` is set. Hashes come from
CMake's own ``URL_HASH`` and from Bazel's files, which pin the same commits for the same release.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from tfbuild.base.arch import Arch
from tfbuild.products.tflite.lock.cmake_text import CMakeSyntaxError, Command, commands, expand, keywords
from tfbuild.products.tflite.lock.starlark_text import Published, published
from tfbuild.products.tflite.release import LITE
from tfbuild.releases.keys import Repin
from tfbuild.releases.lock import Condition

# In TFLite's folder.
MODULES = "tools/cmake/modules/"
OWN_DOWNLOADS = "cmake/"
BAZEL_FILES = ("tensorflow/workspace2.bzl", "tensorflow/workspace3.bzl", "third_party/")
# Where XNNPACK, and what it wants, download further sources; their CMakeLists.txt say under which variable.
NESTED_DOWNLOADS = "cmake/"

# A keyword is not the value of another one.
_KEYWORDS = frozenset(
    {"GIT_REPOSITORY", "GIT_TAG", "GIT_SHALLOW", "GIT_PROGRESS", "URL", "URL_HASH", "URL_MD5", "PREFIX"}
    | {"LICENSE_FILE", "LICENSE_URL", "SOURCE_DIR", "BINARY_DIR", "CONFIGURE_COMMAND", "BUILD_COMMAND"}
)
_DECLARATIONS = {"overridablefetchcontent_declare", "fetchcontent_declare"}
# TensorFlow's mirror of other hosts' files: third_party/repo.bzl, tf_mirror_urls.
_MIRROR = re.compile(r"https?://storage\.googleapis\.com/mirror\.tensorflow\.org/")
_ARCHIVE = re.compile(
    r"(?P<repository>https://[^/]+/[^/]+/[^/]+?)(?:\.git)?/(?:-/)?archive/(?:refs/tags/)?"
    r"(?P<ref>[^/]+?)(?:/[^/]+?)?(?P<ending>\.tar\.gz|\.tgz|\.zip)"
)
# Conditions of tensorflow/lite/CMakeLists.txt and of XNNPACK's: who includes which module when.
_ONLY_ARCH: Mapping[str, tuple[Arch, ...]] = {"neon2sse": (Arch.AMD64,), "kleidiai": (Arch.ARM64,)}
_ONLY_GPU = {"egl_headers", "opengl_headers", "opencl_headers", "vulkan_headers", "fp16_headers"}
# Tests and benchmarks of dependencies, which are never built.
_NEVER = {"googletest", "googlebenchmark", "google_benchmark"}


class UpstreamSourceError(ValueError):
    """Upstream's files say something that is not understood; it is not guessed at."""


@dataclass(frozen=True)
class Wanted:
    """A source that the build wants, as upstream declares it.

    ``urls`` is where an archive of it lies; where its ``sha256`` is known, ``evidence`` says who wrote it.
    """

    name: str
    repository: str
    ref: str
    archived: str  # of which the archive is: the ref, or the commit where the ref is a branch
    urls: tuple[str, ...]
    sha256: str | None
    evidence: str
    license_file: str
    variables: tuple[str, ...]
    arches: tuple[Arch, ...]
    only_with: Condition | None
    declared: str

    @property
    def filename(self) -> str:
        """Unique among the downloads: the repository's name, the ref, and the form of the archive."""
        ending = ".zip" if self.urls[0].endswith(".zip") else ".tar.gz"
        return f"{self.repository.rsplit('/', 1)[1]}-{self.archived.replace('/', '-')}{ending}"

    @property
    def strip_prefix(self) -> str:
        """The one folder in the archive: GitHub and GitLab drop the v of a version's tag."""
        ref = re.sub(r"^v(?=[0-9])", "", self.archived) if _is_github(self.repository) else self.archived
        return f"{self.repository.rsplit('/', 1)[1]}-{ref}"

    def at(self, ref: str) -> Wanted:
        """The same source as the archive of ``ref``, of which no hash is known."""
        urls = (archive_url(self.repository, ref),)
        return replace(self, archived=ref, urls=urls, sha256=None, evidence="")


def wanted_sources(
    files: Mapping[str, str], arches: Sequence[Arch], repins: Mapping[str, Repin], folder: str = LITE
) -> tuple[Wanted, ...]:
    """What the release's own source asks for. ``files`` are its texts by their paths below the top folder,
    ``repins`` other places for some of the names, ``folder`` is where TFLite lies in it.

    :raises UpstreamSourceError: a declaration that is not understood, or none at all.
    """
    found = {each.name: each for each in _own(files, arches, folder)}
    if not found:
        raise UpstreamSourceError(f"no FetchContent declaration in {folder}/{MODULES}")
    hashes = _bazel_hashes(files)
    chosen = (_repinned(each, repins.get(each.name)) for each in found.values())
    return tuple(sorted((_hashed(each, hashes) for each in chosen), key=lambda each: each.name))


def nested_sources(
    parent: Wanted, files: Mapping[str, str], repins: Mapping[str, Repin]
) -> tuple[Wanted, ...]:
    """What the dependency ``parent`` would download by itself. ``files`` are those of its source, ``repins``
    other places for some of the names."""
    found = _external(files, NESTED_DOWNLOADS, f"{parent.name}:", parent.arches)
    chosen = (_repinned(each, repins.get(each.name)) for each in found)
    return tuple(replace(each, only_with=parent.only_with) for each in chosen)


def not_given(nested: Iterable[Wanted], known: Iterable[Wanted]) -> tuple[Wanted, ...]:
    """Those of ``nested`` that nothing of ``known`` hands over."""
    given = {variable for each in known for variable in (*each.variables, f"{each.name.upper()}_SOURCE_DIR")}
    return tuple(each for each in nested if not given & set(each.variables))


def hashed_by(wanted: Wanted, others: Iterable[Wanted]) -> Wanted:
    """``wanted`` as one of ``others`` has the same commit, if that one has a hash and ``wanted`` has none."""
    same = (each for each in others if (each.repository, each.ref) == (wanted.repository, wanted.ref))
    hit = next((each for each in same if each.sha256), None)
    if wanted.sha256 or hit is None:
        return wanted
    return replace(wanted, urls=hit.urls, sha256=hit.sha256, evidence=hit.evidence)


def _own(files: Mapping[str, str], arches: Sequence[Arch], folder: str) -> Iterator[Wanted]:
    modules = f"{folder}/{MODULES}"
    for path in sorted(files):
        name = path.removeprefix(modules)
        # Find*.cmake are asked for by tests only, or include one of the others.
        if path.startswith(modules) and re.fullmatch(r"(?!Find|Overridable)[^/]+\.cmake", name):
            yield from _fetch_content(path, files[path], arches)
    yield from _external(files, f"{folder}/{OWN_DOWNLOADS}", "", arches)


def _fetch_content(path: str, text: str, arches: Sequence[Arch]) -> Iterator[Wanted]:
    variables: dict[str, str] = {}
    for command in _commands(path, text):
        if command.name == "set" and len(command.arguments) == 2:
            variables[command.arguments[0]] = expand(command.arguments[1], variables)
        if command.name in _DECLARATIONS and command.arguments:
            name = command.arguments[0]
            given = _given(command, variables)
            yield _wanted(path, command, name, given, f"FETCHCONTENT_SOURCE_DIR_{name.upper()}", arches)


def _external(files: Mapping[str, str], folder: str, prefix: str, arches: Sequence[Arch]) -> Iterator[Wanted]:
    """``Download<Name>.cmake`` of a project, which sets ``<NAME>_SOURCE_DIR`` where nobody has."""
    for path in sorted(files):
        match = re.fullmatch(rf"{re.escape(folder)}Download([A-Za-z0-9_]+)\.cmake", path)
        if not match or match[1].lower() in _NEVER:
            continue
        for command in _commands(path, files[path]):
            if command.name == "externalproject_add" and command.arguments:
                name = match[1].lower()
                variable = f"{match[1].upper()}_SOURCE_DIR"
                yield _wanted(prefix + path, command, name, _given(command, {}), variable, arches)


def _commands(path: str, text: str) -> tuple[Command, ...]:
    try:
        return commands(text)
    except CMakeSyntaxError as error:
        raise UpstreamSourceError(f"{path}: {error}") from None


def _given(command: Command, variables: Mapping[str, str]) -> dict[str, str]:
    found = keywords(command.arguments, _KEYWORDS)
    return {name: expand(value, variables) for name, value in found.items()}


def _wanted(
    path: str, command: Command, name: str, given: Mapping[str, str], variable: str, arches: Sequence[Arch]
) -> Wanted:
    where = f"{path}:{command.line}"
    only = _ONLY_ARCH.get(name, tuple(arches))
    repository = given.get("GIT_REPOSITORY", "").removesuffix("/").removesuffix(".git")
    plain = Wanted(
        name=name,
        repository=repository,
        ref=given.get("GIT_TAG", ""),
        archived=given.get("GIT_TAG", ""),
        urls=(),
        sha256=None,
        evidence="",
        license_file=given.get("LICENSE_FILE", ""),
        variables=(variable,),
        arches=tuple(arch for arch in arches if arch in only),
        only_with="tflite.gpu_delegate" if name in _ONLY_GPU else None,
        declared=path,
    )
    if "URL" in given:
        return _of_url(where, given, plain)
    if plain.repository and plain.ref:
        return plain.at(plain.ref)
    raise UpstreamSourceError(f"{where}: neither URL nor GIT_REPOSITORY and GIT_TAG")


def _of_url(where: str, given: Mapping[str, str], plain: Wanted) -> Wanted:
    url = given["URL"]
    origin = _MIRROR.sub("https://", url)
    match = _ARCHIVE.fullmatch(origin)
    if match is None or "$" in url:
        raise UpstreamSourceError(f"{where}: not an archive of a repository: {url}")
    algorithm, _, digest = given.get("URL_HASH", "").partition("=")
    sha256 = digest.lower() if algorithm.upper() == "SHA256" and digest else None
    return replace(
        plain,
        repository=match["repository"],
        ref=match["ref"],
        archived=match["ref"],
        urls=tuple(dict.fromkeys((origin, url))),
        sha256=sha256,
        evidence=plain.declared if sha256 else "",
    )


def archive_url(repository: str, ref: str) -> str:
    """Where GitHub, or a GitLab, serves the archive of a commit or tag.

    https://docs.github.com/en/repositories/working-with-files/using-files/downloading-source-code-archives
    https://docs.gitlab.com/api/repositories/ (the web page's own form)
    """
    if _is_github(repository):
        return f"{repository}/archive/{ref}.tar.gz"
    if "gitlab" in urlsplit(repository).netloc:
        return f"{repository}/-/archive/{ref}/{repository.rsplit('/', 1)[1]}-{ref}.tar.gz"
    raise UpstreamSourceError(f"{repository}: how this host serves archives is not known")


def _is_github(repository: str) -> bool:
    return urlsplit(repository).netloc == "github.com"


def _repinned(wanted: Wanted, repin: Repin | None) -> Wanted:
    if repin is None:
        return wanted
    repository = repin.repository or wanted.repository
    return replace(wanted, repository=repository, ref=repin.ref).at(repin.ref)


def _bazel_hashes(files: Mapping[str, str]) -> dict[tuple[str, str], Published]:
    """By repository, in lower case since hosts do not tell, and ref."""
    found: dict[tuple[str, str], Published] = {}
    for path in sorted(files):
        if path.endswith(".bzl") and path.startswith(BAZEL_FILES):
            for each in published(path, files[path]):
                match = _ARCHIVE.fullmatch(_MIRROR.sub("https://", each.url))
                if match:
                    found.setdefault((match["repository"].lower(), match["ref"]), each)
    return found


def _hashed(wanted: Wanted, hashes: Mapping[tuple[str, str], Published]) -> Wanted:
    """With the archive that Bazel's files name for the same commit, if they do and CMake's do not."""
    hit = hashes.get((wanted.repository.lower(), wanted.ref))
    if wanted.sha256 or hit is None:
        return wanted
    origin = _MIRROR.sub("https://", hit.url)
    mirror = origin.replace("https://", "https://storage.googleapis.com/mirror.tensorflow.org/", 1)
    return replace(wanted, urls=(origin, mirror), sha256=hit.sha256, evidence=hit.file)
