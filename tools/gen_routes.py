#!/usr/bin/env python3
"""Makes the route table of control/api and the served JSON description from api/openapi.yaml.

usage: gen_routes.py api/openapi.yaml <output folder>
makes: api_routes.inc (one API_ROUTE row per operation), api_openapi.inc (JSON as bytes)
fails: with one line when an operation lacks what the table needs
"""
import json, os, re, sys
import yaml

METHODS = ("get", "post", "put", "patch", "delete")


def fail(text):
    sys.exit(f"gen_routes: {text}")


def body_max(operation):
    return operation.get("x-nexus-body-max", 65536) if "requestBody" in operation else 0


def refused(api, operation):
    """Members of the body, or of its elements, that are answered with 400 instead of being dropped."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = schema.get("items", schema)
    if "$ref" in schema:
        schema = api["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    names = schema.get("x-nexus-refused", [])
    both = set(names) & set(schema.get("properties", {}))
    if both:
        fail(f"{operation['operationId']}: {sorted(both)} is both taken and refused")
    return "".join(f"{name}\\0" for name in names)


def row(api, path, method, operation):
    name = operation.get("operationId") or fail(f"{method} {path}: no operationId")
    if not re.fullmatch(r"[a-z]+(_[a-z]+)+", name):
        fail(f"{name}: must be words joined by _")
    auth = operation.get("x-nexus-auth")
    if auth not in ("none", "user"):
        fail(f"{name}: x-nexus-auth must be none or user")
    scope = operation.get("x-nexus-scope", "none")
    if scope not in ("none", "guild", "channel"):
        fail(f"{name}: x-nexus-scope must be guild or channel")
    permissions = operation.get("x-nexus-permission", [])
    if permissions and scope == "none":
        fail(f"{name}: a permission needs a scope")
    if not operation.get("x-nexus-matrix"):
        fail(f"{name}: no x-nexus-matrix: nothing shows who may call it")
    count, seconds = operation.get("x-nexus-bucket") or fail(f"{name}: no x-nexus-bucket")
    bits = " | ".join("PERM_" + p for p in permissions) or "0"
    keeps = "true" if operation.get("x-nexus-keeps-answer") else "false"
    required = "true" if operation.get("requestBody", {}).get("required") else "false"
    return (f'API_ROUTE({method.upper()}, "{path}", {name}, {auth.upper()}, {scope.upper()}, ({bits}), {count}, {seconds}, '
            f'{body_max(operation)}, {required}, {keeps}, "{refused(api, operation)}")')


def write(path, text):
    old = open(path).read() if os.path.exists(path) else None
    if old != text:
        with open(path, "w") as f:
            f.write(text)


def main():
    source, folder = sys.argv[1:3]
    with open(source) as f:
        api = yaml.safe_load(f)
    rows, names = [], []
    for path, item in api["paths"].items():
        for method in METHODS:
            if method in item:
                rows.append(row(api, path, method, item[method]))
                names.append(item[method]["operationId"])
                del item[method]["x-nexus-matrix"]  # the tests' business
    if len(set(names)) != len(names):
        fail("an operationId comes twice")
    os.makedirs(folder, exist_ok=True)
    write(os.path.join(folder, "api_routes.inc"), "\n".join(rows) + "\n")
    data = json.dumps(api, separators=(",", ":"), ensure_ascii=True).encode()
    lines = [",".join(str(b) for b in data[i:i + 32]) + "," for i in range(0, len(data), 32)]
    write(os.path.join(folder, "api_openapi.inc"), "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
