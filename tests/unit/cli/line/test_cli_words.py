"""Words that would be swallowed, and paths that cannot be used: exit code 2 before anything starts."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.commands import Acts, run_invoke
from tests.support.plans import PROJECT
from tfbuild.base.errors import ConfigError, ConfigProblem, ExitCode, UsageError
from tfbuild.base.image_names import require_image_reference
from tfbuild.base.text import github_annotations
from tfbuild.cli import wiring
from tfbuild.cli.line import environment
from tfbuild.cli.line.command_words import TAKE_REST, Command, Flag, judge
from tfbuild.cli.line.environment import PREFIX, TEST_PREFIX, VARIABLES, check_environment
from tfbuild.cli.run import run_command
from tfbuild.downloads.attempts import is_unknown_host
from tfbuild.machine.path_words import expanded, input_folder, input_path, output_file, output_folder
from tfbuild.products.tflite.cmake import entries as cmake_entries

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Acts:
    """In the project's folder, with an own cache; nothing that acts gets to act."""
    found = Acts()
    found.refuse(monkeypatch)
    monkeypatch.chdir(PROJECT)
    monkeypatch.setenv("TFBUILD_CACHE_DIR", str(tmp_path / "cache"))
    return found


def refused(argv: list[str], acts: Acts, capsys: Captured) -> str:
    """What is told where ``argv`` is wrong."""
    code = run_invoke(*argv)
    out, err = capsys.readouterr()
    assert (code, acts.begun) == (ExitCode.USAGE, []), err
    if "--json" in argv:
        assert json.loads(out)["error"]["exit_code"] == code
    else:
        assert out == ""
    assert "Traceback" not in err
    return err


# -- invoke's own options -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--dry-run build-tflite", "'--dry-run' belongs after the command: invoke build-tflite --dry-run"),
        (
            "--dry build-tflite",
            "'--dry' is an option of invoke itself and changes nothing here; did you mean",
        ),
        ("-R build-tflite", "did you mean: invoke build-tflite --dry-run?"),
        (
            "--config size build-tflite",
            "'--config' belongs after the command: invoke build-tflite --config size",
        ),
        ("--config=size build-tflite", "belongs after the command: invoke build-tflite --config size"),
        ("--config /nope.yaml build-tflite --dry-run", "'--config' belongs after the command"),
        ("-f size build-tflite", "did you mean: invoke build-tflite --config size?"),
        ("--jobs=2 build-keras", "'--jobs' belongs after the command: invoke build-keras --jobs=2"),
        ("-T 1 build-tflite", "'-T' is an option of invoke itself and changes nothing here"),
        ("-we build-tflite", "is an option of invoke itself and changes nothing here"),
        ("--hide both build-tflite", "'--hide' is an option of invoke itself and changes nothing here"),
        (
            "build-tflite -c opt",
            "'-c' is an option of invoke itself, not of build-tflite; did you mean '--config'",
        ),
        ("build-tflite -c size --dry-run", "did you mean '--config'?"),
        ("build-tflite -copt", "did you mean '--config'?"),
        ("build-tflite -f size --dry-run", "did you mean '--config'?"),
        (
            "build-tflite --dry",
            "is an option of invoke itself, not of build-tflite; did you mean '--dry-run'?",
        ),
        ("build-tflite --verbose", "--verbose shows more of a plan"),
        ("build-tflite -R", "did you mean '--dry-run'?"),
        ("build-tflite --version", "'--version' belongs before a command: invoke --version"),
        ("build-tflite -V --dry-run", "'-V' belongs before a command: invoke --version"),
        ("build-tflite -r /nope", "did you mean '--release'?"),
        ("build-tflite -T 1", "'-T' is an option of invoke itself, not of build-tflite"),
        ("build-tflite --list", "'--list' belongs before a command: invoke --list"),
        ("build-tflite --echo", "'--echo' is an option of invoke itself, not of build-tflite"),
        ("build-tflite --hide both", "'--hide' is an option of invoke itself, not of build-tflite"),
        ("build-tflite -w", "'-w' is an option of invoke itself, not of build-tflite"),
        ("build-tflite -p", "'-p' is an option of invoke itself, not of build-tflite"),
        ("build-tflite -d", "'-d' is an option of invoke itself, not of build-tflite"),
        ("verify --bogus", "unknown option '--bogus' of invoke verify"),
        (
            "build-tflite --platform arm64",
            "'--platform' of invoke build-tflite; did you mean '--arch'?",
        ),
        ("build-tflite --target aarch64", "'--target' of invoke build-tflite; did you mean '--arch'?"),
        ("build-tflite --dist /tmp/x", "'--dist' of invoke build-tflite; did you mean '--output'?"),
        ("build-tflite -o /tmp/x", "'-o' of invoke build-tflite; did you mean '--output'?"),
        (
            "build-tflite -j 4",
            "unknown option '-j' of invoke build-tflite; did you mean '--jobs' or '--json'?",
        ),
    ],
)
def test_options_of_invoke_itself_are_never_swallowed(
    line: str, message: str, acts: Acts, capsys: Captured
) -> None:
    assert message in refused(line.split(), acts, capsys)


