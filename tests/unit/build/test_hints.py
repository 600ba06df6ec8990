"""A failed step is explained: the first error, the last lines, the known cause and a next command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfbuild.build.hints import CAUSES, failure_summary, known_cause
from tfbuild.products.serving.bazel.steps import CAUSES as OF_SERVING

COMPILE_ERROR = [
    "[11/20] Building CXX object a.cc.o",
    "[12/20] Building CXX object conv.cc.o",
    "FAILED: conv.cc.o",
    "/usr/bin/c++ -O3 -Werror -o conv.cc.o -c conv.cc",
    "conv.cc: In function 'int main()':",
    "conv.cc:7:3: error: 'foo' was not declared in this scope",
    "conv.cc:9:3: error: expected ';'",
    "ninja: build stopped: subcommand failed.",
]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (COMPILE_ERROR, COMPILE_ERROR[5]),
        (
            [
                "ERROR: /src/BUILD:12:3: Compiling a.cc failed: (Exit 1): gcc failed",
                "a.cc:1:10: fatal error: foo.h: No such file or directory",
            ],
            "a.cc:1:10: fatal error: foo.h: No such file or directory",
        ),
        (
            [
                "FAILED: libx.so",
                "/usr/bin/ld: a.o: in function `main':",
                "a.cc:(.text+0x5): undefined reference to `foo()'",
                "collect2: error: ld returned 1 exit status",
            ],
            "a.cc:(.text+0x5): undefined reference to `foo()'",
        ),
        (["/usr/bin/ld: cannot find -lfoo: No such file"], "/usr/bin/ld: cannot find -lfoo: No such file"),
        (
            ["-- ok", "CMake Error at CMakeLists.txt:12 (find_package):", "", "  Could not find Foo.", ""],
            "CMake Error at CMakeLists.txt:12 (find_package): Could not find Foo.",
        ),
        (["ERROR: no such target '//x'"], "ERROR: no such target '//x'"),
        (["FAILED: x.o", "ninja: build stopped: subcommand failed."], "FAILED: x.o"),
        (
            ["ninja: error: loading 'build.ninja': No such file"],
            "ninja: error: loading 'build.ninja': No such file",
        ),
        (["collect2: error: ld returned 1 exit status"], "collect2: error: ld returned 1 exit status"),
        (["c++ -Werror: -Wno-error= -c foo_error.cc", "0 errors"], None),
        ([], None),
    ],
)
def test_first_error(lines: list[str], expected: str | None) -> None:
    assert failure_summary(lines).first_error == expected


def test_the_compilers_own_error_comes_before_cmakes_echo_of_it() -> None:
    lines = [
        "CMake Error at /usr/share/cmake-3.31/Modules/CMakeTestCCompiler.cmake:67 (message):",
        "  The C compiler",
        "",
        "    [1/2] Building C object CMakeFiles/cmTC_1.dir/testCCompiler.c.o",
        "    cc1: error: bad value 'x86-64-v9' for '-march=' switch",
        "    ninja: build stopped: subcommand failed.",
    ]
    summary = failure_summary(lines)
    assert summary.first_error == "cc1: error: bad value 'x86-64-v9' for '-march=' switch"
    assert "march" in (summary.hint or "")
    assert failure_summary(lines[:4]).first_error == f"{lines[0]} The C compiler"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("c++: fatal error: Killed signal terminated program cc1plus", ("memory", "--jobs")),
        ("virtual memory exhausted: Cannot allocate memory", ("memory", "--jobs")),
        ('ERROR: process "sh -c ninja" did not complete successfully: exit code: 137', ("memory", "--jobs")),
        ("/usr/bin/ld: final link failed: No space left on device", ("docker system df", "prune")),
        ("Temporary failure resolving 'mirror.example'", ("network", "TFBUILD_MIRRORS", "--offline")),
        ("curl: (6) Could not resolve host: mirror.example", ("network", "invoke doctor")),
        ("E: Failed to fetch http://mirror.example/x.deb", ("network",)),
        (
            "E: Failed to fetch http://m.example/Packages.xz  File has unexpected size (1 != 2). "
            "Mirror sync in progress? [IP: 192.0.2.1 80]",
            ("do not fit together", "debian.mirror", "debian.security_updates=false"),
        ),
        (
            "E: Failed to fetch http://m.example/pool/libc6_2.31_arm64.deb  404  Not Found [IP: 192.0.2.1]",
            ("do not fit together", "debian.mirror", "debian.security_updates=false"),
        ),
        ("curl: (60) SSL certificate problem: self-signed certificate", ("SSL_CERT_FILE",)),
        ("cc1: error: bad value 'x86-64-v9' for '-march=' switch", ("march", "list-configs")),
        ("cc1plus: error: bad value ('znver9') for '-march=' switch", ("march", "list-configs")),
        ("cc1plus: error: bad value (\u2018znver9\u2019) for \u2018-march=\u2019 switch", ("march", "--set")),
        ("gcc: error: -march=armv9-z is not a valid value", ("march",)),
        ("g++: error: unrecognized command-line option '-mavx512fp16'", ("march",)),
        ("g++: error: unrecognized command line option \u2018-mavx512fp16\u2019", ("march",)),
        ("error: unknown target CPU 'znver9'", ("march",)),
        ("cc1plus: error: unknown value 'armv9-z' for '-march'", ("march",)),
        ("/tmp/a.s:12: Error: no such instruction: `vaddph %zmm0'", ("march",)),
        ("Illegal instruction (core dumped)", ("--config portable", "--config native")),
        ("patch 0001-x.patch: FAILED", ("patch", "--dry-run")),
        ("error: tensorflow/lite/x.cc: patch does not apply", ("patch",)),
        ("Hunk #1 FAILED at 12.", ("patch",)),
    ],
)
def test_known_causes(line: str, words: tuple[str, ...]) -> None:
    hint = failure_summary(["[1/2] Building CXX object x.o", line, "ninja: build stopped"]).hint
    assert hint is not None
    assert all(word in hint for word in words)


@pytest.mark.parametrize(
    "line",
    [
        *COMPILE_ERROR,
        "a.cc:9:3: warning: unused variable 'x' // std::bad_alloc, out of memory",
        '   12 |   LOG(FATAL) << "No space left on device";',
        '      |   "Network is unreachable"',
        "b.cc:3:1: note: declared here: cannot allocate memory",
        "-- Performing Test COMPILER_SUPPORTS_PATCH - Failed",
        "g++: error: unrecognized command-line option '-Wfoo'",
        "Could not resolve dependency of target x",
        "[1/2] Building CXX object illegal_instruction.cc.o",
    ],
)
def test_no_cause_is_made_up(line: str) -> None:
    assert known_cause([line]) is None


def test_exit_code_tells_the_cause_when_the_output_does_not() -> None:
    assert "--jobs" in (known_cause(["Killed?"], returncode=137) or "")
    assert "portable" in (known_cause([], returncode=132) or "")
    assert known_cause([], returncode=1) is None


def test_a_full_disk_explains_what_follows_from_it() -> None:
    lines = ["a.s: Fatal error: can't write: No space left on device", "virtual memory exhausted"]
    assert "docker system df" in (known_cause(lines) or "")


def test_tail_is_one_screen_and_its_lines_are_not_endless() -> None:
    lines = [f"line {n}" for n in range(100)] + ["c++ " + "-Ix " * 5000]
    summary = failure_summary(lines)
    assert len(summary.tail) == 25
    assert summary.tail[0] == "line 76"
    assert all(len(line) <= 400 for line in summary.tail)


def test_every_cause_has_its_own_name_and_a_command_or_setting() -> None:
    causes = (*CAUSES, *OF_SERVING)
    assert len({cause.name for cause in causes}) == len(causes)
    for cause in causes:
        assert "'--" in cause.hint or "'invoke " in cause.hint or "set SSL_CERT_FILE" in cause.hint, (
            cause.name
        )


@given(st.lists(st.text()))
def test_takes_any_output(lines: list[str]) -> None:
    summary = failure_summary(lines)
    assert len(summary.tail) <= 25


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (33, "--jobs"),
        (34, "remote.executor"),
        (36, "bazel-java"),
        (37, "bazel-java"),
        (39, "remote.cache"),
        (137, "--jobs"),
    ],
)
def test_exit_codes_of_bazel_have_a_hint(code: int, word: str) -> None:
    """https://bazel.build/run/scripts#exit-codes; compile.sh adds the line to the log."""
    hint = failure_summary([f"tfbuild: Bazel ended with exit code {code}"], own=OF_SERVING).hint
    assert hint is not None
    assert word in hint


