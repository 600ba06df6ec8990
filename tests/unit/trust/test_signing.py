"""Signed dist folders: what verifies, by our program and by those of others; attacks that must fail."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builds import Build
from tests.support.plans import PROJECT
from tfbuild.base.errors import ExitCode, UsageError, VerificationError
from tfbuild.build.dist.folder import write_checksums
from tfbuild.build.dist.ownership import content_of
from tfbuild.build.dist.signing import sign_folder
from tfbuild.trust.files import DOCUMENTS, SIGNATURE_FILES
from tfbuild.trust.keys import FileSigner, Signer
from tfbuild.trust.minisign import minisign_signature, minisign_verifies
from tfbuild.trust.sshsig import ssh_verifies
from tfbuild.verify.checks.trust import Demand, check_trust
from tfbuild.verify.policy import Requirement
from tfbuild.verify.report import VerifyReport
from tfbuild.verify.verify import load_policy, verify

ALL = frozenset(Requirement) - {Requirement.REPRODUCIBLE}
SIGNERS = {
    "Ed25519": FileSigner(ed25519.Ed25519PrivateKey.generate(), False),
    "P-256": FileSigner(ec.generate_private_key(ec.SECP256R1()), False),
    "SSH, Ed25519": FileSigner(ed25519.Ed25519PrivateKey.generate(), True),
    "SSH, P-256": FileSigner(ec.generate_private_key(ec.SECP256R1()), True),
    "SSH, P-384": FileSigner(ec.generate_private_key(ec.SECP384R1()), True),
}
OWN = SIGNERS["Ed25519"]
OTHER = FileSigner(ed25519.Ed25519PrivateKey.generate(), False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dist folder as a build leaves it."""
    build = Build(tmp_path_factory.mktemp("built"))
    build.run()
    return build.output


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of another build, with other code."""
    build = Build(tmp_path_factory.mktemp("later"))
    usual = build.compile
    build.compile = lambda library="pie": usual(library)  # type: ignore[method-assign]
    build.run()
    sign_folder(build.output, OWN)
    return build.output


@pytest.fixture
def dist(finished: Path, tmp_path: Path) -> Path:
    copied: Path = shutil.copytree(finished, tmp_path / "amd64")
    sign_folder(copied, OWN)
    return copied


def name_of(signer: Signer) -> str:
    return next(name for name, each in SIGNERS.items() if each is signer)


def judged(dist: Path, demand: Demand = Demand(OWN.key, ALL)) -> VerifyReport:  # noqa: B008
    def save(_name: str, _path: Path) -> None:
        raise AssertionError("a dist folder needs no engine")

    return verify(str(dist), load_policy(PROJECT), save, demand=demand)


def ids(report: VerifyReport) -> set[str]:
    return {each.id for each in report.errors if not each.id.startswith("elf-")}


# -- what is right -------------------------------------------------------------------------------------


@pytest.mark.parametrize("signer", SIGNERS.values(), ids=SIGNERS)
def test_a_signed_folder_is_right_for_its_key(signer: Signer, finished: Path, tmp_path: Path) -> None:
    dist = shutil.copytree(finished, tmp_path / "amd64")
    names = sign_folder(dist, signer)
    lacking = {"SHA256SUMS.sshsig": not signer.is_ssh, "SHA256SUMS.minisig": "P-" in name_of(signer)}
    assert set(names) == SIGNATURE_FILES - {name for name, lacks in lacking.items() if lacks}
    report = judged(dist, Demand(signer.key, ALL))
    assert ids(report) == set()
    assert report.facts.trust is not None
    assert report.facts.trust.signed == ("SHA256SUMS", "provenance.json", "sbom.spdx.json", "sbom.cdx.json")
    assert report.facts.trust.documents == ("provenance.json", "sbom.spdx.json", "sbom.cdx.json")


def test_signing_again_changes_nothing_and_another_key_takes_its_place(dist: Path) -> None:
    before = {path.name: path.read_bytes() for path in dist.iterdir() if path.is_file()}
    assert sign_folder(dist, OWN) == ()
    assert {path.name: path.read_bytes() for path in dist.iterdir() if path.is_file()} == before
    assert sign_folder(dist, SIGNERS["SSH, P-256"])
    assert ids(judged(dist, Demand(SIGNERS["SSH, P-256"].key))) == set()
    sign_folder(dist, OWN)
    assert not (dist / "SHA256SUMS.sshsig").exists()  # it would be of a key that nobody gave


def test_a_signed_folder_is_ours_to_replace(dist: Path) -> None:
    content = content_of(dist)
    assert content.foreign == ()
    assert set(SIGNATURE_FILES) & set(content.ours)


def test_an_unsigned_folder_lacks_what_is_asked_for_and_is_right_without(finished: Path) -> None:
    assert ids(judged(finished, Demand())) == set()
    assert ids(judged(finished, Demand(require=ALL - {Requirement.SIGNATURE}))) == set()
    assert ids(judged(finished)) == {"signature-missing"}


def test_a_folder_without_documents_has_its_checksums_signed(tmp_path: Path) -> None:
    """That of an image of several platforms: each build has its documents in its own folder."""
    (tmp_path / "image.oci.tar").write_bytes(b"image")
    write_checksums(tmp_path)
    assert sign_folder(tmp_path, OWN) == ("SHA256SUMS.sig", "SHA256SUMS.minisig")
    assert sign_folder(tmp_path, OWN) == ()
    facts, found = check_trust(tmp_path, Demand(OWN.key))
    assert (facts.signed, found) == (("SHA256SUMS",), ())
    assert {each.id for each in check_trust(tmp_path, Demand(OTHER.key))[1]} == {"signature-invalid"}


def test_a_folder_whose_result_is_an_image_alone_is_right_too(dist: Path) -> None:
    """As an application with TensorFlow has it: nothing of it runs, and the documents are about the image."""
    for folder in ("lib", "bin"):
        shutil.rmtree(dist / folder)
    write_checksums(dist)
    assert "dist-nothing" in ids(judged(dist, Demand()))  # the manifest says that there were files
    manifest = json.loads((dist / "manifest.json").read_text())
    (dist / "manifest.json").write_text(json.dumps({**manifest, "files": []}))
    assert "dist-nothing" not in ids(judged(dist, Demand()))


def test_only_an_intact_dist_folder_is_signed(dist: Path, tmp_path: Path) -> None:
    (dist / "lib" / "libtensorflowlite.so").write_bytes(b"other")
    with pytest.raises(VerificationError, match="is not signed") as caught:
        sign_folder(dist, OTHER)
    assert caught.value.exit_code is ExitCode.VERIFICATION_FAILED
    with pytest.raises(UsageError, match="not a dist folder"):
        sign_folder(tmp_path, OWN)


@pytest.fixture
def demanding(tmp_path: Path) -> Path:
    """A policy file that requires all."""
    path = tmp_path / "demanding.yaml"
    path.write_text("description: all\nextends: default\nrequire: [signature, sbom, provenance]\n")
    return path


def by_policy(policy: Path, target: Path, key: Demand) -> VerifyReport:
    return verify(str(target), load_policy(PROJECT, str(policy)), save_nothing, demand=key)


def save_nothing(_name: str, _path: Path) -> None:
    raise AssertionError("a dist folder needs no engine")


def test_a_policy_requires_as_the_command_line_does(dist: Path, finished: Path, demanding: Path) -> None:
    assert ids(by_policy(demanding, dist, Demand(OWN.key))) == set()
    assert ids(by_policy(demanding, finished, Demand(OWN.key))) == {"signature-missing"}
    (dist / "provenance.json").unlink()
    assert "provenance-missing" in ids(by_policy(demanding, dist, Demand(OWN.key)))
    with pytest.raises(UsageError, match="the policy demanding requires a signature: by which key"):
        by_policy(demanding, dist, Demand())
    with pytest.raises(UsageError, match="the policy demanding requires documents"):
        by_policy(demanding, dist / "lib" / "libtensorflowlite.so", Demand(OWN.key))


def test_a_single_file_has_no_documents(dist: Path) -> None:
    with pytest.raises(UsageError, match="no dist folder"):
        judged(dist / "lib" / "libtensorflowlite.so")


# -- attacks ---------------------------------------------------------------------------------------------


def flip(path: Path) -> None:
    """One bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def flip_payload(path: Path) -> None:
    """One byte of what an envelope has in it."""
    envelope = json.loads(path.read_text())
    payload = bytearray(base64.b64decode(envelope["payload"]))
    payload[len(payload) // 2] ^= 1
    path.write_text(json.dumps({**envelope, "payload": base64.b64encode(payload).decode()}))


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("lib/libtensorflowlite.so", "dist-checksum"),
        ("manifest.json", "dist-checksum"),
        ("provenance.json", "signature-mismatch"),
        ("sbom.spdx.json", "signature-mismatch"),
        ("sbom.cdx.json", "signature-mismatch"),
        ("SHA256SUMS", "signature-invalid"),
        ("SHA256SUMS.sig", "signature-invalid"),
        ("SHA256SUMS.minisig", "signature-invalid"),
    ],
)
def test_a_changed_byte_is_found_wherever_it_is(name: str, finding: str, dist: Path) -> None:
    flip(dist / name)
    report = judged(dist)
    assert report.exit_code is ExitCode.VERIFICATION_FAILED
    assert finding in ids(report)
    assert all(each.message and each.fix for each in report.errors if not each.id.startswith("elf-"))