@pytest.mark.parametrize(
    ("line", "shows"),
    [
        ("--list", "build-tflite"),
        ("-l", "build-tflite"),
        ("--list --list-format nested", "build-tflite"),
        ("--help build-tflite", "--dry-run"),
        ("-h build-tflite", "--dry-run"),
        ("--help build-tflite", "folder for the results [dist]"),
        ("build-tflite --help", "--dry-run"),
        ("build-tflite --config opt -h", "--dry-run"),
        ("verify --help", "--policy"),
        ("fetch -h", "--offline"),
        ("--help", "Core options"),
        ("--version", "Invoke"),
        (f"-r {PROJECT} build-tflite --dry-run", "tflite-2.14.1-debian-opt"),
        (f"--search-root={PROJECT} list-configs", "opt"),
        ("--complete -- invoke build-tflite --", "--offline"),
        ("--print-completion-script bash", "complete"),
    ],
)
def test_options_of_invoke_that_help_still_do(line: str, shows: str, acts: Acts, capsys: Captured) -> None:
    assert run_invoke(*line.split()) == 0
    assert shows in capsys.readouterr().out
    assert acts.begun == []


def test_help_says_what_each_option_is_for(acts: Acts, capsys: Captured) -> None:
    assert run_invoke("--help", "verify") == 0
    assert "a policy in build_configs/policies/" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--help build-tfite", "unknown command 'build-tfite'; did you mean 'build-tflite'?"),
        ("--help nope", "unknown command 'nope'"),
        ("--list nope", "--list takes no name"),
        ("-D 2 build-tflite --dry-run", "'--list-depth' changes nothing without --list"),
        ("--list-format json list-configs", "'--list-format' changes nothing without --list"),
        ("build-tflite --dry-run --dry-run", "--dry-run is given twice"),
        ("clean --dry-run", "unknown option '--dry-run' of invoke clean; did you mean '--list'?"),
        ("clean -n", "did you mean '--list'?"),
        (
            "build-tflite build-keras --dry-run",
            "--dry-run is given to build-keras only, and build-tflite would not stop at its plan",
        ),
        ("build-tflite --dry-run build-keras", "build-keras would not stop at its plan"),
        ("--list --list-format xml", "--list-format takes 'flat', 'nested' or 'json', not 'xml'"),
        (
            "build",
            "did you mean 'build-all', 'build-keras', 'build-serving' or 'build-tflite'?",
        ),
        ("list", "did you mean 'list-configs', 'list-keys' or 'list-releases'?"),
        ("verify A B", "invoke verify takes one target; 'B' is one too many"),
        ("build-tflite --dry-run true", "'--dry-run' takes no value, and 'true' is no command"),
        ("build-tflite --dry-run=true", "'--dry-run' takes no value, not even 'true'"),
        ("build-tflite --release A --release B", "--release is given twice"),
        (
            "build-tflite --arch amd64 --arch arm64",
            "--arch is given twice\nhint: several architectures in one",
        ),
        ("verify --target A B", "unknown command 'B'"),
        ("verify A --target B", "--target is given twice"),
        ("build-tflite --set", "--set needs a value"),
        ("build-tflite --set --dry-run", "--set needs a value"),
        ("build-tflite --config --dry-run", "--config needs a value"),
        ("lock --check", "invoke lock needs 'product'"),
        ("build-tflite -- foo", "invoke build-tflite takes nothing after --, but got: foo"),
        ("build-tflite --dry-run -- --copt=x", "takes nothing after --"),
        ("build-keras --dry-run -- x", "invoke build-keras takes nothing after --"),
        ("verify tasks.py -- x", "invoke verify takes nothing after --"),
        ("list-configs -- x", "invoke list-configs takes nothing after --"),
        ("-- build-tflite", "a command comes before --"),
        ("bundle --product tflite --file x.bundle -- --copt=x", "a bundle of tflite takes nothing after --"),
        ("diagnose nope:1 --host-facts", "--host-facts describes this machine only"),
        ("diagnose --html x.html --host-facts", "--host-facts describes this machine only"),
        ("list-configs diagnose --json", "invoke diagnose needs 'image'"),
    ],
)
def test_a_word_that_belongs_to_nothing_is_told(
    line: str, message: str, acts: Acts, capsys: Captured
) -> None:
    assert message in refused(line.split(), acts, capsys)


