"""A bucket of objects: what it alone does."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import urllib.request
from typing import Any

import pytest

from atoll.store import digest_bytes, hex_of
from atoll.values import ObjectDamaged, StoreError

A = b"an object " * 1000
DIGEST = digest_bytes(A)


def keys(bucket: Any) -> list[str]:
    return [o["Key"] for o in bucket.amazon.list_objects_v2(Bucket=bucket.bucket).get("Contents", [])]


def test_another_machine_finds_what_one_has_put(bucket: Any) -> None:
    bucket.store.put(DIGEST, A)
    there = bucket.another_machine()
    assert there.has([DIGEST]) == {DIGEST}
    assert bytes(there.open(DIGEST)) == A
    assert there.read(DIGEST, 3, 7) == A[3:10]


def test_an_object_of_many_megabytes_goes_there_and_back(bucket: Any) -> None:
    body = random.Random(0).randbytes(23 << 20)
    bucket.store.put(digest_bytes(body), body)
    assert bytes(bucket.another_machine().open(digest_bytes(body))) == body


def test_a_download_that_was_cut_off_goes_on_at_the_byte(bucket: Any) -> None:
    bucket.store.put(DIGEST, A)
    there = bucket.another_machine()
    with there._local.receive(DIGEST, len(A)) as part:
        part.write(A[:4_000])
    asked = []
    get = bucket.store._bucket.get

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(get.__self__, name)

        def get(self, path: str, **options: Any) -> Any:
            asked.append(options["options"]["range"])
            return get(path, **options)

    there._bucket = Watched()
    assert bytes(there.open(DIGEST)) == A
    assert asked == [{"offset": 4_000}]


def test_a_damaged_object_is_put_aside_in_the_bucket_until_a_sweep(bucket: Any) -> None:
    bucket.store.put(DIGEST, A)
    bucket.damage(DIGEST, A[:-1] + b"!")
    with pytest.raises(ObjectDamaged):
        bucket.store.open(DIGEST)
    assert keys(bucket) == [f"atoll/damaged/{hex_of(DIGEST)}"]
    bucket.store.sweep(set(), 3_600)
    assert len(keys(bucket)) == 1
    bucket.now += 86_400
    bucket.store.sweep(set(), 3_600)
    assert keys(bucket) == []


def test_an_object_that_did_not_reach_the_bucket_is_sent_again_without_its_bytes(bucket: Any) -> None:
    bucket.store._local.put(DIGEST, A)  # a machine that died between its disk and the bucket
    again = bucket.reopen()
    assert again.has([DIGEST]) == set()
    with again.receive(DIGEST, len(A)) as part:
        assert part.held == len(A)
        part.finish()
    assert bytes(bucket.another_machine().open(DIGEST)) == A


PROGRAM = """
import json, sys
from pathlib import Path
from atoll.store import S3Store, digest_bytes
bucket, cache, options = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
body = b"an object " * 1000
store = S3Store(bucket, cache=cache, prefix="atoll/", options=options)
with store.receive(digest_bytes(body), len(body)) as part:
    part.write(body[part.held:])
    part.finish()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("place", ["store.before-upload", "store.after-upload"])
def test_killed_around_the_upload_an_object_is_whole_or_not_there(bucket: Any, place: str) -> None:
    asked = [sys.executable, "-c", PROGRAM, bucket.bucket, str(bucket.cache), json.dumps(bucket.options)]
    assert subprocess.run(asked, env={**os.environ, "ATOLL_FAILPOINT": place}).returncode == -signal.SIGKILL
    assert bucket.reopen().has([DIGEST]) == ({DIGEST} if place == "store.after-upload" else set())
    assert subprocess.run(asked).returncode == 0
    assert bytes(bucket.another_machine().open(DIGEST)) == A


def written(address: str, body: bytes) -> urllib.request.Request:
    return urllib.request.Request(address, body, {"Content-Type": "application/octet-stream"}, method="PUT")


def test_who_has_the_address_reads_and_writes_one_object(bucket: Any) -> None:
    address = bucket.store.presign(DIGEST, method="PUT", seconds=60)
    urllib.request.urlopen(written(address, A))
    assert bytes(bucket.store.open(DIGEST)) == A
    with urllib.request.urlopen(bucket.store.presign(DIGEST)) as answer:
        assert answer.read() == A


def test_what_others_wrote_through_an_address_is_checked_when_it_is_read(bucket: Any) -> None:
    address = bucket.store.presign(DIGEST, method="PUT", seconds=60)
    urllib.request.urlopen(written(address, A[:-1] + b"?"))
    with pytest.raises(ObjectDamaged):
        bucket.store.open(DIGEST)
    assert bucket.store.has([DIGEST]) == set()


def test_a_bucket_that_does_not_answer_is_told(bucket: Any) -> None:
    store = bucket.open(endpoint="http://127.0.0.1:9", retry_config={"max_retries": 0})
    for attempt in (lambda: store.has([DIGEST]), lambda: store.put(DIGEST, A), lambda: list(store.digests())):
        with pytest.raises(StoreError) as refused:
            attempt()
        assert refused.value.code == "store.unreachable"
        assert bucket.bucket in refused.value.message