@pytest.mark.parametrize("name", [each.envelope for each in DOCUMENTS])
@pytest.mark.parametrize("attack", [flip, flip_payload, lambda path: path.write_bytes(b"{}")])
def test_a_changed_envelope_is_found(name: str, attack: Callable[[Path], None], dist: Path) -> None:
    attack(dist / name)
    assert "signature-invalid" in ids(judged(dist))


@pytest.mark.parametrize("name", ["lib/libtensorflowlite.so", "manifest.json", "sbom.spdx.json"])
def test_who_changes_a_file_and_its_checksum_lacks_the_key(name: str, dist: Path) -> None:
    flip(dist / name)
    for each in SIGNATURE_FILES:
        (dist / each).rename(dist.parent / each) if (dist / each).exists() else None
    write_checksums(dist)
    for each in SIGNATURE_FILES:
        (dist.parent / each).rename(dist / each) if (dist.parent / each).exists() else None
    report = judged(dist)
    assert "dist-checksum" not in ids(report)
    assert "signature-invalid" in ids(report)


def test_another_key_is_no_proof(dist: Path) -> None:
    report = judged(dist, Demand(OTHER.key))
    assert ids(report) == {"signature-invalid"}
    text = " ".join(each.message for each in report.errors)
    assert f"signed by another key: {OWN.key.id[:16]}, not {OTHER.key.id[:16]}" in text