@pytest.mark.parametrize(
    "option", ["--config", "--release", "--arch", "--tag", "--output", "--jobs", "--set"]
)
@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_value_is_no_default(option: str, value: str, acts: Acts, capsys: Captured) -> None:
    """An unset variable of a CI would build something else, and be green."""
    assert f"{option} is empty" in refused(["build-tflite", option, value], acts, capsys)
    assert f"{option} is empty" in refused(["build-tflite", f"{option}={value}"], acts, capsys)


def test_an_empty_model_or_target_is_none(acts: Acts, capsys: Captured) -> None:
    assert "--model is empty" in refused(["build-serving", "--model", ""], acts, capsys)
    assert "--target is empty" in refused(["verify", ""], acts, capsys)


def test_a_nul_byte_is_told(acts: Acts, capsys: Captured) -> None:
    assert "NUL byte" in refused(["build-tflite", "--output", "a\0b"], acts, capsys)


def test_two_commands_in_one_line_are_both_looked_at_first(acts: Acts, capsys: Captured) -> None:
    assert run_invoke("list-configs", "list-releases") == 0
    assert "haswell" in (shown := capsys.readouterr().out)
    assert "2.14.1-debian" in shown
    assert "unknown option '--nope'" in refused(["build-tflite", "verify", "x", "--nope"], acts, capsys)


@pytest.mark.real_processes
def test_the_real_program_refuses_it_too() -> None:
    """In a process of its own invoke has read its options before it reads tasks.py."""
    invoke = (sys.executable, "-m", "invoke")
    for words in (
        ("--config", "size", "build-tflite", "--dry-run"),
        ("--help", "nope"),
        ("verify", "a", "b"),
    ):
        ended = subprocess.run((*invoke, *words), cwd=PROJECT, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout) == (ExitCode.USAGE, ""), ended.stderr
        assert ended.stderr.startswith("error: ")


# -- what judge() accepts ---------------------------------------------------------------------------------

COMMANDS = {
    "build": Command(
        "build",
        (
            Flag(("--name",), takes_value=True),
            Flag(("--set",), True, repeatable=True),
            Flag(("--fast",), False),
        ),
    ),
    "look": Command("look", (Flag(("--at",), takes_value=True),), positional=("at",)),
}
CORE = (Flag(("--list", "-l"), True, optional=True), Flag(("--echo", "-e"), False))


@given(st.lists(st.text(max_size=6), max_size=6))
def test_any_words_are_judged_or_told(words: list[str]) -> None:
    try:
        judged = judge(words, COMMANDS, CORE)
    except UsageError:
        return
    assert judged.help_for in {None, *COMMANDS}


@given(
    st.text("abc=- ", min_size=1).filter(lambda text: text.strip() and text not in {"--", "--set", "--fast"})
)
def test_every_value_is_taken_however_it_is_joined(value: str) -> None:
    if value != "--name":
        judge(["build", "--name", value], COMMANDS, CORE)
        judge(["build", f"--name={value}", "--set", value, f"--set={value}", "--fast"], COMMANDS, CORE)


