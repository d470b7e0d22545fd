"""Every store, in a world where it can be closed, damaged and made old."""

from __future__ import annotations

import itertools
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from atoll.store import DirectoryStore, MemoryStore, Store, hex_of

if TYPE_CHECKING:
    from atoll.store import S3Store


class World(ABC):
    """A store and its surroundings."""

    store: Store

    def __init__(self) -> None:
        self.now = time.time()

    def clock(self) -> float:
        return self.now

    @abstractmethod
    def reopen(self) -> Store:
        """What another process would find."""

    @abstractmethod
    def damage(self, digest: str, body: bytes) -> None:
        """Put other bytes in the object's place."""


class Memory(World):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.store = self._store = MemoryStore(clock=self.clock)

    def reopen(self) -> Store:
        return self.store

    def damage(self, digest: str, body: bytes) -> None:
        self._store._objects[digest] = (body, self.now)


class Directory(World):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder / "objects"
        self.store = self.reopen()

    def reopen(self) -> Store:
        self.store = DirectoryStore(self._folder, clock=self.clock, reserve=0)
        return self.store

    def damage(self, digest: str, body: bytes) -> None:
        path = self._folder / hex_of(digest)[:2] / hex_of(digest)
        os.chmod(path, 0o600)
        path.write_bytes(body)


class S3(World):
    def __init__(self, folder: Path, endpoint: str) -> None:
        import boto3

        super().__init__()
        self.options: dict[str, Any] = {
            "endpoint": endpoint, "region": "us-east-1", "access_key_id": "a", "secret_access_key": "b",
            "virtual_hosted_style_request": False, "client_options": {"allow_http": True}
        }  # fmt: skip
        self.bucket = folder.name.lower().replace("_", "-")[:40] + f"-{time.time_ns()}"
        self.amazon = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        self.amazon.create_bucket(Bucket=self.bucket)
        self._caches = (folder / f"cache-{n}" for n in itertools.count())
        self.another_machine()

    def another_machine(self) -> Store:
        self.cache = next(self._caches)
        return self.reopen()

    def open(self, **options: Any) -> S3Store:
        from atoll.store import S3Store

        asked = {**self.options, **options}
        return S3Store(
            self.bucket, cache=self.cache, prefix="atoll/", options=asked, clock=self.clock, reserve=0
        )

    def reopen(self) -> Store:
        self.store = self.open()
        return self.store

    def damage(self, digest: str, body: bytes) -> None:
        self.amazon.put_object(Bucket=self.bucket, Key=f"atoll/objects/{hex_of(digest)}", Body=body)
        self.another_machine()  # the cache that still has it whole is not to be asked


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    server = pytest.importorskip("moto.server").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["memory", "directory", "s3"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    if request.param == "memory":
        return Memory(tmp_path)
    if request.param == "directory":
        return Directory(tmp_path)
    bucket: World = request.getfixturevalue("bucket")
    return bucket


@pytest.fixture
def bucket(tmp_path: Path, endpoint: str) -> S3:
    pytest.importorskip("obstore")
    return S3(tmp_path, endpoint)


@pytest.fixture
def store(world: World) -> Store:
    return world.store