@pytest.mark.parametrize(
    "lines",
    [
        ("java.lang.OutOfMemoryError: Java heap space", "tfbuild: Bazel ended with exit code 33"),
        (
            "Server terminated abruptly (error code: 14, error message: 'Socket closed', log file: 'x')",
            "tfbuild: Bazel ended with exit code 37",
        ),
        ("[12 / 38] Compiling a.cc; 3s local", "tfbuild: Bazel ended with exit code 137"),
    ],
)
def test_a_bazel_without_memory_is_told_apart_from_a_compiler_without(lines: tuple[str, ...]) -> None:
    hint = known_cause(lines) or ""
    assert hint.startswith("Bazel itself ran out of memory")
    assert "--jobs" in hint


def test_a_compiler_without_memory_is_no_matter_of_bazels() -> None:
    lines = (
        "ERROR: /tree/source/BUILD:4:11: Compiling a.cc failed: (Exit 1): gcc failed",
        "gcc: fatal error: Killed signal terminated program cc1plus",
        "tfbuild: Bazel ended with exit code 1",
    )
    assert (known_cause(lines) or "").startswith("the compiler ran out of memory")


def test_a_cache_that_lost_something_is_no_missing_network() -> None:
    lines = (
        "Failed to fetch blobs because they do not exist remotely: Missing digest: b5bb9d",
        "tfbuild: Bazel ended with exit code 39",
    )
    assert "remote.cache=null" in (known_cause(lines, own=OF_SERVING) or "")