def test_only_commands_that_exist_take_words_after_the_dashes(capsys: Captured) -> None:
    assert run_invoke("--list", "--list-format", "flat") == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert listed >= TAKE_REST


# -- variables ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TFBUILD_MIRROR", "TFBUILD_MIRRORS"),
        ("TFBUILD_CACHEDIR", "TFBUILD_CACHE_DIR"),
        ("TFBUILD_LOCKWAIT", "TFBUILD_LOCK_WAIT"),
        ("TFBUILD_JOBS", ""),
    ],
)
def test_a_variable_that_nobody_reads_is_told(
    name: str, meant: str, acts: Acts, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "3")
    err = refused(["build-tflite"], acts, capsys)
    assert f"{name} is not a variable of tfbuild" in err
    assert (f"did you mean '{meant}'?" in err) == bool(meant)


def test_variables_of_tests_and_of_others_are_let_be() -> None:
    check_environment({f"{TEST_PREFIX}ANY": "1", "TF_BUILD": "1", **{each.name: "" for each in VARIABLES}})


def test_every_variable_that_the_program_reads_is_in_the_table() -> None:
    # Names of entries in CMake's cache, which are no variables of the environment.
    cmake = set(re.findall(rf"{PREFIX}[A-Z_]+", Path(cmake_entries.__file__).read_text(encoding="utf-8")))
    known = {each.name for each in VARIABLES} | cmake
    for path in (PROJECT / "tfbuild").rglob("*.py"):
        read = set(re.findall(rf'"({PREFIX}[A-Z_]+)"', path.read_text(encoding="utf-8")))
        assert {name for name in read if not name.startswith(TEST_PREFIX)} <= known, path


@pytest.mark.parametrize("wait", ["nan", "inf", "soon", "1e999"])
def test_a_time_to_wait_that_is_none_is_told(
    wait: str, monkeypatch: pytest.MonkeyPatch, acts: Acts, capsys: Captured
) -> None:
    with pytest.raises(UsageError, match="TFBUILD_LOCK_WAIT is"):
        environment.lock_wait({"TFBUILD_LOCK_WAIT": wait})
    assert environment.lock_wait({"TFBUILD_LOCK_WAIT": " "}) == 1800