def test_signatures_of_another_build_are_no_proof(dist: Path, later: Path) -> None:
    for name in SIGNATURE_FILES:
        if (later / name).exists():
            shutil.copyfile(later / name, dist / name)
    report = judged(dist)
    assert ids(report) == {"signature-invalid", "signature-mismatch"}
    assert any("of another build" in each.message for each in report.errors)


def test_documents_and_signatures_of_another_build_are_no_proof(dist: Path, later: Path) -> None:
    """All that is signed, taken from there; the files are others."""
    names = {"SHA256SUMS", "provenance.json", "sbom.spdx.json", "sbom.cdx.json", *SIGNATURE_FILES}
    for name in names:
        if (later / name).exists():
            shutil.copyfile(later / name, dist / name)
    assert {"dist-checksum", "sbom-mismatch"} <= ids(judged(dist))


def test_an_envelope_does_not_stand_in_for_another(dist: Path) -> None:
    shutil.copyfile(dist / "sbom.cdx.dsse.json", dist / "sbom.spdx.dsse.json")
    report = judged(dist)
    assert ids(report) == {"signature-mismatch"}
    assert any("a document of another kind" in each.message for each in report.errors)


@pytest.mark.parametrize("keyid", ["", "cosign.pub"])
def test_an_envelope_may_call_its_key_what_it_likes(keyid: str, dist: Path) -> None:
    path = dist / "provenance.dsse.json"
    envelope = json.loads(path.read_text())
    envelope["signatures"][0]["keyid"] = keyid
    path.write_text(json.dumps(envelope))
    assert ids(judged(dist)) == set()
    assert "signature-invalid" in ids(judged(dist, Demand(OTHER.key)))


