"""A wheel of the project, installed where no checkout is: the program ``tfbuild``, and tasks.py of users."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.plans import PROJECT
from tfbuild.base.program_name import as_called

pytestmark = [pytest.mark.real_processes, pytest.mark.timeout(300)]

TASKS = '''
from invoke.tasks import task
from tfbuild.tasks import *

@task
def deploy(context, to=""):
    """Ship it."""
    print(f"deployed to '{to}'")
'''


@dataclass(frozen=True)
class Installed:
    """A venv with the wheel in it; ``packages`` of the venv that runs the tests stand in for a download."""

    venv: Path

    def run(self, folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """``tfbuild WORDS``, or ``python -m invoke WORDS`` where the first word is ``invoke``."""
        python = ("python", "-m", "invoke", *words[1:]) if words[0] == "invoke" else ("tfbuild", *words)
        argv = (str(self.venv / "bin" / python[0]), *python[1:])
        clean = {
            name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "TFBUILD_"))
        }
        home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / ".config"), "NO_COLOR": "1"}
        return subprocess.run(
            argv, cwd=folder, env={**clean, **home, **env}, capture_output=True, text=True, check=False
        )

    def document(self, folder: Path, *words: str) -> Any:
        done = self.run(folder, *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    offline = ("--quiet", "--no-deps", "--no-index")
    # From another folder: pip must not find the checkout by chance.
    wheel = ("wheel", *offline, "--no-build-isolation", "--wheel-dir", str(folder), str(PROJECT))
    subprocess.run((*pip, *wheel), cwd=folder, check=True)
    venv = folder / "venv"
    subprocess.run((sys.executable, "-m", "venv", "--without-pip", str(venv)), check=True)
    python = str(venv / "bin" / "python")
    (made,) = folder.glob("tfbuild-*.whl")
    subprocess.run((*pip, "--python", python, "install", *offline, str(made)), check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(venv), "platbase": str(venv)}))
    # Behind the venv's own packages, and without the .pth file that makes an editable install.
    (site / "packages.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return Installed(venv)


def test_the_program_runs_from_the_wheel(installed: Installed, tmp_path: Path) -> None:
    found = installed.document(tmp_path, "version", "--json")
    assert Path(found["folder"]).is_relative_to(installed.venv)
    assert found["revision"] is None


def test_it_knows_what_the_checkout_knows(installed: Installed, tmp_path: Path) -> None:
    configs = installed.document(tmp_path, "list-configs", "--json")["configs"]
    assert {each["name"] for each in configs} >= {"opt", "size", "portable"}
    assert installed.document(tmp_path, "list-releases", "--json")["releases"]
    verified = installed.run(tmp_path, "verify", str(Path(sys.executable).resolve()), "--json")
    assert json.loads(verified.stdout)["facts"]["elf"], verified.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("build-tflite",),
        ("build-tflite", "--from", "wheel"),
        ("build-serving", "--config", "size"),
        ("build-serving", "--from", "wheel"),
        ("build-keras",),
    ],
    ids=" ".join,
)
def test_a_build_has_the_same_keys_as_in_the_checkout(
    words: tuple[str, ...], installed: Installed, tmp_path: Path
) -> None:
    ours = installed.document(tmp_path, *words, "--dry-run", "--json")
    argv = (sys.executable, "-m", "invoke", "--search-root", str(PROJECT), *words, "--dry-run", "--json")
    env = {**os.environ, "PYTHONPATH": str(PROJECT), "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout)
    assert [each["key"] for each in ours["steps"]] == [each["key"] for each in theirs["steps"]]
    for document in (ours, theirs):
        del document["revision"], document["bake"]  # only a clone has one; the paths of the two
    assert ours == theirs


def test_messages_name_the_program_that_is_running(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(tmp_path, "build-tflite", "--config", "optt")
    assert done.returncode == 3
    assert "hint: tfbuild list-configs" in done.stderr
    for words in (("--list",), ("--help", "build-tflite"), ("build-tflite", "--config", "optt")):
        text = "".join(installed.run(tmp_path, *words).__dict__[name] for name in ("stdout", "stderr"))
        assert "tfbuild " in text
        assert "invoke " not in text


def test_without_another_name_the_program_is_invoke() -> None:
    assert as_called("invoke doctor; invoke cannot read it") == "invoke doctor; invoke cannot read it"


def test_a_tasks_file_of_a_user_has_our_commands_and_its_own(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    listed = installed.run(tmp_path, "invoke", "--list").stdout
    assert "build-serving" in listed
    assert "Of this folder:\n  deploy" in listed
    planned = installed.run(tmp_path, "invoke", "build-serving", "--config", "opt", "--dry-run")
    assert (planned.returncode, planned.stdout.split()[0]) == (0, "serving-2.20.0-opt-amd64")
    # What invoke takes from a user's own task is not ours to refuse.
    assert installed.run(tmp_path, "invoke", "-e", "deploy", "--to", "").stdout == "deployed to ''\n"
    assert installed.run(tmp_path, "invoke", "-e", "build-serving").returncode == 2


def test_each_shell_gets_a_script_that_completes(installed: Installed, tmp_path: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = installed.run(tmp_path, "--print-completion-script", shell)
        assert (script.returncode, script.stderr) == (0, "")
        assert "_complete_tfbuild" in script.stdout
    typed = "COMP_WORDS=(tfbuild build-tflite --config s); _complete_tfbuild tfbuild s --config"
    words = f"PATH={installed.venv}/bin:$PATH; source <(tfbuild --print-completion-script=bash); {typed}"
    done = subprocess.run(
        ("bash", "-c", f'{words}; echo "${{COMPREPLY[@]}}"'), cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("size skylake-avx512\n", "")
    unknown = installed.run(tmp_path, "--print-completion-script", "tcsh")
    assert (unknown.returncode, unknown.stderr.splitlines()[0]) == (
        2,
        "error: --print-completion-script takes 'bash', 'zsh' or 'fish', not 'tcsh'",
    )


@pytest.mark.parametrize("folder", [False, True])
def test_files_and_variables_of_invoke_are_not_read(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, folder: bool
) -> None:
    """They could only stop it: sudo -u keeps a HOME that may not be entered."""
    for each in (tmp_path / ".invoke.yaml", tmp_path / "invoke.yaml"):
        each.mkdir() if folder else each.write_text("a: [")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("INVOKE_RUN_ECHO", "what")
    monkeypatch.setenv("INVOKE_RUNTIME_CONFIG", str(tmp_path / "nowhere.yaml"))
    done = installed.run(tmp_path, "version")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_only_a_checkout_can_do_says_so(installed: Installed, tmp_path: Path) -> None:
    for words in (("test", "--fast"), ("lock", "--product", "tflite", "--release", "2.20.0")):
        done = installed.run(tmp_path, *words)
        assert (done.returncode, "checkout" in done.stderr) == (2, True), done.stderr


def test_a_repository_of_a_user_builds_its_own_configuration(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    (tmp_path / "boards").mkdir()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "strict.yaml").write_text("description: ours\nextends: tflite-scratch\n")
    (tmp_path / "boards" / "gate.yaml").write_text(
        "description: The gate\nextends: opt\npolicy: ../policies/strict.yaml\ncompile:\n  lto: true\n"
    )
    made = installed.run(tmp_path, "new-config", "door", "--extends", "boards/gate.yaml")
    assert made.stdout.splitlines() == [
        "wrote ./build_configs/door.yaml",
        "next: edit it, then tfbuild show-config door",
    ]
    for words in (("--config", "boards/gate.yaml"), ("--config", "door")):
        for program in ((), ("invoke",)):
            done = installed.run(tmp_path, *program, "build-tflite", *words, "--dry-run", "--json")
            plan = json.loads(done.stdout)
            assert plan["config"] == Path(words[1]).stem
            assert plan["policy"] == f"{tmp_path}/policies/strict.yaml"
            assert plan["output"].startswith(f"dist/tflite/2.14.1-debian/{plan['config']}/")
    listed = installed.run(tmp_path, "list-configs").stdout
    assert "(./build_configs/door.yaml)" in listed
    cleaned = installed.run(tmp_path, "clean", "--list")
    assert (cleaned.returncode, cleaned.stdout) == (0, "no dist/ to remove\n")


def test_what_is_not_found_is_told_with_the_folders(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(tmp_path, "build-tflite", "--config", "gat")
    assert f"looked in: ./build_configs, {tmp_path}/.config/tfbuild, tfbuild's own" in done.stderr


def test_a_folder_that_is_gone_is_told(installed: Installed, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = str(installed.venv / "bin" / "tfbuild")
    argv = ("sh", "-c", f"rmdir '{gone}' && exec '{program}' list-configs")
    done = subprocess.run(argv, cwd=gone, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "error: the current folder is not there any more\nhint: cd to another one\n",
    )
