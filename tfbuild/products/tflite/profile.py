"""The profile that clang optimises by: that of ``tflite.profile``, or the release's. Reads files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfbuild.base.errors import ConfigError, ConfigProblem
from tfbuild.base.values import Origin
from tfbuild.config.load import ResolvedConfig
from tfbuild.config.model import NO_FILE
from tfbuild.machine.files import hash_file
from tfbuild.plan.flags import BUILT_IN, Flag, Target
from tfbuild.plan.naming import Extra
from tfbuild.products.tflite.keys import TfliteKeys
from tfbuild.products.tflite.release import UpstreamProfile, UpstreamRelease
from tfbuild.releases.keys import Release

KEY = "tflite.profile"
# What llvm-profdata writes begins with it: IndexedInstrProf::Magic in llvm/ProfileData/InstrProf.h.
_MAGIC = b"\xfflprofi\x81"
# LiteRT 2.2.0 with both, clang 19.1.7, amd64; the smoke test found it, and nobody has found out why.
_CRASH = "signal 11 in models with dynamic range"


@dataclass(frozen=True)
class Profile:
    """A profile by its file, relative to the project or absolute, and the hash of its bytes."""

    path: str
    sha256: str
    origin: str  # the line that gave it

    @property
    def filename(self) -> str:
        """In the builder. Caches of others look at command lines, not at this file: its name has the hash."""
        return f"{self.sha256[:12]}.profdata"

    @property
    def flag(self) -> Flag:
        """https://clang.llvm.org/docs/UsersManual.html#profile-guided-optimization"""
        return Flag(Target.COMPILE, f"-fprofile-use=/request/{self.filename}", self.origin)

    @property
    def extra(self) -> Extra:
        """What the name of a build depends on: the file by its content."""
        return Extra(KEY, self.sha256[:12])


def read_profile(
    root: Path, config: ResolvedConfig, release: Release, lines: Mapping[str, Origin]
) -> Profile | None:
    """The profile of a build; None: none. ``lines`` says where the release's file has each key.

    :raises ConfigError: what is named can be of no use, with the place that names it.
    """
    asked = config.values.of(TfliteKeys).profile
    if asked is None:
        return _of_the_release(root, config, release, lines)
    if asked == NO_FILE:
        return None
    if problems := tuple(config.problem(KEY, text) for text in _why_not(root / asked, asked, config)):
        raise ConfigError(problems)
    return Profile(asked, hash_file(root / asked), str(config.origins[KEY]))


def profiles_folder(path: str) -> str:
    """Where the profiles of the release file ``path`` are: beside it."""
    return f"{path.removesuffix('.yaml')}.profiles"


def _known(config: ResolvedConfig, release: Release) -> UpstreamProfile | None:
    """What the release has for a build whose compiler can use it."""
    if config.values.compile.compiler != "clang" or not isinstance(release, UpstreamRelease):
        return None
    return release.upstream.profiles.get(config.arch)


def _of_the_release(
    root: Path, config: ResolvedConfig, release: Release, lines: Mapping[str, Origin]
) -> Profile | None:
    known = _known(config, release)
    if known is None or any(_against(config)):
        return None
    path = f"{profiles_folder(release.path)}/{known.file}"
    where = lines.get(f"upstream.profiles.{config.arch}", BUILT_IN)
    if not (root / path).is_file():
        told = f"there is no profile {path}"
        raise ConfigError((ConfigProblem(where.path, where.line, where.column, told),))
    return Profile(path, hash_file(root / path), str(where))


def _why_not(file: Path, asked: str, config: ResolvedConfig) -> Iterator[str]:
    if problem := _unreadable(file):
        yield f"'{asked}' {problem}"
    if config.values.compile.compiler != "clang":
        yield "a profile is for clang: set compile.compiler to clang"
    yield from (f"{why}: leave one of them out" for why in _against(config))


def _against(config: ResolvedConfig) -> Iterator[str]:
    """What no profile goes with."""
    if config.values.compile.lto:
        yield f"with compile.lto it made a LiteRT that crashes ({_CRASH})"
    if config.values.remote.executor:
        yield "a cluster (remote.executor) does not get the profile"


def left_out(config: ResolvedConfig, release: Release) -> tuple[str, ...]:
    """Why a build by clang goes without the profile that its release has."""
    if config.values.of(TfliteKeys).profile is not None or _known(config, release) is None:
        return ()
    return tuple(f"the profile of {release.release} is left out: {why}" for why in _against(config))


def _unreadable(file: Path) -> str | None:
    try:
        with file.open("rb") as stream:
            begins = stream.read(len(_MAGIC))
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if begins != _MAGIC:
        return "is no profile of clang's: llvm-profdata merge makes one of what a run has written"
    return None
