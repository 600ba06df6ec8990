"""Clones in a folder, a mirror, a cache, and a release whose source asks for what lies in the clones."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from tests.support.git_repositories import Repository, new_repository
from tests.support.reporters import ListReporter
from tfbuild.base.arch import Arch
from tfbuild.base.urls import parse_mirror_rules
from tfbuild.base.values import Product
from tfbuild.cli.lock import ReadFrom, refresh
from tfbuild.downloads.fetch import Fetcher
from tfbuild.downloads.git import GitSources
from tfbuild.downloads.mirrors import url_resolver
from tfbuild.machine.cache import prepare_cache
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.products.tflite.lock.make import LockEffects, make_lock
from tfbuild.products.tflite.lock.texts import source_texts
from tfbuild.products.tflite.release import Upstream, UpstreamBuildFiles, UpstreamRepin
from tfbuild.releases.keys import Release, Source
from tfbuild.releases.load import load_release
from tfbuild.releases.lock import Lock, read_lock
from tfbuild.releases.state import ReleaseLock

PROJECT = Path(__file__).resolve().parents[2]
MODULES = "tensorflow/lite/tools/cmake/modules"
MIT = "Permission is hereby granted, free of charge, to any person ... without restriction"
LOCK = "x.lock.json"


class World:
    """Clones in a folder, a cache, and a release whose source archive is made here."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clones = root / "clones"
        self.mirror = root / "mirror"
        self.notes: list[str] = []
        self.files: dict[str, str] = {}
        self.repins: tuple[UpstreamRepin, ...] = ()
        self.build_files: UpstreamBuildFiles | None = None

    def repository(self, name: str, files: dict[str, str] | None = None) -> tuple[Repository, str]:
        made = new_repository(self.clones / "github.com" / "o" / name)
        return made, made.commit({"LICENSE": MIT, "code.c": f"// {name}\n", **(files or {})})

    def want(self, name: str, ref: str, repository: str = "") -> None:
        where = f"GIT_REPOSITORY https://github.com/o/{repository or name}"
        self.files[f"{MODULES}/{name}.cmake"] = f"FetchContent_Declare({name} {where} GIT_TAG {ref})"

    @property
    def archive(self) -> Path:
        path = self.root / "source.tar"
        with tarfile.open(path, "w") as out:
            for name, text in sorted(self.files.items()):
                member = tarfile.TarInfo(f"tensorflow-1/{name}")
                member.size = len(text.encode())
                out.addfile(member, io.BytesIO(text.encode()))
        return path

    @property
    def texts(self) -> dict[str, str]:
        return source_texts(self.archive, "tensorflow-1")

    @property
    def release(self) -> Release:
        plain = load_release(PROJECT, Product.TFLITE, "2.20.0")
        source = Source(
            name="tensorflow-1",
            urls=("https://github.com/o/tensorflow/archive/1.tar",),
            sha256=hashlib.sha256(self.archive.read_bytes()).hexdigest(),
            filename="source.tar",
            strip_prefix="tensorflow-1",
        )
        upstream = Upstream(repins=self.repins, build_files=self.build_files)
        return plain.model_copy(update={"source": source, "upstream": upstream})

    def effects(self, clones: bool = True, offline: bool = True) -> LockEffects:
        rules = parse_mirror_rules(f"https://={self.mirror}/")
        cache = prepare_cache(self.root / "cache")
        fetcher = Fetcher(cache, reporter=ListReporter(), offline=offline, resolve_urls=url_resolver(rules))
        scratch = self.root / "scratch"
        scratch.mkdir(exist_ok=True)
        return LockEffects(
            git=GitSources(SubprocessRunner(), scratch, self.clones if clones else self.root / "none"),
            fetch=fetcher.fetch,
            fetch_unhashed=fetcher.fetch_unhashed,
            adopt=fetcher.adopt,
            scratch=scratch,
            note=self.notes.append,
        )

    def lock(self, old: Lock | None = None, **options: bool) -> Lock:
        return make_lock(self.release, self.texts, old or Lock(), self.effects(**options)).lock

    def refresh(self, check: bool = False, **options: bool) -> None:
        release = self.release
        old = ReleaseLock(LOCK, read_lock(self.root / LOCK, LOCK))
        pin = release.pins(Arch.AMD64)[0]
        refresh(
            release,
            old,
            ReadFrom(self.texts, source=(pin, self.archive)),
            self.effects(**options),
            project=self.root,
            mirror=self.mirror,
            check=check,
        )
