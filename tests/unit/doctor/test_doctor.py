from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import jsonschema
import pytest

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ExitCode, HostError, UsageError
from tfbuild.doctor import doctor
from tfbuild.doctor.checks import (
    FATAL_CHECKS,
    GIB,
    OTHER_CHECKS,
    CheckResult,
    DoctorContext,
    DoctorFacts,
    Product,
    Status,
)
from tfbuild.doctor.reach import Reach
from tfbuild.engine.docker_cli import Builder, DockerCli
from tfbuild.engine.facts import EngineFacts, EngineProblem, EngineUnavailable
from tfbuild.machine.host import CaBundle, HostFacts, OsRelease, Proxy

SCHEMA = Path(__file__).parents[3] / "schemas/doctor.schema.json"
CONTEXT = DoctorContext(Path("/cache"), Path("/dist"))
HOST = HostFacts(
    os=OsRelease("debian", "12", "bookworm"),
    machine="x86_64",
    arch=Arch.AMD64,
    is_root=True,
    user="root",
    sudo=None,
    cpus=2,
    cpu_flags=frozenset(),
    memory=8 * GIB,
    cgroup_memory_limit=None,
    systemd=True,
    ca_bundle=CaBundle(Path("/ca.crt"), "system", True),
)
ENGINE = EngineFacts(
    "26.1.5+dfsg1", "1.45", "linux/amd64", 2, 8 * GIB, "overlayfs", True, "/var/lib/docker", True
)
READY = DoctorFacts(
    host=HOST,
    x86_64_level=3,
    now=datetime(2030, 1, 1, tzinfo=timezone.utc),
    engine=ENGINE,
    cli=DockerCli(Path("/usr/bin/docker"), ("/usr/bin/docker", "buildx"), "0.13.1"),
    builder=Builder("default", "docker", "v0.0.0+unknown", ("linux/amd64",)),
    engine_free=50 * GIB,
    cache_free=50 * GIB,
    programs=frozenset({"mmdebstrap"}),
    mirrors=("http://mirror.example/debian",),
)


def _check(facts: DoctorFacts, context: DoctorContext = CONTEXT) -> dict[str, CheckResult]:
    results = [check(facts, context) for check in (*FATAL_CHECKS, *OTHER_CHECKS)]
    assert len({r.id for r in results}) == len(results)
    return {r.id: r for r in results}


def test_a_ready_host_has_nothing_to_fix() -> None:
    results = _check(READY)
    assert {r.status for r in results.values()} == {Status.OK}
    assert doctor.exit_code(tuple(results.values())) == ExitCode.OK
    doctor.require_ready(tuple(results.values()))


def _engine(**changes: object) -> DoctorFacts:
    return replace(READY, engine=replace(ENGINE, **changes))  # type: ignore[arg-type]


def _host(**changes: object) -> DoctorFacts:
    return replace(READY, host=replace(HOST, **changes))  # type: ignore[arg-type]


FOREIGN = UsageError("/c cannot be the cache", details=("found: a",), hint="another folder")
UNAVAILABLE = EngineUnavailable(EngineProblem.PERMISSION, "no permission to use the socket", hint="usermod")


