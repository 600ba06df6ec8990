"""What to show of a failed step: the first error, the last lines, and a cause when it is a known one.

Everything here reads text that tools printed; the tables are the place to add to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

TAIL_LINES = 25  # about one screen, together with the error and the hint
_MAX_LINE = 400  # characters; a compiler's command line can have 20000


@dataclass(frozen=True)
class FailureSummary:
    """``first_error`` and ``tail`` are lines of the log, ``hint`` names the cause and a next command."""

    first_error: str | None
    tail: tuple[str, ...]
    hint: str | None


@dataclass(frozen=True)
class Cause:
    """A known cause: any line that ``pattern`` finds means it."""

    name: str
    pattern: re.Pattern[str]
    hint: str


def cause_of(name: str, hint: str, *patterns: str) -> Cause:
    """A cause that any of ``patterns`` means, in upper or lower case."""
    return Cause(name, re.compile("|".join(f"(?:{p})" for p in patterns), re.IGNORECASE), hint)


_QUOTE = r"['\"`\u2018\u2019]"  # GCC quotes as the locale says

# In order of precedence: an earlier cause explains the errors of a later one.
_EARLY: tuple[Cause, ...] = (
    cause_of(
        "disk full",
        "the disk is full: see what uses it with 'docker system df', free it with 'docker builder prune' "
        "or 'invoke clean --cache', and run the same command again; finished objects are kept",
        r"No space left on device",
        r"Disk quota exceeded",
    ),
    cause_of(
        "Bazel out of memory",
        # The heap: MaxRAMPercentage of OpenJDK, a quarter; Bazel sets none of its own.
        "Bazel itself ran out of memory (its heap is a quarter of the engine's), or the kernel killed it "
        "because the engine had none left: run the same command again with '--jobs 1', or give the engine "
        "more memory; finished objects are kept",
        # https://bazel.build/run/scripts#exit-codes; 137 is SIGKILL, as the shell counts it.
        r"java\.lang\.OutOfMemoryError",
        r"^tfbuild: Bazel ended with exit code (?:33|137)\b",
        # What the client says when its server is gone: https://github.com/bazelbuild/bazel/issues/3020
        r"Server terminated abruptly",
    ),
    cause_of(
        "out of memory",
        "the compiler ran out of memory: run the same command again with fewer jobs, for example "
        "'--jobs 2' (a TensorFlow compile job takes about 2 GiB); workers of a cluster need it as well; "
        "finished objects are kept",
        # GCC's driver, when the kernel kills the compiler proper.
        r"Killed signal terminated program \w+",
        r"virtual memory exhausted",
        r"cannot allocate memory",
        r"out of memory",
        r"std::bad_alloc",
        r"\bSignal 9\b|\(Killed\)|signal: killed",
        r"exit (?:code|status):? 137\b",
    ),
    cause_of(
        "march unknown to the compiler",
        "the builder's compiler is older than the CPU that is asked for: take a config with a lower 'march' "
        "('invoke list-configs'), or lower it for one build with '--set compile.march=x86-64-v3' or "
        "'--set compile.march=armv8-a'",
        rf"bad value \(?{_QUOTE}?[^)]*\)? for {_QUOTE}?-m(?:arch|cpu|tune)",
        r"-m(?:arch|cpu|tune)=\S+ is not a valid value",
        rf"unknown value {_QUOTE}[\w.=+-]+{_QUOTE} for {_QUOTE}?-m(?:arch|cpu|tune)",
        rf"unrecognized command[- ]line option {_QUOTE}-m[\w.=+-]+{_QUOTE}",
        rf"(?:unknown|invalid) (?:target CPU|arch name) {_QUOTE}",
        # An assembler older than the compiler.
        r"\bError: no such instruction: ",
        rf"invalid feature modifier .* in {_QUOTE}?-march",
    ),
    cause_of(
        "march newer than this CPU",
        "this CPU lacks an instruction that the config's 'march' allows: build with '--config portable', "
        "or with '--config native' on the machine where it will run",
        r"(?-i:Illegal instruction)",
        r"\bSIGILL\b",
        r"exit (?:code|status):? 132\b",
    ),
    cause_of(
        "patch without effect",
        "the release's source already has what the patch changes: check what the patch is for, or "
        "leave it out ('--set source.patches=[]')",
        r"^error: the patch .* changes nothing",
    ),
    cause_of(
        "patch does not apply",
        "a patch does not fit this release's source: '--dry-run' shows the file and line of the config that "
        "names it; refresh the patch against this release, or leave it out",
        r"^Hunk #\d+ FAILED",
        r"(?-i:\bpatch\b.*\bFAILED\b)",
        r"patch does not apply",
        r"\d+ out of \d+ hunks? FAILED",
        r"error: patch failed:",
    ),
    cause_of(
        "certificate of a cluster",
        "the cluster's certificate was not accepted here, or this client's was not there: one has expired "
        "('openssl x509 -noout -enddate -in FILE' tells of a file), or remote.ca is not the authority that "
        "issued it; 'invoke doctor --config NAME' asks the cluster, '--set remote.fallback=local' compiles "
        "here",
        # buildbox and Bazel, in front of what their TLS says.
        r"Failed to connect to CAS server: .*(?:Ssl handshake failed|certificate)",
        r"Failed to query remote execution capabilities: .*(?:OpenSslEngine|PKIX|certificate|handshake)",
    ),
    cause_of(
        "certificate not trusted",
        "a server's certificate is not trusted, usually because of a proxy that inspects traffic: set "
        "SSL_CERT_FILE to its CA bundle and run the same command again",
        r"certificate verify failed",
        r"SSL certificate problem",
        r"unable to get local issuer certificate",
        r"PKIX path building failed",
    ),
)
# Those of a product come between: a build that cannot reach its own servers has a network.
_LATE: tuple[Cause, ...] = (
    cause_of(
        "Debian mirror between two states",
        "the indexes of a Debian mirror do not fit together, as while it is being updated: run the same "
        "command again later, or take another one ('--set debian.mirror=http://...', "
        "'--set debian.security_mirror=http://...') or a frozen state "
        "('--set debian.snapshot=20261030T080801Z'); where only its security archive is broken, "
        "'--set debian.security_updates=false' builds without its fixes",
        r"Mirror sync in progress",
        r"Hash Sum mismatch",
        # The index names a package that the mirror no longer has, or not yet.
        r"^E: Failed to fetch \S+\s+404\b",
    ),
    cause_of(
        "no network",
        "the builder could not reach the network: 'invoke doctor' shows what is reachable; behind a proxy "
        "set https_proxy, with a mirror set TFBUILD_MIRRORS, without any network load a bundle "
        "('invoke bundle --load FILE') and add '--offline'",
        r"Temporary failure (?:resolving|in name resolution)",
        r"Could not resolve (?:host|proxy|')",
        r"^E: Failed to fetch\b",
        r"Could not connect to\b",
        r"Network is unreachable",
        r"UnknownHostException",
        # Bazel's downloader.
        r"Error downloading \[.*(?:Unknown host|timed out|refused)",
    ),
    cause_of(
        "Bazel itself",
        "Bazel failed, not the compile: its own log is beside the others (bazel-java); what it keeps may be "
        "damaged: 'invoke clean --cache', then the same command again",
        r"^tfbuild: Bazel ended with exit code 3[67]\b",
    ),
)
CAUSES = (*_EARLY, *_LATE)

# A compiler's warnings, and the lines of source that it quotes: they may speak of memory, disks and networks.
_QUOTED = re.compile(r"^\s*\d*\s*\||: (?:warning|note): ")

# What says precisely what is wrong...
_PRECISE = re.compile(
    r"(?<![\w-])(?:fatal |internal compiler )?[Ee]rror:(?=\s|$)"
    r"|\bCMake Error\b"
    r"|undefined reference to"
    r"|\bld: cannot find\b"
    r"|\*\*\* \[.*\] Error \d+"
    r"|^(?:E: |Hunk #\d+ FAILED)"
    r"|\bKilled signal terminated program\b"
    r"|No space left on device"
    r"|Illegal instruction",
)
# CMake compiles a few lines first, and quotes what the compiler had against them.
_PROBE = re.compile(r"CMake Error at .*/CMakeTest\w+Compiler\.cmake")
_OF_COMPILER = re.compile(r"(?<![\w-])(?:fatal )?error:\s")
# ...what follows from another error...
_CONSEQUENCE = re.compile(r"collect2: error: ld returned|^make.*\*\*\* |ninja: error: build stopped")
# ...and what only says which step failed; the precise line comes after it.
_VAGUE = re.compile(r"^(?:\s*\([0-9:.]+\)\s*)?(?:FAILED:|ERROR:)|\bninja: build stopped\b")


def failure_summary(
    lines: Sequence[str], *, returncode: int | None = None, own: Sequence[Cause] = ()
) -> FailureSummary:
    """The essence of the output of a failed step; ``returncode`` is the tool's, where known, ``own`` are the
    causes that only this product knows."""
    shown = tuple(_clip(line.rstrip()) for line in lines[-TAIL_LINES:])
    return FailureSummary(_first_error(lines), shown, known_cause(lines, returncode=returncode, own=own))


def known_cause(
    lines: Sequence[str], *, returncode: int | None = None, own: Sequence[Cause] = ()
) -> str | None:
    """The hint of the first cause in :data:`CAUSES` or ``own`` that a line, or the exit code, points to."""
    exit_line = () if returncode is None else (f"exit code: {returncode}",)
    telling = [line for line in (*lines, *exit_line) if not _QUOTED.search(line)]
    for cause in (*_EARLY, *own, *_LATE):
        if any(cause.pattern.search(line) for line in telling):
            return cause.hint
    return None


def _first_error(lines: Sequence[str]) -> str | None:
    for wanted in (_PRECISE, _VAGUE, _CONSEQUENCE):
        for index, line in enumerate(lines):
            if wanted.search(line) and (wanted is not _PRECISE or not _CONSEQUENCE.search(line)):
                return _clip(_behind_probe(lines, index) or _with_reason(lines, index))
    return None


def _behind_probe(lines: Sequence[str], index: int) -> str | None:
    """The compiler's own error where CMake only says that it could not compile a probe."""
    if not _PROBE.search(lines[index]):
        return None
    return next((line.strip() for line in lines[index + 1 :] if _OF_COMPILER.search(line)), None)


def _with_reason(lines: Sequence[str], index: int) -> str:
    line = lines[index].strip()
    if "CMake Error" in line and line.endswith(":"):
        # CMake says where on one line and what, indented, on the next that is not empty.
        following = (text.strip() for text in lines[index + 1 : index + 4])
        return " ".join((line, next((text for text in following if text), ""))).rstrip()
    return line


def _clip(line: str) -> str:
    return line if len(line) <= _MAX_LINE else line[: _MAX_LINE - 1] + "…"
