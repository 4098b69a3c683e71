"""Which answer names what another operation takes: OpenAPI links, for clients and for tests that go on from there."""

from typing import Any

_SCHEMAS = "#/components/schemas/"

type Schema = dict[str, Any]


def link(paths: dict[str, dict[str, Any]], schemas: dict[str, Schema]) -> None:
    """Add to each good answer that has an id, or a list of them, the operations on what it names.

    `POST /things` and `GET /things` lead to `/things/{thing}` and to whatever lies below it.
    """
    for path, methods in paths.items():
        for described in methods.values():
            found: Schema = next((answer for status, answer in described["responses"].items() if status < "300"), {})
            content: Schema = next(iter(found.get("content", {}).values()), {})
            if (at := _id_in(content.get("schema", {}), schemas)) and (links := _links(path, at, paths)):
                found["links"] = links


def _id_in(schema: Schema, schemas: dict[str, Schema]) -> str | None:
    """Return where an answer has the id of what it is about; in a list, of the first."""
    properties = _properties(schema, schemas)
    if "id" in properties:
        return "/id"
    items = properties.get("items", {}).get("items", {})
    return "/items/0/id" if "id" in _properties(items, schemas) else None


def _properties(schema: Schema, schemas: dict[str, Schema]) -> dict[str, Schema]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix(_SCHEMAS)]
    properties: dict[str, Schema] = schema.get("properties", {})
    return properties


def _links(path: str, at: str, paths: dict[str, dict[str, Any]]) -> dict[str, Any]:
    known = {name: f"$request.path.{name}" for name in _parameters(path)}
    links: dict[str, Any] = {}
    for other, methods in paths.items():
        if not other.startswith(f"{path}/{{"):
            continue
        new = [name for name in _parameters(other) if name not in known]
        if len(new) == 1:
            takes = known | {new[0]: f"$response.body#{at}"}
            links |= {each["operationId"]: _link(each["operationId"], takes) for each in methods.values()}
    return links


def _link(id: str, takes: dict[str, str]) -> dict[str, Any]:
    return {"operationId": id, "parameters": takes}


def _parameters(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]
