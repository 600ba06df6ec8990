"""The section 'remote' in the words of Bazel, recc and ccache; in no key, and without what is secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, HostError
from tfbuild.build.buildkit.secrets import remote_secrets
from tfbuild.plan.plan import Plan
from tfbuild.plan.remote.launcher import request_files
from tfbuild.plan.words import Words
from tfbuild.products.serving.bazel.request import request_files as bazel_files
from tfbuild.products.table import definition_of, plan_of, plan_text

CLUSTER = (
    "remote.executor=grpcs://build.example:443",
    "remote.instance=main",
    "remote.certificate=/keys/me.pem",
    "remote.key=/keys/me.key",
    "remote.ca=/keys/ca.pem",
    "remote.token=/keys/token",
    "remote.platform.OSFamily=linux",
    "remote.jobs=64",
)
OWN = "remote.insecure=yes"


def plan(product: str, *sets: str) -> Plan[Any]:
    return plan_of(PROJECT, product, Words(sets=sets), env={}, build_arch=Arch.AMD64)


@pytest.mark.parametrize("product", ["tflite", "serving"])
def test_a_cluster_changes_no_key_and_no_name(product: str) -> None:
    here, there = plan(product), plan(product, *CLUSTER)
    assert (there.key, there.build_id) == (here.key, here.build_id)
    assert here.remote is None
    text = plan_text(there)
    for words in CLUSTER:
        key, _, value = words.removeprefix("remote.").partition("=")
        assert key.split(".")[0] in text
        assert value in text


def test_what_a_result_tells_of_it_has_no_file_of_this_machine() -> None:
    remote = plan("tflite", *CLUSTER).remote
    assert remote
    assert "/keys" not in json.dumps(remote.published.origins)
    assert remote.published.files == {}
    assert remote.published.token == ""


def test_recc_gets_the_cluster_and_paths_as_they_are() -> None:
    files = request_files(plan("tflite", *CLUSTER).remote)
    lines = files["recc"].splitlines()
    assert {
        "RECC_SERVER=https://build.example:443",
        "RECC_INSTANCE=main",
        "RECC_NO_PATH_REWRITE=1",
        "RECC_CLIENT_KEY=/run/secrets/remote-key",
        "RECC_ACCESS_TOKEN_PATH=/run/secrets/remote-token",
        "RECC_REMOTE_PLATFORM_OSFamily=linux",
    } <= set(lines)
    assert not [line for line in lines if "CACHE_ONLY" in line]
    assert "/keys" not in str(files)


@pytest.mark.parametrize(("upload", "uploads"), [("yes", True), ("no", False)])
def test_a_cache_alone_compiles_here_and_may_be_for_reading_only(upload: str, uploads: bool) -> None:
    sets = ("remote.cache=grpcs://cache.example", f"remote.upload={upload}")
    lines = request_files(plan("tflite", *sets).remote)["recc"].splitlines()
    assert "RECC_CACHE_ONLY=1" in lines
    assert ("RECC_CACHE_UPLOAD_LOCAL_BUILD=1" in lines) == uploads
    arguments = bazel_files(plan("serving", *sets))["bazel-remote"].splitlines()
    assert ("--noremote_upload_local_results" in arguments) != uploads
    assert not [each for each in arguments if "executor" in each or "strategy" in each]


def test_ccache_gets_a_cache_that_it_speaks_to_itself_and_no_client_is_made() -> None:
    made = plan("tflite", "remote.cache=redis://cache.example", "remote.upload=no", OWN)
    assert request_files(made.remote)["remote"].splitlines()[0] == "ccache\tredis://cache.example|read-only"
    assert made.remote
    assert made.remote.tools is None


def test_bazel_compiles_there_and_downloads_the_result_alone() -> None:
    made = plan("serving", *CLUSTER, "remote.fallback=local")
    arguments = bazel_files(made)["bazel-remote"].splitlines()
    assert {
        "--remote_executor=grpcs://build.example:443",
        "--remote_instance_name=main",
        "--remote_download_toplevel",
        "--remote_local_fallback",
        "--tls_client_certificate=/run/secrets/remote-certificate",
        "--remote_default_exec_properties=OSFamily=linux",
        "--spawn_strategy=remote,standalone",
    } <= set(arguments)


@pytest.mark.parametrize("product", ["tflite", "serving"])
def test_the_size_of_the_cluster_is_the_number_of_its_jobs(product: str) -> None:
    from tfbuild.build.buildkit.bake import BakeOptions
    from tfbuild.build.layout import Layout

    made = plan(product, *CLUSTER)
    layout = Layout(PROJECT, Path("/cache"), made.build_id)
    arguments = definition_of(made, layout, BakeOptions(jobs=2, memory_mib=4096))["target"]["compile"]["args"]
    told = arguments.get("LIMITS") or request_files(made.remote)["remote"]
    assert "64" in told
    assert arguments.get("JOBS", "2") == "2"  # what is compiled here has no more room than before
    assert "cpu" not in told or "cpu_resources=2" in told or "cpu=2" in told


@pytest.mark.parametrize(
    ("product", "sets", "says"),
    [
        ("serving", ("remote.cache=redis://127.0.0.1",), "no cache in Redis"),
        ("tflite", ("remote.cache=https://cache.example",), "ccache speaks no https"),
        ("tflite", ("remote.cache=http://127.0.0.1", "compile.ccache=no"), "set compile.ccache true"),
    ],
)
def test_a_cache_that_a_product_cannot_use_is_refused(product: str, sets: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(product, *sets)
    assert says in str(caught.value.problems)


def test_a_token_goes_by_secrets_alone(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cr3t\n")
    made = plan("serving", "remote.executor=grpcs://build.example", f"remote.token={file}")
    secrets = remote_secrets(made.remote, PROJECT)
    assert secrets["remote-token"] == "s3cr3t"
    assert "s3cr3t" in secrets["remote-bazelrc"]
    assert "s3cr3t" not in json.dumps(made.to_json()) + str(bazel_files(made)) + plan_text(made)


@pytest.mark.parametrize(("text", "says"), [(None, "cannot be read"), ("", "is empty"), ("a b", "no token")])
def test_a_token_that_is_none_is_told_before_anything_is_made(
    tmp_path: Path, text: str | None, says: str
) -> None:
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text)
    made = plan("tflite", "remote.executor=grpcs://build.example", f"remote.token={file}")
    with pytest.raises(HostError, match=says):
        remote_secrets(made.remote, PROJECT)
