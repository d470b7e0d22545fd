"""A client that signs, a way that may change what passes, and a door that checks, without a network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from atoll.identity import IdentityError, Key, Nonces, Proof, PublicKey, Signer, Verifier, read_signature

KEY, STRANGER, COORDINATOR, ANOTHER = (Key.of_seed(bytes([n]) * 32) for n in (1, 2, 3, 4))
START = 1_700_000_000.0
NOW = START + 10_000


class Fields:
    """Headers as servers have them: names in any case, several values of one name."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def get_all(self, name: str, /) -> list[str]:
        return [value for one, value in self._pairs if one.lower() == name.lower()]


@dataclass(frozen=True)
class Request:
    """A request on its way."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    more: list[tuple[str, str]] = field(default_factory=list)  # headers that somebody added

    def but(self, **changed: object) -> Request:
        return replace(self, **changed)  # type: ignore[arg-type]

    def with_header(self, name: str, value: str | None) -> Request:
        """Another value, or none."""
        kept = {n: v for n, v in self.headers.items() if n != name}
        return self.but(headers=kept if value is None else {**kept, name: value})

    def with_edit(self, name: str, old: str, new: str) -> Request:
        assert old in self.headers[name]
        return self.with_header(name, self.headers[name].replace(old, new, 1))


class Clock:
    def __init__(self, time: float = NOW) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time


class Door:
    """A coordinator that knows one key. `clock` is its own, `theirs` the client's."""

    def __init__(self, begun: float = START) -> None:
        self.clock, self.theirs = Clock(), Clock()
        self.known: dict[str, PublicKey] = {KEY.id: KEY.public}
        self.signer = Signer(KEY, COORDINATOR.id, self.theirs)
        self.begin(begun)

    def begin(self, begun: float, **limits: int) -> None:
        self.nonces = Nonces(begun, **limits)
        self.verifier = Verifier(COORDINATOR.id, self.clock, self.nonces, self.known.get)

    def sign(
        self,
        method: str = "POST",
        target: str = "/v1/nodes/poll",
        body: bytes = b"",
        *,
        length: int | None = None,
        by: Key = KEY,
        audience: str = COORDINATOR.id,
    ) -> Request:
        signer = self.signer if (by, audience) == (KEY, COORDINATOR.id) else Signer(by, audience, self.theirs)
        headers = signer.headers(method, target, body=body, length=length)
        size = length if length is not None else len(body)
        return Request(method, target, {**headers, "content-length": str(size)}, body)

    def admit(self, request: Request) -> Proof:
        """What a server does: the signature first, then the body."""
        path, _, query = request.target.partition("?")
        presented = read_signature(Fields([*request.headers.items(), *request.more]))
        proof = self.verifier.check(presented, request.method, unquote(path), query)
        if proof.length is None:
            proof.check(request.body)
        else:
            proof.check_length(len(request.body))
        return proof

    def code(self, request: Request) -> str:
        try:
            self.admit(request)
        except IdentityError as error:
            return error.code if error.message and error.mend else "said nothing"
        return "admitted"