@pytest.mark.parametrize("name", ["SHA256SUMS.sig", *(each.envelope for each in DOCUMENTS)])
def test_a_signature_that_is_gone_is_missed(name: str, dist: Path) -> None:
    (dist / name).unlink()
    assert ids(judged(dist)) == {"signature-missing"}


def resigned(dist: Path, name: str, change: Callable[[str], str]) -> VerifyReport:
    """A document changed by somebody who has the key."""
    for each in SIGNATURE_FILES:
        (dist / each).unlink(missing_ok=True)
    (dist / name).write_text(change((dist / name).read_text()))
    write_checksums(dist)
    sign_folder(dist, OWN)
    return judged(dist)


def test_a_provenance_whose_materials_are_not_those_of_the_plan_is_found(dist: Path) -> None:
    source = json.loads((dist / "manifest.json").read_text())["plan"]["pins"][0]["sha256"]

    def change(text: str) -> str:
        statement = json.loads(text)
        for each in statement["predicate"]["buildDefinition"]["resolvedDependencies"]:
            if each.get("digest") == {"sha256": source}:
                each["digest"]["sha256"] = "0" * 64
        return json.dumps(statement)

    report = resigned(dist, "provenance.json", change)
    assert ids(report) == {"provenance-mismatch"}
    assert any("other materials" in each.message for each in report.errors)


@pytest.mark.parametrize("name", ["provenance.json", "sbom.spdx.json", "sbom.cdx.json"])
@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"subject": [1]}'])
def test_a_document_without_its_form_counts_as_missing(name: str, text: str, dist: Path) -> None:
    found = ids(resigned(dist, name, lambda _: text))
    # The provenance has the hash of the bill that was there.
    bill = {"sbom-missing", "provenance-mismatch"}
    assert found == ({"provenance-missing"} if name == "provenance.json" else bill)


def test_a_bill_of_other_files_is_found(dist: Path) -> None:
    sums = (dist / "SHA256SUMS").read_text()
    digest = next(line[:64] for line in sums.splitlines() if line.endswith("lib/libtensorflowlite.so"))
    report = resigned(dist, "sbom.spdx.json", lambda text: text.replace(digest, "0" * 64))
    assert ids(report) == {"sbom-mismatch", "provenance-mismatch"}


@pytest.mark.parametrize("kind", [name for name in SIGNERS if name.startswith("SSH")])
def test_a_changed_ssh_signature_is_found(kind: str, finished: Path, tmp_path: Path) -> None:
    dist = shutil.copytree(finished, tmp_path / "amd64")
    sign_folder(dist, SIGNERS[kind])
    flip(dist / "SHA256SUMS.sshsig")
    assert ids(judged(dist, Demand(SIGNERS[kind].key))) == {"signature-invalid"}
    assert sign_folder(dist, SIGNERS[kind])
    assert ids(judged(dist, Demand(SIGNERS[kind].key))) == set()


