#!/usr/bin/env python3
"""Lists what is linked into opwatch, as a CycloneDX 1.5 bill of materials on standard output.

Crates and how they depend on each other are those of `cargo metadata` for one platform, without what only tests, benches
and build scripts use; checksums are those of `Cargo.lock`. The same sources give the same bill.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tomllib
import uuid
from datetime import datetime, timezone

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--triple", default="x86_64-unknown-linux-gnu", help="the platform")
    triple = parser.parse_args().triple
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", triple]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))
    checksums = {(one["name"], one["version"]): one.get("checksum") for one in lock["package"]}
    packages = {package["id"]: package for package in metadata["packages"]}
    root = metadata["resolve"]["root"]
    graph = linked(metadata["resolve"], root)
    components = sorted((component(packages[name], checksums) for name in graph if name != root), key=lambda one: one["bom-ref"])
    main_component = {**component(packages[root], checksums), "type": "application"}
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # Of what is listed, so that the same sources have the same number.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components, sort_keys=True))}",
        "version": 1,
        "metadata": {"timestamp": timestamp(), "component": main_component},
        "components": components,
        "dependencies": sorted(
            ({"ref": purl(packages[name]), "dependsOn": sorted({purl(packages[one]) for one in needs})} for name, needs in graph.items()),
            key=lambda one: one["ref"],
        ),
    }
    print(json.dumps(bill, indent=1))


def linked(resolve, root):
    """From each crate that is linked in to those it needs; procedural macros are among them, as cargo does not tell."""
    nodes = {node["id"]: node for node in resolve["nodes"]}
    graph, open_ids = {}, [root]
    while open_ids:
        name = open_ids.pop()
        if name in graph:
            continue
        needs = [one["pkg"] for one in nodes[name]["deps"] if any(kind["kind"] is None for kind in one["dep_kinds"])]
        graph[name] = needs
        open_ids += needs
    return graph


def timestamp():
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if seconds is None:
        run = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
        seconds = run.stdout.strip() or "0"
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, checksums):
    found = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package.get("description"):
        found["description"] = package["description"].strip()
    if package.get("license"):
        # `A/B` is how crates used to write `A OR B`.
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return found


if __name__ == "__main__":
    main()
