"""Images with Keras, built and used as a user does: the three examples, what is left out, what is refused."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import jsonschema
import pytest

from tests.engine.conftest import PROJECT, Invoke
from tests.support.started import answer_of, started
from tfbuild.engine.engine import DockerEngine
from tfbuild.engine.facts import RunOptions

RELEASE = os.environ.get("TFBUILD_TEST_KERAS", "2.21.0")
EXAMPLES = PROJECT / "examples" / "keras"
# Modules that want a package which TensorFlow does not require: no wheel that a user would miss.
OPTIONAL = {
    "IPython", "OpenSSL", "astn", "attrs", "docutils", "h2", "jax", "js", "olefile", "pytest", "socks",
    "tkinter", "torch",
}  # fmt: skip

pytestmark = pytest.mark.timeout(3600)


@dataclass(frozen=True)
class Image:
    """A finished build."""

    tag: str
    folder: Path
    manifest: dict[str, Any]


@pytest.fixture(scope="session")
def build_keras(
    engine: DockerEngine, invoke: Invoke, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Image]]:
    """Builds with the words of the command line; the images are removed at the end."""
    output = tmp_path_factory.mktemp("keras")
    made: list[str] = []

    def build(name: str, *words: str) -> Image:
        tag = f"tfbuild-test/keras:{name}"
        ran = invoke(
            "build-keras", "--release", RELEASE, "--output", str(output), "--tag", tag, "--json", *words
        )
        assert ran.ok, ran.stderr[-8000:]
        made.append(tag)
        folder = Path(json.loads(ran.stdout)["output"])
        return Image(tag, folder, json.loads((folder / "manifest.json").read_text()))

    yield build
    for tag in made:
        engine.remove_image(tag)


@pytest.fixture(scope="session")
def train(build_keras: Callable[..., Image]) -> Image:
    return build_keras("train", "--app", str(EXAMPLES / "train"))


@dataclass(frozen=True)
class Trained:
    """The model that a container trained, and what it answered."""

    file: Path
    answers: list[float]


def answers_in(text: str) -> list[float]:
    found = re.search(r"^answers (.+)$", text, re.MULTILINE)
    assert found, text[-3000:]
    return [float(word) for word in found[1].split()]


@pytest.fixture(scope="session")
def trained(train: Image, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Runs the training example as it is, and takes the model out of the container."""
    client = docker.from_env()
    container = client.containers.create(train.tag, network_mode="none", cap_drop=["ALL"])
    try:
        container.start()
        code = container.wait(timeout=900)["StatusCode"]
        output = container.logs(stdout=True, stderr=True).decode()
        assert code == 0, output[-4000:]
        chunks, _ = container.get_archive("/tmp/model.keras")
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            member = tar.extractfile("model.keras")
            assert member
            file = tmp_path_factory.mktemp("model") / "model.keras"
            file.write_bytes(member.read())
    finally:
        container.remove(force=True)
    assert float(re.findall(r"^accuracy (.+)$", output, re.MULTILINE)[0]) > 0.9
    return Trained(file, answers_in(output))


@pytest.fixture(scope="session")
def serve(build_keras: Callable[..., Image], trained: Trained) -> Image:
    return build_keras("serve", "--app", str(EXAMPLES / "serve"), "--model", str(trained.file))


def test_run_starts_it_and_tells_where_it_listens(serve: Image) -> None:
    with started(serve.tag) as document:
        assert answer_of(document, 8080, "/health") == (200, {"status": "ok"})
        status, found = answer_of(document, 8080, "/predict", '{"points": [[0.1, 0.2], [1, 1]]}')
        assert (status, len(found["answers"])) == (200, 2)
        assert document["calls"] == [f"curl http://127.0.0.1:{document['ports'][0]['host']}/"]


# -- the build ---------------------------------------------------------------------------------------


