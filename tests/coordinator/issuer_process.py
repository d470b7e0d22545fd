"""An OpenID Connect issuer, as a process of its own: discovery, keys, and the device flow (RFC 8628). `python issuer_process.py [PORT]`.

Whoever is to log in is told by `/people`; `/mint` signs whatever one likes, and `/rotate` gives it another key.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

CLIENT = "atoll"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def packed(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Signing:
    """Its key; `how` is RS256, ES256 or EdDSA."""

    def __init__(self, number: int, how: str) -> None:
        from joserfc.jwk import ECKey, OKPKey, RSAKey

        kid = f"key-{number}"
        made: dict[str, Any] = {
            "RS256": lambda: RSAKey.generate_key(2048, {"kid": kid}),
            "ES256": lambda: ECKey.generate_key("P-256", {"kid": kid}),
            "EdDSA": lambda: OKPKey.generate_key("Ed25519", {"kid": kid}),
        }
        self.key, self.kid, self.how = made[how](), kid, how

    def token(self, claims: dict[str, Any], header: dict[str, Any], how: str) -> str:
        """Signed as it should be; unsigned (`none`); by the public key as a secret (`HS256`); by another key (`forged`)."""
        from joserfc import jws

        given = {"alg": self.how, "kid": self.kid, **header}
        head = {name: value for name, value in given.items() if value is not None}
        body = json.dumps(claims).encode()
        if "crit" in head:  # joserfc would not sign it
            from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
            from cryptography.hazmat.primitives.hashes import SHA256

            whole = f"{packed(json.dumps(head).encode())}.{packed(body)}"
            return f"{whole}.{packed(self.key.private_key.sign(whole.encode(), PKCS1v15(), SHA256()))}"
        if how in ("none", "HS256"):
            said = f"{packed(json.dumps({**head, 'alg': how}).encode())}.{packed(body)}"
            secret = self.key.as_pem(private=False)
            return (
                said + "." + ("" if how == "none" else packed(hmac.digest(secret, said.encode(), "sha256")))
            )
        key = Signing(0, self.how).key if how == "forged" else self.key
        return jws.serialize_compact(head, body, key, algorithms=[self.how])


class Asked(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        own: Any = self.server
        if self.path == "/.well-known/openid-configuration":
            self._say({"issuer": own.url, "jwks_uri": f"{own.url}/jwks", "token_endpoint": f"{own.url}/token",
                       "device_authorization_endpoint": f"{own.url}/device"})  # fmt: skip
        elif self.path == "/jwks":
            own.fetched += 1
            self._say({"keys": [own.signing.key.as_dict(private=False, use="sig")]})
        elif self.path == "/fetched":
            self._say({"fetched": own.fetched})
        else:
            self._say({}, 404)

    def do_POST(self) -> None:
        own: Any = self.server
        body = self.rfile.read(int(self.headers["content-length"] or 0)).decode()
        form = {name: values[-1] for name, values in parse_qs(body).items()}
        if self.path == "/device":
            code = f"device-{len(own.devices)}"
            own.devices[code] = form.get("nonce", "")
            self._say({"device_code": code, "user_code": "WDJB-MJHT", "verification_uri": f"{own.url}/log-in",
                       "expires_in": 60, "interval": 1})  # fmt: skip
        elif self.path == "/token":
            self._say(*own.logged_in(form))
        elif self.path == "/people":
            own.people = json.loads(body)
            self._say({})
        elif self.path == "/rotate":
            own.signing = Signing(int(own.signing.kid[4:]) + 1, json.loads(body))
            self._say({})
        elif self.path == "/mint":
            self._say({"token": own.signing.token(**json.loads(body))})
        else:
            self._say({}, 404)

    def log_message(self, *_: Any) -> None:
        pass

    def _say(self, document: Any, status: int = 200) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Served(ThreadingHTTPServer):
    """The issuer, in its own process."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Asked)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.signing, self.devices, self.fetched = Signing(1, "RS256"), dict[str, str](), 0
        self.people: dict[str, Any] = {}  # what is said of whoever logs in; `error` in place of it

    def logged_in(self, form: dict[str, str]) -> tuple[dict[str, Any], int]:
        nonce = self.devices.get(form.get("device_code", ""))
        if nonce is None or form.get("client_id") != CLIENT or form.get("grant_type") != GRANT:
            return {"error": "invalid_grant"}, 400
        if "email" not in self.people:
            return {"error": self.people.get("error", "authorization_pending")}, 400
        return {"id_token": self.signing.token(claims(self.url, nonce, **self.people), {}, "")}, 200


def claims(url: str, nonce: str | None, **other: Any) -> dict[str, Any]:
    """What a good token says."""
    now = int(time.time())
    said = {"iss": url, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 300, "nonce": nonce,
            "email": "ada@example.org", "email_verified": True}  # fmt: skip
    return {name: value for name, value in {**said, **other}.items() if value is not None}


class Issuer:
    """The process, from outside."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url, self._process = url, process

    def people(self, **said: Any) -> None:
        """Who logs in from now on: an `email`, or an `error`."""
        self._post("/people", said)

    def rotate(self, how: str = "RS256") -> None:
        """It has another key, and no more the one before."""
        self._post("/rotate", how)

    def mint(
        self, nonce: str | None, *, how: str = "", header: dict[str, Any] | None = None, **said: Any
    ) -> str:
        """A token; `None` leaves a claim out."""
        body = {"claims": claims(self.url, nonce, **said), "header": header or {}, "how": how}
        return str(self._post("/mint", body)["token"])

    def fetched(self) -> int:
        """How often its keys were fetched."""
        with urllib.request.urlopen(f"{self.url}/fetched") as answer:
            return int(json.load(answer)["fetched"])

    def end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _post(self, path: str, document: Any) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", json.dumps(document).encode()) as answer:
            return json.load(answer)


@contextlib.contextmanager
def issuer() -> Iterator[Issuer]:
    """One that ends with this."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = Issuer(process.stdout.readline().strip(), process)
        try:
            yield found
        finally:
            found.end()


if __name__ == "__main__":
    served = Served(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(served.url, flush=True)
    served.serve_forever()
