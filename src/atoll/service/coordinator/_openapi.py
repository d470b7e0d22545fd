"""The OpenAPI document of the API, made of its routes.

Doesn't know more than they tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from atoll.service.coordinator._route import ANYONE, TEXT, Route
from atoll.wire import About, Fetch, Problem, Stored

ALWAYS = (400, 401, 403, 405, 413, 429, 503)  # statuses that any request may get
_SIGNED = "RFC 9421, Ed25519, tag `atoll`: @method, @path, @query, atoll-audience; and content-digest, or content-length of a PUT"
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "of a coordinator that its own machine alone reaches"},
    "signature": {"type": "apiKey", "in": "header", "name": "Signature", "description": _SIGNED},
    "signature-input": {"type": "apiKey", "in": "header", "name": "Signature-Input", "description": "what is signed, when, and the key's id"},
    "audience": {"type": "apiKey", "in": "header", "name": "Atoll-Audience", "description": "the id of the coordinator's key: /v1/about"},
}  # fmt: skip
_TOKEN: dict[str, list[str]] = {"token": []}
_SIGNATURE: dict[str, list[str]] = {"signature": [], "signature-input": [], "audience": []}
_REF = "#/components/schemas/{name}"


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """OpenAPI 3.1."""
    kinds = [k for r in routes for k in (r.body, r.answer) if k] + [About, Problem, Stored, Fetch]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    paths |= _others()
    return {
        "openapi": "3.1.0",
        "info": {"title": "Atoll coordinator", "version": version},
        "paths": paths,
        "components": {
            "schemas": _plain(schemas),
            "securitySchemes": _SCHEMES,
        },
        "security": [_TOKEN, _SIGNATURE],
    }


def _operation(route: Route) -> dict[str, Any]:
    words = [w for w in re.split(r"[/{}]+", route.path.removeprefix("/v1")) if w]
    parameters = [_parameter(name, "path", TEXT) for name in re.findall(r"\{(\w+)\}", route.path)]
    parameters += [_parameter(name, "query", schema) for name, schema in route.query.items()]
    operation: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *words]),
        "parameters": parameters,
        "responses": {"200": _said(route.answer), **_problems(*ALWAYS, *route.statuses)},
    }
    if route.permission is ANYONE:
        operation["security"] = [_TOKEN, {}]
    if route.body:
        operation["requestBody"] = {"required": True, "content": _content(route.body)}
    return operation


def _others() -> dict[str, Any]:
    anything = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    digest = [_parameter("digest", "path", {**TEXT, "pattern": "^sha256:[0-9a-f]{64}$"})]
    bytes_back = {"description": "the bytes", "content": anything}
    federation = [_parameter("federation", "query", TEXT)]
    text = {"description": "text", "content": {"text/plain": {"schema": {"type": "string"}}}}
    status = {"description": "its status", "content": {"application/json": {"schema": {"type": "object"}}}}
    one = {"get": {"operationId": "get_object", "parameters": digest,
                   "responses": {"200": bytes_back, "206": bytes_back, **_problems(*ALWAYS, 404, 409, 416)}}}  # fmt: skip
    return {
        "/v1/about": {"get": {"operationId": "about", "security": [_TOKEN, {}], "responses": {"200": _said(About), **_problems(*ALWAYS)}}},
        "/v1/objects": {"put": {
            "operationId": "put_objects", "parameters": federation, "requestBody": {"required": True, "content": anything},
            "responses": {"200": _said(Stored), **_problems(*ALWAYS, 404, 409)}}},
        "/v1/objects/fetch": {"post": {
            "operationId": "fetch_objects", "requestBody": {"required": True, "content": _content(Fetch)},
            "responses": {"200": bytes_back, **_problems(*ALWAYS, 404, 409)}}},
        "/v1/objects/{digest}": one,
        "/v1/bundles/{digest}": {"get": {**one["get"], "operationId": "get_bundle"}},
        "/healthz": {"get": {"operationId": "healthz", "security": [], "responses": {"200": status}}},
        "/readyz": {"get": {"operationId": "readyz", "security": [], "responses": {"200": status, "503": status}}},
        "/metrics": {"get": {"operationId": "metrics", "responses": {"200": text, **_problems(*ALWAYS)}}},
    }  # fmt: skip


def _plain(schema: Any) -> Any:
    r"""A schema whose patterns end as everybody's do: what is `\Z` to Python, to which `$` is before a last newline too."""
    if isinstance(schema, dict):
        return {
            k: v.replace(r"\Z", "$") if k == "pattern" and isinstance(v, str) else _plain(v)
            for k, v in schema.items()
        }
    return [_plain(each) for each in schema] if isinstance(schema, list) else schema


def _parameter(name: str, where: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


def _said(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"description": (kind.__doc__ or "").split("\n")[0], "content": _content(kind)}


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(s): {"description": "refused", "content": _content(Problem)} for s in sorted(set(statuses))}


def _content(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(name=kind.__name__)}}}