def test_the_dist_folder_tells_what_is_in_the_image(train: Image) -> None:
    assert train.folder.parts[-4:] == ("keras", RELEASE, "opt-train", "amd64")
    names = {str(path.relative_to(train.folder)) for path in train.folder.rglob("*") if path.is_file()}
    assert {"manifest.json", "verify.json", "SHA256SUMS", "requirements.txt", "left-out.tsv"} <= names
    schema = json.loads((PROJECT / "schemas" / "manifest.schema.json").read_text())
    jsonschema.validate(train.manifest, schema)
    lines = (train.folder / "requirements.txt").read_text().splitlines()
    assert len(lines) == len(train.manifest["plan"]["pins"])
    assert {row.split("\t")[0] for row in (train.folder / "left-out.tsv").read_text().splitlines()} >= {
        "headers",
        "symbols",
        "libclang",
    }
    packages = {each["package"] for each in train.manifest["packages"]}
    assert {"python3.11-minimal", "python3-pip", "libc6"} <= packages


def test_the_image_has_python_and_no_way_to_change_it(train: Image, engine: DockerEngine) -> None:
    verified = json.loads((train.folder / "verify.json").read_text())
    (report,) = verified["reports"]
    assert verified["findings"] == []
    assert len(report["facts"]["closure"]["links"]) > 100
    for program in ("sh", "pip", "apt-get"):
        assert engine.run_once(train.tag, (program,), RunOptions()).exit_code == 127
    ran = engine.run_once(train.tag, ("python3", "-m", "pip"), RunOptions())
    assert "No module named pip" in ran.stderr


def test_it_runs_with_a_read_only_root_and_without_any_place_to_write(
    train: Image, engine: DockerEngine
) -> None:
    program = "import keras, os; print(keras.__version__, keras.backend.backend(), os.getuid())"
    ran = engine.run_once(train.tag, ("python3", "-c", program), RunOptions(tmpfs=()))
    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout.split()[1:] == ["tensorflow", "65532"]


def test_every_public_module_that_remains_can_be_imported(train: Image, engine: DockerEngine) -> None:
    program = Path(__file__).parent / "keras" / "import_all.py"
    options = RunOptions(files={"/smoke/import_all.py": program}, timeout_s=900)
    ran = engine.run_once(train.tag, ("python3", "/smoke/import_all.py"), options)
    assert ran.exit_code == 0, ran.stderr[-3000:]
    lines = [line.split("\t") for line in ran.stdout.splitlines()]
    assert int(next(line[1] for line in lines if line[0] == "imported")) > 1000
    failed = {line[1]: line[2] for line in lines if line[0] == "failed"}
    form = re.compile(r"ModuleNotFoundError: No module named '([A-Za-z0-9_]+)")
    broken = {name: why for name, why in failed.items() if (form.match(why) or [""] * 2)[1] not in OPTIONAL}
    assert broken == {}


def test_a_second_run_has_nothing_to_do(train: Image, build_keras: Callable[..., Image]) -> None:
    began = (train.folder / "manifest.json").stat().st_mtime_ns
    again = build_keras("train", "--app", str(EXAMPLES / "train"))
    assert (again.folder / "manifest.json").stat().st_mtime_ns == began


# -- the examples ------------------------------------------------------------------------------------


def test_the_inference_image_answers_as_the_training_did(
    build_keras: Callable[..., Image], trained: Trained, engine: DockerEngine
) -> None:
    image = build_keras("predict", "--app", str(EXAMPLES / "predict"), "--model", str(trained.file))
    ran = engine.run_once(image.tag, (), RunOptions())
    assert ran.exit_code == 0, ran.stderr[-3000:]
    assert answers_in(ran.stdout) == pytest.approx(trained.answers, abs=1e-5)
    assert any(each["case"] == "loaded" for each in image.manifest["smoke"])
    one = engine.run_once(image.tag, ("python3", "predict.py", "0.5", "0.5"), RunOptions())
    assert answers_in(one.stdout) == pytest.approx(trained.answers[:1], abs=1e-5)