@pytest.mark.parametrize(
    ("facts", "id", "status", "said"),
    [
        (replace(READY, engine=None, engine_error=UNAVAILABLE), "engine", Status.FATAL, "no permission"),
        (_engine(product="Podman"), "engine", Status.FATAL, "Podman"),
        (_engine(version="20.10.24+dfsg1"), "buildkit", Status.FATAL, "20.10.24"),
        (_engine(version="dev"), "buildkit", Status.WARNING, "not known"),
        (
            replace(READY, builder=Builder("other", "remote", "", (), "no route to host")),
            "buildkit",
            Status.FATAL,
            "no route to host",
        ),
        (
            replace(READY, cli=None, cli_error=HostError("there is no buildx")),
            "buildx",
            Status.FATAL,
            "no buildx",
        ),
        (replace(READY, engine_free=GIB), "engine-disk", Status.FATAL, "1.0 GiB free"),
        (replace(READY, cache_free=GIB // 2), "cache", Status.FATAL, "0.5 GiB free"),
        (replace(READY, cache_writable=False), "cache", Status.FATAL, "/cache is not writable"),
        (replace(READY, output_writable=False), "output", Status.FATAL, "/dist is not writable"),
        (replace(READY, programs=frozenset()), "mmdebstrap", Status.FATAL, "mmdebstrap"),
        (_host(is_root=False), "mmdebstrap", Status.FATAL, "uidmap"),
        (_engine(containerd_store=False, driver="overlay2"), "image-store", Status.WARNING, "overlay2"),
        (_engine(memory=GIB), "memory", Status.WARNING, "1.0 GiB"),
        (replace(READY, now=datetime(1970, 1, 1, tzinfo=timezone.utc)), "clock", Status.WARNING, "1970"),
        (_host(ca_bundle=None), "ca-bundle", Status.WARNING, "no CA bundle"),
        (
            _host(ca_bundle=CaBundle(Path("/x"), "SSL_CERT_FILE", False)),
            "ca-bundle",
            Status.FATAL,
            "SSL_CERT",
        ),
        (
            replace(
                READY, cache_problem=UsageError("/c cannot be the cache", details=("found: a",), hint="x")
            ),
            "cache",
            Status.FATAL,
            "/c cannot be the cache; found: a",
        ),
        (
            replace(READY, reach=Reach(proxies={"http_proxy": "Connection refused"})),
            "proxies",
            Status.FATAL,
            "http_proxy does not answer: Connection refused",
        ),
        (
            replace(READY, reach=Reach(mirrors={"http://m/": "no answer in 5 s", "/a": ""})),
            "mirrors",
            Status.FATAL,
            "http://m/: no answer in 5 s",
        ),
        (
            replace(READY, reach=Reach(unknown=UsageError("cannot be understood", hint="x"))),
            "mirrors",
            Status.FATAL,
            "not asked: cannot be understood",
        ),
        (
            replace(READY, reach=Reach(untrusted=HostError("X names a file without certificates", hint="x"))),
            "ca-bundle",
            Status.FATAL,
            "X names a file without certificates",
        ),
        (
            replace(READY, reach=Reach(hosts={"https://h/": "Name or service not known"})),
            "network",
            Status.WARNING,
            "https://h/ cannot be reached: Name or service not known",
        ),
        (replace(READY, mirrors=()), "debian-mirror", Status.WARNING, "no Debian mirror"),
    ],
)
def test_each_problem_is_found_and_has_a_fix(facts: DoctorFacts, id: str, status: Status, said: str) -> None:
    result = _check(facts)[id]
    assert result.status is status
    assert said in result.found
    assert result.fix or said in ("no buildx", "not known")


def test_mmdebstrap_is_needed_only_where_the_base_is_made_with_it() -> None:
    facts = replace(READY, programs=frozenset())
    assert _check(facts, replace(CONTEXT, bootstraps_base=False))["mmdebstrap"].status is Status.WARNING


def test_more_jobs_than_memory_is_a_warning_with_a_number_that_fits() -> None:
    result = _check(READY, replace(CONTEXT, jobs=64))["memory"]
    assert result.status is Status.WARNING
    assert result.fix.startswith("--jobs 4")


def test_a_proxys_password_is_not_printed() -> None:
    facts = _host(proxies=(Proxy("https_proxy", "http://me:s3cret@proxy.example:8080"),))
    results = tuple(_check(facts).values())
    for text in (doctor.render_text(results), doctor.render_json(results)):
        assert "s3cret" not in text
        assert "proxy.example" in text


@pytest.mark.parametrize("facts", [READY, replace(READY, engine=None, engine_error=UNAVAILABLE, cli=None)])
def test_json_follows_its_schema(facts: DoctorFacts) -> None:
    results = tuple(_check(facts).values())
    document = json.loads(doctor.render_json(results))
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert document["ready"] is (doctor.exit_code(results) == ExitCode.OK)
    assert len(document["checks"]) == len(results)


def test_text_has_the_fix_below_the_problem_only() -> None:
    results = tuple(_check(replace(READY, cache_writable=False)).values())
    lines = doctor.render_text(results).splitlines()
    (at,) = (n for n, line in enumerate(lines) if line.startswith("fatal"))
    assert "/cache" in lines[at]
    assert "needed:" in lines[at + 1]
    assert "TFBUILD_CACHE_DIR" in lines[at + 2]
    assert len(lines) == len(results) + 2


def test_the_error_before_a_build_names_every_failed_check() -> None:
    facts = replace(READY, engine_free=0, output_writable=False)
    with pytest.raises(HostError, match="no disk space") as caught:
        doctor.require_ready(tuple(_check(facts).values()))
    assert caught.value.exit_code == ExitCode.HOST_NOT_READY
    assert any("/dist" in line for line in caught.value.details)
    assert caught.value.hint


def test_a_warning_does_not_stop_a_build() -> None:
    doctor.require_ready(tuple(_check(_engine(memory=GIB)).values()))


NEEDY = replace(
    CONTEXT, product=Product("serving 2.20.0", 16 * GIB, 30, lambda _: None), engine_disk=60 * GIB
)


def test_a_product_is_checked_for_what_its_plan_says() -> None:
    found = _check(READY, NEEDY)
    assert (found["memory"].status, found["memory"].needed) == (
        Status.WARNING,
        "about 16.0 GiB for serving 2.20.0",
    )
    assert found["engine-disk"].status is Status.FATAL
    assert found["product"].found == "serving 2.20.0: about 15 hours on 2 CPUs"


def test_an_engine_that_cannot_build_a_product_is_told() -> None:
    def refuse(_: EngineFacts) -> None:
        raise HostError("the engine has no such CPU", hint="another one")

    product = Product("x 1", None, None, refuse)
    found = _check(READY, replace(CONTEXT, product=product))["product"]
    assert (found.status, found.found, found.fix) == (
        Status.FATAL,
        "the engine has no such CPU",
        "another one",
    )


@pytest.mark.parametrize(
    ("variable", "fix"),
    [("BUILDX_BUILDER", "correct or unset BUILDX_BUILDER"), ("", "docker buildx use default")],
)
def test_a_builder_that_a_variable_names_is_not_helped_by_another_default(variable: str, fix: str) -> None:
    builder = Builder("", "", "", (), 'no builder "nope" found')
    found = _check(replace(READY, builder=builder, builder_variable=variable))["buildkit"]
    assert found.found == 'the builder does not answer: no builder "nope" found'
    assert found.fix == fix


def test_the_reason_why_an_engine_does_not_answer_is_told() -> None:
    error = HostError("the engine cannot be reached", details=("tcp://x:1: Connection refused",), hint="h")
    found = _check(replace(READY, engine=None, engine_error=error))["engine"]
    assert found.found == "the engine cannot be reached; tcp://x:1: Connection refused"
