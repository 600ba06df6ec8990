"""``invoke sign`` and what ``verify`` and builds do with keys, by their exit codes and sentences."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

# urllib3 opens a socket when it is imported, which no test may do: before the tests.
import tfbuild.cli.wiring  # noqa: F401
from tests.support.builds import Build
from tests.support.plans import PROJECT, make_plan
from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ExitCode, TfBuildError
from tfbuild.cli.inspect import verify
from tfbuild.cli.line.signing import sign, signer_of
from tfbuild.cli.run import BuildOptions, run_command
from tfbuild.machine import runner
from tfbuild.machine.programs import Captured
from tfbuild.plan.signing import Signing

PEM = serialization.Encoding.PEM


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    build = Build(tmp_path / "built")
    build.run()
    folder: Path = shutil.copytree(build.output, tmp_path / "amd64")
    return folder


def make_key(folder: Path, name: str) -> tuple[str, str]:
    """A private and a public key file."""
    private = ed25519.Ed25519PrivateKey.generate()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    files = folder / f"{name}.pem", folder / f"{name}.pub"
    files[0].write_bytes(
        private.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    files[1].write_bytes(private.public_key().public_bytes(PEM, form))
    return str(files[0]), str(files[1])


ASKED = "signature,sbom,provenance"


def test_what_is_signed_verifies_and_what_is_changed_does_not(
    dist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    private, public = make_key(tmp_path, "release")
    _, other = make_key(tmp_path, "other")
    assert run_command(lambda: sign(str(dist), private, "", as_json=True)) == ExitCode.OK
    written = json.loads(capsys.readouterr().out)
    jsonschema.validate(written, json.loads((PROJECT / "schemas" / "sign.schema.json").read_text()))
    assert str(dist / "SHA256SUMS.sig") in written["written"]
    verify(str(dist), "default", key=public, require=ASKED, as_json=False)
    assert "Signed by the key" in capsys.readouterr().out
    assert run_command(lambda: verify(str(dist), "", key=other, as_json=False)) == 7
    assert "signed by another key" in capsys.readouterr().out
    with (dist / "sbom.cdx.json").open("a") as file:
        file.write("\n")
    assert run_command(lambda: verify(str(dist), "", key=public, require=ASKED, as_json=False)) == 7
    assert "sbom.cdx.dsse.json signs another text than sbom.cdx.json" in capsys.readouterr().out


def test_a_changed_folder_is_not_signed(
    dist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    private, _ = make_key(tmp_path, "release")
    (dist / "manifest.json").write_text("{}")
    assert run_command(lambda: sign(str(dist), private, "")) == 7
    assert "is not signed" in capsys.readouterr().err
    assert not (dist / "SHA256SUMS.sig").exists()


@pytest.mark.parametrize(
    ("key", "require", "said"),
    [
        ("", "signature", "by which key?"),
        ("", "signatur", "there is no such requirement"),
        ("missing.pub", "", "there is no such file"),
    ],
)
def test_a_demand_that_cannot_be_met_is_a_wrong_command(
    key: str, require: str, said: str, dist: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(lambda: verify(str(dist), "", key=key, require=require, as_json=False)) == 2
    assert said in capsys.readouterr().err


def test_who_gives_no_key_is_asked_for_one(dist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda: sign(str(dist), "", "")) == 2
    assert "which key signs?" in capsys.readouterr().err
    assert run_command(lambda: sign("", "", "")) == 2


def test_a_key_is_named_from_the_current_folder(
    dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_key(tmp_path, "release")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert run_command(lambda: sign(str(dist), "../release.pem", "")) == ExitCode.OK
    asked = {"key": "../release.pub", "require": "signature"}
    assert run_command(lambda: verify(str(dist), "", as_json=False, **asked)) == ExitCode.OK


def test_a_result_does_not_tell_where_the_key_lies(tmp_path: Path) -> None:
    build = Build(tmp_path / "built")
    sets = ("signing.key=/secret/place/release.pem", "signing.builder_id=https://ci.example/release")
    build.plan = make_plan("2.14.1-debian", "opt", Arch.AMD64, "policy=default", *sets)
    assert build.plan.signing.key == "/secret/place/release.pem"
    build.run()
    texts = [path.read_text() for path in build.output.glob("*.json")]
    assert any("https://ci.example/release" in text for text in texts)
    assert not any("/secret/place" in text for text in texts)


def test_a_build_takes_the_key_over_that_of_its_configuration() -> None:
    words = BuildOptions(sign="/keys/release.pem", set=("a.b=c",)).words()
    assert words.sets == ("a.b=c", "signing.key=/keys/release.pem", "signing.command=[]")
    assert BuildOptions().words().sets == ()


def test_a_command_needs_its_public_key() -> None:
    with pytest.raises(TfBuildError, match=r"needs signing\.public_key"):
        signer_of(Signing(command=("hsm",)), {})


@pytest.mark.real_processes
def test_a_program_signs_in_the_place_of_a_file(tmp_path: Path) -> None:
    private, public = make_key(tmp_path, "release")
    program = tmp_path / "hsm.py"
    program.write_text(
        "import base64, sys\n"
        "from cryptography.hazmat.primitives.serialization import load_pem_private_key\n"
        f"key = load_pem_private_key(open({private!r}, 'rb').read(), None)\n"
        "print(base64.b64encode(key.sign(sys.stdin.buffer.read())).decode())\n"
    )
    signer = signer_of(Signing(command=(sys.executable, str(program)), public_key=public), {})
    assert signer is not None
    assert signer.key.verifies(signer.sign(b"\0\xfftext"), b"\0\xfftext")


def test_a_configuration_may_lie_in_the_home_folder(
    dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, _ = make_key(tmp_path, "release")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own.yaml").write_text(f"description: m\nextends: opt\nsigning: {{key: {private}}}\n")
    assert run_command(lambda: sign(str(dist), "", "~/own.yaml")) == 0
    assert (dist / "SHA256SUMS.sig").exists()


# -- Sigstore: cosign, and an identity in the place of a key -------------------------------------------------


class Cosign(RecordingRunner):
    """Writes the bundle where it is asked for one."""

    def capture(self, argv: Sequence[str], **options: Any) -> Captured:
        done = super().capture(argv, **options)
        if done.ok:
            (options["cwd"] / argv[argv.index("--bundle") + 1]).write_text("{}")
        return done


@pytest.fixture
def cosign(monkeypatch: pytest.MonkeyPatch) -> Cosign:
    """And no identity in the environment."""
    program = Cosign([Reply(("cosign",))])
    monkeypatch.setattr(runner, "SubprocessRunner", lambda: program)
    for name in ("SIGSTORE_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return program


def test_without_an_identity_nothing_is_asked_and_both_ways_to_one_are_told(
    dist: Path, cosign: Cosign, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(lambda: sign(str(dist), "", "", keyless=True)) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "nobody says who signs" in told
    assert "id-token: write" in told
    assert "id_tokens" in told
    assert cosign.commands == []


@pytest.mark.parametrize("variable", ["SIGSTORE_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"])
def test_with_an_identity_cosign_signs_the_checksums_as_it_documents(
    variable: str, dist: Path, cosign: Cosign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "marked-token")
    assert run_command(lambda: sign(str(dist), "", "", keyless=True)) == ExitCode.OK
    (asked,) = cosign.commands
    assert " ".join(asked) == "cosign sign-blob --yes --bundle SHA256SUMS.sigstore.json SHA256SUMS"
    assert (
        run_command(lambda: verify(str(dist), "", as_json=False)) == ExitCode.OK
    )  # the bundle belongs to it
    (dist / "manifest.json").write_text("{}")
    assert run_command(lambda: sign(str(dist), "", "", keyless=True)) == ExitCode.VERIFICATION_FAILED


def test_what_cosign_does_not_sign_is_told_with_its_words(
    dist: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = Cosign([Reply(("cosign",), returncode=1, stderr="getting signer: no route to fulcio")])
    monkeypatch.setattr(runner, "SubprocessRunner", lambda: refused)
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", "marked-token")
    assert run_command(lambda: sign(str(dist), "", "", keyless=True)) == ExitCode.PACKAGING_FAILED
    assert "no route to fulcio" in capsys.readouterr().err
    assert run_command(lambda: sign(str(dist), "k.pem", "", keyless=True)) == ExitCode.USAGE