ASK = """
import json, sys
from http.client import HTTPConnection
connection = HTTPConnection("127.0.0.1", 8080, timeout=30)
connection.request(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""


def test_the_service_answers_tells_its_health_and_stops_when_asked(serve: Image, trained: Trained) -> None:
    client = docker.from_env()
    container = client.containers.create(serve.tag, network_mode="none", read_only=True, tmpfs={"/tmp": ""})

    def ask(*words: str) -> tuple[int, Any]:
        said = container.exec_run(["python3", "-c", ASK, *words]).output.decode()
        status, _, body = said.partition(" ")
        assert status.isdecimal(), said
        return int(status), json.loads(body)

    try:
        container.start()
        deadline = time.monotonic() + 600
        while client.api.inspect_container(container.id)["State"]["Health"]["Status"] != "healthy":
            assert time.monotonic() < deadline, container.logs().decode()[-3000:]
            assert client.api.inspect_container(container.id)["State"]["Running"], container.logs().decode()
            time.sleep(1)
        assert ask("GET", "/health") == (200, {"status": "ok"})
        points = json.dumps({"points": [[0.5, 0.5], [-0.5, -0.5], [0.9, -0.2]]})
        status, document = ask("POST", "/predict", points)
        assert status == 200
        assert document["answers"] == pytest.approx(trained.answers, abs=1e-5)
        status, document = ask("POST", "/predict", '{"points": "many"}')
        assert status == 400
        assert "expected" in document["error"]
        assert ask("GET", "/other")[0] == 404
        container.kill("SIGTERM")
        assert container.wait(timeout=120)["StatusCode"] == 0
        assert container.logs().decode().rstrip().endswith("stopped")
    finally:
        container.remove(force=True)


PAINT = """
from PIL import Image, features

Image.new("RGB", (4, 4), (255, 0, 0)).save("/tmp/red.png")
print(Image.open("/tmp/red.png").getpixel((0, 0)), features.check("zlib"))
"""


def test_a_program_brings_wheels_of_its_own(
    build_keras: Callable[..., Image], invoke: Invoke, engine: DockerEngine, tmp_path: Path
) -> None:
    program = tmp_path / "paint"
    program.mkdir()
    (program / "paint.py").write_text(PAINT)
    (program / "app.yaml").write_text("app: {command: [python3, paint.py]}\n")
    (program / "requirements.txt").write_text("pillow>=10\nnumpy>=1.26\n")
    unlocked = invoke("build-keras", "--release", RELEASE, "--app", str(program), "--dry-run")
    assert unlocked.returncode == 2
    assert f"invoke lock --product keras --release {RELEASE} --app {program}" in unlocked.stderr
    locked = invoke("lock", "--product", "keras", "--release", RELEASE, "--app", str(program))
    assert locked.ok, locked.stderr[-4000:]
    image = build_keras("paint", "--app", str(program))
    ran = engine.run_once(image.tag, (), RunOptions())
    assert (ran.exit_code, ran.stdout) == (0, "(255, 0, 0) True\n"), ran.stderr[-3000:]
    pillow = [
        line for line in (image.folder / "requirements.txt").read_text().splitlines() if "pillow" in line
    ]
    assert len(pillow) == 1


# -- what is refused ---------------------------------------------------------------------------------


def test_a_model_that_cannot_be_loaded_fails_the_verification(invoke: Invoke, tmp_path: Path) -> None:
    """A .keras file is a zip archive; this one is, and no model."""
    import zipfile

    broken = tmp_path / "broken.keras"
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("config.json", '{"module": "keras", "class_name": "Mine", "config": {}}')
        archive.writestr("metadata.json", '{"keras_version": "3.0.0"}')
    ran = invoke(
        "build-keras", "--release", RELEASE, "--model", str(broken), "--output", str(tmp_path / "dist")
    )
    assert ran.returncode == 7, ran.stderr[-3000:]
    assert f"cannot load {broken}" in ran.stderr
    assert not (tmp_path / "dist" / "keras" / RELEASE / "opt-broken" / "amd64").exists()
