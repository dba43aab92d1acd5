"""Custom resources, checked strictly by their definitions: what a definition does not name is a fault."""

import pathlib

import jsonschema
import yaml

DEFINITIONS = pathlib.Path(__file__).parent / "crds"


def load():
    """The schema of each (apiVersion, kind) in `crds/`."""
    schemas = {}
    for path in sorted(DEFINITIONS.glob("*.yaml")):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        for version in spec["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            make_strict(schema)
            # Checked by the API server like that of every object, not by the definition.
            schema["properties"]["metadata"] = {"type": "object"}
            schemas[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return schemas


def make_strict(schema):
    if isinstance(schema, list):
        for part in schema:
            make_strict(part)
    if not isinstance(schema, dict):
        return
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if schema.get("type") == "object" and "properties" in schema and not open_ended:
        schema["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
        schema["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    for part in list(schema.values()):
        make_strict(part)


def faults(manifest, schemas):
    """What is wrong with it; None if there is no definition of its kind."""
    schema = schemas.get((manifest.get("apiVersion"), manifest.get("kind")))
    if schema is None:
        return None
    errors = jsonschema.Draft202012Validator(schema).iter_errors(manifest)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in errors]