@given(st.binary(max_size=300))
def test_whatever_stands_there_is_no_signature_of_minisign(data: bytes) -> None:
    assert not minisign_verifies(data, b"text", OWN.key)
    right = minisign_signature(b"text", OWN)
    assert minisign_verifies(right, b"text", OWN.key)
    lines = right.splitlines()
    for number in range(4):
        changed = b"\n".join(
            [*lines[:number], lines[number] + data.replace(b"\n", b"") + b"x", *lines[number + 1 :]]
        )
        # The first comment is the only thing that nobody signs.
        assert not minisign_verifies(changed, b"text", OWN.key) or number == 0
    assert not minisign_verifies(right, b"Text", OWN.key)
    assert not minisign_verifies(right, b"text", OTHER.key)


@given(st.binary(max_size=300))
def test_whatever_stands_there_is_no_ssh_signature(data: bytes) -> None:
    assert not ssh_verifies(data, b"text", OWN.key)
    body = base64.b64encode(b"SSHSIG\0\0\0\1" + data)
    armoured = b"-----BEGIN SSH SIGNATURE-----\n" + body + b"\n-----END SSH SIGNATURE-----\n"
    assert not ssh_verifies(armoured, b"text", OWN.key)


# -- programs of others --------------------------------------------------------------------------------------


def public_file(signer: FileSigner, folder: Path) -> Path:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    path = folder / "key.pub"
    path.write_bytes(signer.key.public.public_bytes(serialization.Encoding.PEM, form))
    return path


def ran(argv: list[str], **more: object) -> bool:
    return subprocess.run(argv, capture_output=True, check=False, **more).returncode == 0  # type: ignore[call-overload,no-any-return]


@pytest.mark.real_processes
@pytest.mark.parametrize("kind", ["Ed25519", "P-256"])
def test_openssl_verifies_the_checksums_and_an_envelope(kind: str, finished: Path, tmp_path: Path) -> None:
    signer = SIGNERS[kind]
    dist = shutil.copytree(finished, tmp_path / "amd64")
    sign_folder(dist, signer)
    key = public_file(signer, tmp_path)

    def right(data: Path, signature: Path) -> bool:
        if kind == "Ed25519":
            words = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(key), "-in", str(data)]
            return ran(["openssl", *words, "-sigfile", str(signature)])
        words = ["dgst", "-sha256", "-verify", str(key), "-signature", str(signature), str(data)]
        return ran(["openssl", *words])

    sums = dist / "SHA256SUMS"
    assert right(sums, dist / "SHA256SUMS.sig")
    assert ran(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=dist)
    # DSSE's pre-authentication encoding: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
    envelope = json.loads((dist / "provenance.dsse.json").read_text())
    payload, kind_of = base64.b64decode(envelope["payload"]), envelope["payloadType"]
    assert payload == (dist / "provenance.json").read_bytes()
    signed = tmp_path / "signed"
    signed.write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind_of), kind_of.encode(), len(payload), payload))
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    assert right(signed, tmp_path / "sig")
    flip(sums)
    assert not right(sums, dist / "SHA256SUMS.sig")


@pytest.mark.real_processes
@pytest.mark.parametrize("kind", [name for name in SIGNERS if name.startswith("SSH")])
def test_ssh_keygen_verifies_the_checksums(kind: str, finished: Path, tmp_path: Path) -> None:
    signer = SIGNERS[kind]
    dist = shutil.copytree(finished, tmp_path / "amd64")
    sign_folder(dist, signer)
    line = signer.key.public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    allowed = tmp_path / "allowed"
    allowed.write_bytes(b"release " + line + b"\n")
    argv = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", "release", "-n", "tfbuild"]
    argv += ["-s", str(dist / "SHA256SUMS.sshsig")]
    sums = (dist / "SHA256SUMS").read_bytes()
    assert ran(argv, input=sums)
    assert not ran(argv, input=sums + b"\n")
    assert not ran([*argv[:-4], "-n", "another", *argv[-2:]], input=sums)