def test_an_expired_certificate_of_a_cluster_is_no_proxy() -> None:
    """As casupload 1.4.30 says it."""
    line = (
        "Failed to connect to CAS server: 14: failed to connect to all addresses; last error: UNKNOWN: "
        "ipv4:172.17.0.1:42645: Ssl handshake failed: SSL_ERROR_SSL: error:0A000086:SSL routines::"
        "certificate verify failed"
    )
    assert "remote.ca" in (known_cause([line]) or "")
    assert "remote.ca" not in (known_cause(["SSL routines::certificate verify failed"]) or "")


def test_a_cluster_that_this_bazel_does_not_know_is_not_called_out_of_reach() -> None:
    """As Bazel 7.7.1 answered to buildbox-casd 1.4.30."""
    lines = (
        "ERROR: Failed to query remote execution capabilities: The client supported API versions, 2.0 to "
        "2.0, is not supported by the server, 2.1 to 2.12. Please switch to a different server.",
        "tfbuild: Bazel ended with exit code 34",
    )
    assert "no version of the Remote Execution API in common" in (known_cause(lines, own=OF_SERVING) or "")


def test_a_bazel_that_has_no_tls_is_no_cluster_out_of_reach() -> None:
    """As Debian's Bazel 7.7.1 said it of a door with TLS."""
    lines = (
        "ERROR: BUILD:8:8: Executing genrule @@org_tensorflow//:protos_gen failed: (Exit 34): Failed to init "
        "TLS infrastructure: JDK provider does not support ALPN protocol",
        "tfbuild: Bazel ended with exit code 34",
    )
    assert "no TLS for gRPC" in (known_cause(lines, own=OF_SERVING) or "")


def test_bazels_downloads_without_a_network() -> None:
    line = "java.io.IOException: Error downloading [https://a.example/x.zip] to /x: Unknown host: a.example"
    assert "TFBUILD_MIRRORS" in (known_cause([line]) or "")


def test_a_failed_compile_is_no_fault_of_bazel() -> None:
    assert failure_summary(["tfbuild: Bazel ended with exit code 1"]).hint is None