def test_a_configuration_of_invoke_that_cannot_be_read_is_told(
    acts: Acts, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOKE_RUNTIME_CONFIG", "/nope")
    assert "invoke cannot read its own configuration" in refused(["build-tflite"], acts, capsys)


# -- paths -------------------------------------------------------------------------------------------------

LONG = "x" * 300


@pytest.mark.parametrize(
    "line",
    [
        f"build-tflite --release {LONG}.yaml",
        f"build-tflite --output {LONG}",
        f"build-tflite --config {LONG}.yaml",
        f"build-serving --model {LONG}",
        f"build-keras --model {LONG}",
        f"build-keras --app {LONG}",
        f"verify {LONG}",
        f"verify tasks.py --policy {LONG}.yaml",
        f"diagnose {LONG}",
        f"diagnose a:1 --html {LONG}",
        f"diagnose a:1 --facts {LONG}",
        f"bundle --load {LONG}",
        f"bundle --product tflite --file {LONG}",
        f"check-upstream --clone {LONG}",
        f"lock --product tflite --release 2.20.0 --clones {LONG}",
        f"lock --product tflite --release 2.20.0 --mirror {LONG}",
        f"lock --product keras --app {LONG}",
    ],
)
def test_a_name_that_is_too_long_is_told(line: str, acts: Acts, capsys: Captured) -> None:
    err = refused(line.split(), acts, capsys)
    assert "file name too long" in err
    assert LONG not in err


@pytest.mark.parametrize(
    "line",
    [
        "build-serving --model {}",
        "build-keras --model {}",
        "build-keras --app {}",
        "build-tflite --output {}",
        "verify {}",
        "diagnose {}",
        "diagnose a:1 --html {}",
        "diagnose a:1 --facts {}",
        "bundle --load {}",
        "bundle --product tflite --file {}",
        "check-upstream --clone {}",
        "lock --product tflite --release 2.20.0 --clones {}",
        "lock --product tflite --release 2.20.0 --mirror {}",
        "verify tasks.py --policy {}.yaml",
        "build-tflite --release {}.yaml",
    ],
)
@pytest.mark.timeout(60)
def test_pipes_devices_and_loops_are_refused_without_waiting(
    line: str, acts: Acts, capsys: Captured, tmp_path: Path
) -> None:
    for name in ("pipe", "pipe.yaml"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "device.yaml").symlink_to("/dev/zero")
    for name in ("pipe", "device", "loop"):
        refused(line.format(tmp_path / name).split(), acts, capsys)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "bundle --product tflite --file /nope/x.bundle",
            "cannot write /nope/x.bundle: there is no folder /nope",
        ),
        ("bundle --product tflite --file /usr", "cannot write /usr: it is a folder"),
        ("build-tflite --output /etc/passwd", "cannot write /etc/passwd: it is not a folder"),
        (
            "build-tflite --output /etc/passwd/x --dry-run",
            "cannot write /etc/passwd/x: /etc/passwd is not a folder",
        ),
        ("diagnose a:1 --html /nope/x.html", "cannot write /nope/x.html: there is no folder /nope"),
        ("lock --product tflite --mirror /etc/passwd", "cannot write /etc/passwd: it is not a folder"),
        ("lock --product tflite --clones /nope", "--clones takes a folder, and there is none at /nope"),
        ("check-upstream --clone /etc/passwd", "--clone takes a folder, and /etc/passwd is a file"),
        ("build-tflite --output ~nobody-of-this-name/x", "there is no such home folder"),
        ("verify Bad:Image:Name", "is neither a file nor the name of an image"),
        ("diagnose Bad:Image:Name", "is neither a file nor the name of an image"),
        (
            "build-tflite --release build_configs/opt.yaml",
            "opt.yaml:1:1: this is a configuration: --config opt",
        ),
    ],
)
def test_what_cannot_be_read_or_written_is_told_first(
    line: str, message: str, acts: Acts, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "save_image", lambda reference, _: require_image_reference(reference))
    assert message in refused(line.split(), acts, capsys)


def test_a_home_folder_is_meant_the_same_everywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, acts: Acts, capsys: Captured
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/x", "--output") == tmp_path / "x"
    assert run_invoke("build-tflite", "--output", "~/x", "--dry-run") == 0
    assert f"output   {tmp_path}/x/tflite/" in capsys.readouterr().out
    (tmp_path / "own.yaml").write_text("description: o\nextends: opt\n")
    assert run_invoke("build-tflite", "--config", "~/own.yaml", "--dry-run") == 0
    assert "config own, " in capsys.readouterr().out
    assert run_invoke("show-config", "~/own.yaml") == 0
    assert capsys.readouterr().out.startswith("own (")
    monkeypatch.setenv("TFBUILD_CACHE_DIR", "~nobody-of-this-name/c")
    assert "there is no such home folder" in refused(["build-tflite", "--dry-run", "--json"], acts, capsys)


def test_a_file_without_permission_is_no_fault_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "closed.tar"
    file.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(UsageError, match=r"cannot read .*closed.tar: permission denied"):
        input_path(str(file), "TARGET")
    with pytest.raises(UsageError, match=r"cannot read .*: permission denied"):
        input_folder(str(tmp_path), "--app")
    with pytest.raises(UsageError, match="no permission in"):
        output_folder(str(tmp_path / "new" / "dist"), "--output")
    with pytest.raises(UsageError, match="no permission in"):
        output_file(str(tmp_path / "new.html"), "--html")


