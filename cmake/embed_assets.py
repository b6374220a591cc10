#!/usr/bin/env python3
"""Turns the built web client into one C file: a table of path, type, etag, bytes and their gzip form.

usage: embed_assets.py FOLDER OUT.c
       a FOLDER without index.html gives one plain page that says how to build the client, so that the C build needs no node.
"""
import gzip, hashlib, os, re, sys

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".svg": "image/svg+xml", ".json": "application/json", ".png": "image/png", ".ico": "image/x-icon",
         ".webp": "image/webp", ".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8", ".wasm": "application/wasm",
         ".webmanifest": "application/manifest+json", ".map": "application/json"}
NOTICE = (b"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Nexus</title><h1>Nexus is running</h1>"
          b"<p>This build has no web client inside. Build it with <code>npm ci &amp;&amp; npm run build</code> in "
          b"<code>web/</code>, then build again.</p></html>\n")
HASHED = re.compile(r"-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$")


def files_of(folder):
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                found["/" + os.path.relpath(path, folder).replace(os.sep, "/")] = file.read()
    return found if "/index.html" in found else {"/index.html": NOTICE}


def array(name, data):
    rows = [",".join(str(b) for b in data[i:i + 32]) for i in range(0, len(data), 32)]
    return f"static const uint8_t {name}[] = {{\n" + ",\n".join(rows or ["0"]) + "};\n"


def main():
    folder, out = sys.argv[1:]
    text = ['#include "gatewayd/node/assets.h"\n']
    rows = []
    for i, (path, data) in enumerate(sorted(files_of(folder).items())):
        packed = gzip.compress(data, 9, mtime=0)
        pays = len(packed) < len(data) * 0.95
        text.append(array(f"file_{i}", data))
        if pays:
            text.append(array(f"packed_{i}", packed))
        etag = '\\"' + hashlib.sha256(data).hexdigest()[:24] + '\\"'
        kind = TYPES.get(os.path.splitext(path)[1], "application/octet-stream")
        fixed = "true" if HASHED.search(path) and path.startswith("/assets/") else "false"
        rows.append(f'    {{"{path}", "{kind}", "{etag}", file_{i}, {len(data)}, '
                    + (f"packed_{i}, {len(packed)}" if pays else "NULL, 0") + f", {fixed}}},")
    text.append("const struct gw_assets_file gw_assets_files[] = {\n" + "\n".join(rows) + "\n};\n")
    text.append(f"const size_t gw_assets_files_count = {len(rows)};\n")
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    with open(out, "w") as file:
        file.write("\n".join(text))


if __name__ == "__main__":
    main()
