"""Keys: made, kept in a file of their owner's, and never shown."""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
from base64 import b32encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st
from village import outcome

from atoll.identity import IdentityError, Key, PublicKey, from_base64, to_base64

SEED = bytes(range(32))
FIELD = (1 << 255) - 19
WEAK = [
    bytes(32),
    (1).to_bytes(32, "little"),
    (FIELD - 1).to_bytes(32, "little"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]


def refusal(call: object, *args: object) -> str:
    with pytest.raises(IdentityError) as caught:
        call(*args)  # type: ignore[operator]
    return caught.value.code


def test_a_key_is_that_of_rfc_8032():
    secret = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = Key.of_seed(secret)
    assert key.public.raw.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155")


def test_an_id_is_the_fingerprint_of_the_public_half():
    print_of = hashlib.sha256(b"atoll/key/1\n" + Key.of_seed(SEED).public.raw).digest()[:20]
    assert Key.of_seed(SEED).id == "k-" + b32encode(print_of).decode().lower()
    assert len({Key.make().id for _ in range(50)}) == 50


def test_a_signature_is_good_for_its_message_and_key_alone():
    key = Key.of_seed(SEED)
    signature = key.sign(b"message")
    assert key.public.verify(b"message", signature)
    assert not key.public.verify(b"massage", signature)
    assert not Key.make().public.verify(b"message", signature)
    for other in (b"", signature[:-1], signature + b"0", bytes(64), signature[32:] + signature[:32]):
        assert not key.public.verify(b"message", other)


def test_a_saved_key_is_loaded_again_and_its_owner_alone_can_read_it(tmp_path: Path):
    key = Key.make()
    key.save(tmp_path / "key")
    assert Key.load(tmp_path / "key").public == key.public
    assert os.listdir(tmp_path) == ["key"]
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert load_pem_private_key((tmp_path / "key").read_bytes(), None) is not None  # any language can read it


def test_a_key_is_not_written_over_another_by_accident(tmp_path: Path):
    first, second = Key.make(), Key.make()
    first.save(tmp_path / "key")
    assert refusal(second.save, tmp_path / "key") == "identity.key-exists"
    assert Key.load(tmp_path / "key").id == first.id
    second.save(tmp_path / "key", replace=True)
    assert Key.load(tmp_path / "key").id == second.id


def test_a_key_that_could_not_be_written_leaves_nothing(tmp_path: Path):
    (tmp_path / "key").mkdir()
    with pytest.raises(IdentityError) as caught:
        Key.make().save(tmp_path / "key", replace=True)
    assert caught.value.code == "identity.no-key"
    assert os.listdir(tmp_path) == ["key"]
    assert refusal(Key.make().save, tmp_path / "no" / "folder") == "identity.no-key"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o644, 0o666, 0o604, 0o602, 0o620, 0o601])
def test_a_key_that_others_can_use_is_refused(tmp_path: Path, mode: int):
    Key.make().save(tmp_path / "key")
    os.chmod(tmp_path / "key", mode)
    assert refusal(Key.load, tmp_path / "key") == "identity.key-exposed"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600])
def test_a_key_that_a_cluster_gave_is_loaded(tmp_path: Path, mode: int):
    Key.of_seed(SEED).save(tmp_path / "secret")
    os.chmod(tmp_path / "secret", mode)
    (tmp_path / "key").symlink_to("secret")
    assert Key.load(tmp_path / "key").id == Key.of_seed(SEED).id


def pem(secret: object, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "what", ["empty", "noise", "cut", "other curve", "exchange", "locked", "large", "public"]
)
def test_a_file_that_holds_no_such_key_is_refused(tmp_path: Path, what: str):
    Key.of_seed(SEED).save(tmp_path / "good")
    good = (tmp_path / "good").read_bytes()
    secret = load_pem_private_key(good, None)
    content = {
        "empty": lambda: b"",
        "noise": lambda: bytes(range(256)),
        "cut": lambda: good[: len(good) // 2],
        "other curve": lambda: pem(generate_private_key(SECP256R1())),
        "exchange": lambda: pem(X25519PrivateKey.generate()),
        "locked": lambda: pem(secret, b"secret"),
        "large": lambda: b"\n" * 50_000 + good,
        "public": lambda: good.replace(b"PRIVATE", b"PUBLIC"),
    }[what]()
    (tmp_path / "key").write_bytes(content)
    os.chmod(tmp_path / "key", 0o600)
    assert refusal(Key.load, tmp_path / "key") == "identity.bad-key"


def test_a_path_where_no_file_is_holds_no_key(tmp_path: Path):
    assert refusal(Key.load, tmp_path / "key") == "identity.no-key"
    assert refusal(Key.load, tmp_path) == "identity.no-key"


def test_nothing_secret_is_shown():
    key = Key.of_seed(SEED)
    shown = f"{key} {key!r} {[key]}"
    assert shown.count(key.id) == 3
    assert to_base64(SEED) not in shown
    assert SEED.hex() not in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)


@pytest.mark.parametrize("raw", [*WEAK, *[bytes([*w[:31], w[31] | 0x80]) for w in WEAK]])
def test_a_key_for_which_everybody_can_sign_is_refused(raw: bytes):
    assert refusal(PublicKey, raw) == "identity.bad-key"


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33), b"\xff" * 32, FIELD.to_bytes(32, "little")])
def test_bytes_that_are_no_key_are_refused(raw: bytes):
    assert refusal(PublicKey, raw) == "identity.bad-key"


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_seed_has_32_bytes(size: int):
    assert refusal(Key.of_seed, bytes(size)) == "identity.bad-key"


@given(st.binary(max_size=70))
def test_bytes_come_back_out_of_their_text(raw: bytes):
    assert from_base64(to_base64(raw), len(raw)) == raw


@given(st.text(max_size=60))
def test_any_text_is_a_key_or_refused(text: str):
    with outcome() as code:
        assert PublicKey.of(text).text == text
    assert code in ([], ["identity.bad-key"])


TEXT = to_base64(SEED)


@pytest.mark.parametrize(
    "text",
    [
        TEXT + "=",
        TEXT[:-1],
        TEXT + "A",
        TEXT + "\n",
        " " + TEXT,
        TEXT[:-1] + "9",  # the same bytes, and bits that mean nothing
        TEXT.replace("A", "\uff21"),
        TEXT.replace("A", "\u0410"),  # Cyrillic
        to_base64(b"\xff" * 32).replace("_", "/"),
        "\ud800" * 43,
    ],
)
def test_another_way_to_write_a_key_is_refused(text: str):
    assert refusal(from_base64, text, 32) == "identity.bad-key"
