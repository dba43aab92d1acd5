"""The bill of materials is one by the schema of CycloneDX, and has every crate that is linked in: `bill.py < sbom.json`."""

import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

text = sys.stdin.read()
error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
bill = json.loads(text)
names = {component["name"] for component in bill["components"]}
refs = {component["bom-ref"] for component in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
missing = {"rustls", "ring", "hyper", "libsqlite3-sys", "tokio"} - names
tests_only = {"criterion", "proptest"} & names
dangling = {need for one in bill["dependencies"] for need in one["dependsOn"]} - refs
unlicensed = [component["name"] for component in bill["components"] if not component.get("licenses")]
unhashed = [component["name"] for component in bill["components"] if not component.get("hashes")]
for fault in (error, missing, tests_only, dangling, unlicensed, unhashed):
    if fault:
        sys.exit(f"bill of materials: {fault}")
print(f"bill of materials: {len(names)} crates, valid by CycloneDX 1.5, all with a license and a checksum")