@pytest.mark.real_processes
@pytest.mark.parametrize("kind", [name for name in SIGNERS if name.startswith("SSH")])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_what_ssh_keygen_signs_is_right_here(kind: str, algorithm: str, tmp_path: Path) -> None:
    signer = SIGNERS[kind]
    private, data = tmp_path / "key", tmp_path / "SHA256SUMS"
    form, locked = serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    private.write_bytes(signer.private.private_bytes(serialization.Encoding.PEM, form, locked))
    private.chmod(0o600)
    data.write_bytes(b"text")
    argv = ["ssh-keygen", "-Y", "sign", "-f", str(private), "-n", "tfbuild", "-O", f"hashalg={algorithm}"]
    assert ran([*argv, str(data)])
    signature = (tmp_path / "SHA256SUMS.sig").read_bytes()
    assert ssh_verifies(signature, b"text", signer.key)
    assert not ssh_verifies(signature, b"Text", signer.key)
    assert not ssh_verifies(signature, b"text", OTHER.key)


# -- the same bytes again ------------------------------------------------------------------------------


def judge_again(dist: Path, *, equal: bool = True, **changes: object) -> None:
    """What building again leaves beside the manifest."""
    sums = hashlib.sha256((dist / "SHA256SUMS").read_bytes()).hexdigest()
    difference = {"path": "lib/libtensorflowlite.so", "lines": ["section .text (1 bytes) differs"]}
    verdict = {"version": 1, "equal": equal, "sums_sha256": sums, "made": "2026-01-01T00:00:00Z"}
    builds = [{"differences": [] if equal else [difference]}]
    (dist / "reproducible.json").write_text(json.dumps({**verdict, "builds": builds, **changes}))


AGAIN = Demand(require=frozenset({Requirement.REPRODUCIBLE}))


def test_a_folder_that_nobody_built_again_is_not_proven(dist: Path) -> None:
    assert ids(judged(dist, AGAIN)) == {"reproducible-missing"}


def test_a_verdict_is_of_its_own_folder_and_belongs_to_it(dist: Path) -> None:
    judge_again(dist)
    report = judged(dist, AGAIN)
    assert ids(report) == set()
    assert report.facts.trust is not None
    assert report.facts.trust.documents == ("reproducible.json",)
    assert content_of(dist).foreign == ()
    assert ids(judged(dist, Demand(OWN.key))) == set()  # it is younger than the signatures


def test_a_verdict_that_counts_is_signed_where_a_key_is_asked_for(dist: Path) -> None:
    judge_again(dist)
    both = Demand(OWN.key, AGAIN.require)
    assert ids(judged(dist, both)) == {"signature-missing"}
    assert "reproducible.dsse.json" in sign_folder(dist, OWN)
    assert ids(judged(dist, both)) == set()
    assert sign_folder(dist, OWN) == ()
    judge_again(dist, made="later")
    assert ids(judged(dist, both)) == {"signature-mismatch"}
    assert ids(judged(dist, Demand(OTHER.key, AGAIN.require))) >= {"signature-invalid"}


def test_a_verdict_of_another_build_is_no_proof(dist: Path) -> None:
    judge_again(dist, sums_sha256="0" * 64)
    assert ids(judged(dist, AGAIN)) == {"reproducible-mismatch"}


def test_other_bytes_are_told_with_the_first_difference(dist: Path) -> None:
    judge_again(dist, equal=False)
    report = judged(dist, AGAIN)
    assert ids(report) == {"reproducible-differs"}
    found = next(each for each in report.errors if each.id == "reproducible-differs")
    assert any("lib/libtensorflowlite.so: section .text" in line for line in found.evidence)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"equal": 1}', '{"equal": false, "builds": 7}'])
def test_a_verdict_without_its_form_proves_nothing(text: str, dist: Path) -> None:
    (dist / "reproducible.json").write_text(text)
    assert ids(judged(dist, AGAIN)) & {"reproducible-missing", "reproducible-mismatch"}
