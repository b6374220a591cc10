#!/usr/bin/env python3
"""Compiles every header alone and demands a doc block on every function that a header exports.

usage: check_headers.py [compiler]    (from the repository root)
exit:  0 clean, 1 findings
"""
import os, re, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor

FOLDERS = ("engine", "codecs", "sfu", "gatewayd", "control", "nexus", "loadtest", "tools")
PROTOTYPE = re.compile(r"^(?!typedef|#|struct [a-z_0-9]+ \{|enum|extern|static inline|/)[A-Za-z_][\w\s\*]*?\b(\w+)\((?!\*)[^;{]*\)\s*;", re.M | re.S)

PACKAGES = subprocess.run(["pkg-config", "--cflags", "libpq"], capture_output=True, text=True).stdout.split()  # not in /usr/include


def headers():
    for top in FOLDERS:
        for root, _, files in os.walk(top):
            for name in sorted(files):
                if name.endswith(".h"):
                    yield os.path.join(root, name)


def compiles_alone(compiler, path, generated):
    unit = f'#include "{path}"\ntypedef int header_alone;\n'
    run = subprocess.run([compiler, "-std=gnu17", "-D_GNU_SOURCE", "-I.", f"-I{generated}", *PACKAGES, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-"],
                         input=unit, capture_output=True, text=True)
    return [] if run.returncode == 0 else [f"{path}:1: alone: does not compile alone: {run.stderr.strip().splitlines()[0]}"]


def documented(path):
    text = open(path).read()
    findings = []
    if not text.startswith("/* " + os.path.basename(path) + " - "):
        findings.append(f"{path}:1: banner: the file begins with /* {os.path.basename(path)} - one sentence")
    code = re.sub(r"\\\n", " ", text)
    code = "\n".join(row for row in code.split("\n") if not row.startswith("#"))
    position = 0
    for match in PROTOTYPE.finditer(code):
        between = code[position:match.start()]
        if not between.rstrip().endswith("*/") or "/**" not in between:
            if not re.search(r"/\*\*[^*]*(\*(?!/)[^*]*)*\*/\s*$", between):
                findings.append(f"{path}:{code[:match.start()].count(chr(10)) + 1}: doc: {match.group(1)}() has no doc block")
        position = match.end()
    return findings


def main():
    compiler = sys.argv[1] if len(sys.argv) > 1 else "cc"
    generated = sys.argv[2] if len(sys.argv) > 2 else "build/dev/generated"
    paths = list(headers())
    findings = []
    with ThreadPoolExecutor(2) as pool:
        for rows in pool.map(lambda p: compiles_alone(compiler, p, generated) + documented(p), paths):
            findings += rows
    print("\n".join(findings) or f"headers: {len(paths)} compile alone and are documented")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