@pytest.mark.parametrize(
    ("number", "name", "typed", "code"),
    [
        (errno.EACCES, "/closed/x.yaml", ("/closed/x.yaml",), ExitCode.USAGE),
        (errno.EACCES, "/closed/app/below", ("/closed/app",), ExitCode.USAGE),
        (errno.ENOENT, "/gone/x", ("a", "/gone/x"), ExitCode.USAGE),
        (errno.ENOTDIR, "/etc/passwd/x", ("/etc/passwd/x",), ExitCode.USAGE),
        (errno.EISDIR, "/usr", ("/usr",), ExitCode.USAGE),
        (errno.ELOOP, "/loop", ("source.patches=[/loop]",), ExitCode.USAGE),
        (errno.ENAMETOOLONG, LONG, (), ExitCode.USAGE),
        (errno.EACCES, "/var/cache/x", ("/closed/x.yaml",), ExitCode.HOST_NOT_READY),
        (errno.ENOSPC, "/closed/x.yaml", ("/closed/x.yaml",), ExitCode.HOST_NOT_READY),
    ],
)
def test_an_error_of_the_disk_has_the_code_of_whose_fault_it_is(
    number: int, name: str, typed: tuple[str, ...], code: ExitCode, capsys: Captured
) -> None:
    def command() -> int:
        raise OSError(number, os.strerror(number), name)

    assert run_command(command, typed) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_missing_file_that_nobody_named_stays_a_bug() -> None:
    def command() -> int:
        raise FileNotFoundError(errno.ENOENT, "No such file", "/inside/of/the/program")

    with pytest.raises(FileNotFoundError):
        run_command(command, ("opt", "/elsewhere"))


@pytest.mark.parametrize("option", ["--app", "--model"])
@pytest.mark.timeout(60)
def test_a_pipe_in_a_folder_is_a_wrong_argument(
    option: str, acts: Acts, capsys: Captured, tmp_path: Path
) -> None:
    folder = tmp_path / "thing"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"\x12\x00")
    os.mkfifo(folder / "requirements.txt")
    err = refused(["build-keras", option, str(folder), "--dry-run"], acts, capsys)
    assert "neither file, folder nor link" in err


# -- smaller things ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "word", "meant"),
    [
        ("serving", "2.13.0", "2.14.1"),
        ("serving", "2.20.9", "2.20.0"),
        ("serving", "2.25", "2.20.0"),
        ("tflite", "2.14.2", "2.14.1"),
        ("tflite", "2.14.1-debain", "2.14.1-debian"),
    ],
)
def test_the_nearest_release_is_the_nearest_by_number(
    product: str, word: str, meant: str, acts: Acts, capsys: Captured
) -> None:
    assert run_invoke(f"build-{product}", "--release", word, "--dry-run") == ExitCode.NOTHING_MATCHES
    assert f"did you mean '{meant}'?" in capsys.readouterr().err


def test_platforms_are_architectures_too(acts: Acts, capsys: Captured) -> None:
    assert run_invoke("build-tflite", "--arch", "linux/arm64", "--dry-run") == 0
    assert capsys.readouterr().out.startswith("tflite-2.14.1-debian-opt-arm64\n")


@pytest.mark.parametrize(
    "name",
    [
        *("a", "team/a:1", "registry.example:5000/team/a:1.4", "localhost/a", "sha256:0123456789abcdef"),
        *("a@sha256:" + "0" * 64, "a:1@sha256:" + "f" * 64, "0123456789ab"),
    ],
)
def test_names_and_ids_of_images_are_known(name: str) -> None:
    require_image_reference(name)


def test_an_argument_is_no_file_of_the_repository_for_github() -> None:
    problems = (
        ConfigProblem("--set compile.marhc=1", 0, 0, "unknown key"),
        ConfigProblem("build_configs/a.yaml", 3, 5, "unknown key"),
    )
    assert github_annotations(ConfigError(problems)) == [
        "::error::--set compile.marhc=1: unknown key",
        "::error file=build_configs/a.yaml,line=3,col=5::unknown key",
    ]


def test_a_host_that_does_not_exist_is_told_from_a_name_server_that_does_not_answer() -> None:
    class gaierror(OSError):
        pass

    assert is_unknown_host(gaierror(-2, "Name or service not known"))
    assert not is_unknown_host(gaierror(-3, "Temporary failure in name resolution"))
    assert not is_unknown_host(OSError(-2, "something else"))


@pytest.mark.parametrize("place", ["/proc/x", "/proc/self/x/y", "/sys/x"])
@pytest.mark.parametrize("check", [output_folder, output_file])
def test_a_file_system_of_the_kernel_takes_no_results(check: Callable[[str, str], Path], place: str) -> None:
    """Root has every permission there, and no file can be made."""
    with pytest.raises(UsageError, match="cannot write"):
        check(place, "--output")
