"""Every managed policy AWS publishes (as shipped in moto, Apache-2.0) is stored by IAM, which parses and compiles it.

IAM takes 6,144 characters in one policy and AWS's own may be longer, so long ones go in parts: some statements, or some
elements of one statement. A part says what the whole says of its statements, and each text of the corpus is in some part.
"""

import ast
import collections
import importlib.util
import json
import re
import urllib.parse
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from conftest import ROOT
from documents import documents

CHARS_MAX = 6144


def managed_policies():
    place = Path(importlib.util.find_spec("moto").origin).parent / "iam/aws_managed_policies.py"
    assigned = [node.value for node in ast.parse(place.read_text()).body if isinstance(node, ast.Assign)]
    texts = [value.value for value in assigned if isinstance(value, ast.Constant)]
    return {name: policy["Document"] for name, policy in json.loads(texts[0]).items()}


def size(statements):
    text = json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
    return len("".join(text.split()))


def one_or_many(value):
    return value if isinstance(value, list) else [value]


def halves(statement):
    """A statement that is too long, as two: its longest list is cut in the middle."""
    element = max(("Action", "NotAction", "Resource", "NotResource"), key=lambda name: size(statement.get(name, [])))
    values = one_or_many(statement[element])
    middle = len(values) // 2
    assert middle, f"a single value is too long: {statement}"
    return [statement | {element: values[:middle]}, statement | {element: values[middle:], "Sid": ""}]


def parts(document):
    waiting, part = list(one_or_many(document["Statement"])), []
    while waiting:
        if size([waiting[0]]) > CHARS_MAX:
            waiting[:1] = halves(waiting[0])
        elif size(part + waiting[:1]) > CHARS_MAX:
            yield part
            part = []
        else:
            part.append(waiting.pop(0))
    yield part


def test_all_managed_policies_of_aws_are_stored(empty):
    iam = empty.client("iam")
    policies = managed_policies()
    assert len(policies) > 1500
    refused = {}
    for name, document in policies.items():
        for statements in parts(document):
            text = json.dumps({"Version": document["Version"], "Statement": statements}, separators=(",", ":"))
            try:
                arn = iam.create_policy(PolicyName="corpus", PolicyDocument=text)["Policy"]["Arn"]
            except iam.exceptions.ClientError as error:
                refused[name] = str(error)
            else:
                iam.delete_policy(PolicyArn=arn)
    assert refused == {}


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "Action": "s3:*"},
        {"Effect": "Allow", "Action": "s3GetObject", "Resource": "*"},
        {"Effect": "Permit", "Action": "s3:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"StringMatches": {"k": "v"}}},
    ],
)
def test_what_is_no_policy_is_refused(empty, statement):
    iam = empty.client("iam")
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
        iam.create_policy(PolicyName="corpus", PolicyDocument=text)
    assert iam.list_policies(Scope="Local")["Policies"] == []


class Store:
    """IAM as a place where documents are put and got back: as they are on the wire, before boto3 has decoded them."""

    def __init__(self, iam):
        self.iam, self.bodies = iam, []
        iam.meta.events.register("before-parse.iam.*", lambda response_dict, **_: self.bodies.append(response_dict["body"]))
        iam.create_user(UserName="keeper")

    def element(self, name):
        """What the last answer says in an element, URL-encoded as it is there."""
        return re.search(rf"<{name}>(.*?)</{name}>", self.bodies[-1].decode(), re.DOTALL).group(1)

    def managed(self, text):
        arn = self.iam.create_policy(PolicyName="p", PolicyDocument=text)["Policy"]["Arn"]
        self.iam.get_policy_version(PolicyArn=arn, VersionId="v1")
        kept = self.element("Document")
        self.iam.delete_policy(PolicyArn=arn)
        return kept

    def inline(self, text):
        self.iam.put_user_policy(UserName="keeper", PolicyName="p", PolicyDocument=text)
        self.iam.get_user_policy(UserName="keeper", PolicyName="p")
        return self.element("PolicyDocument")

    def trust(self, text):
        self.iam.create_role(RoleName="r", AssumeRolePolicyDocument=text)
        self.iam.get_role(RoleName="r")
        kept = self.element("AssumeRolePolicyDocument")
        self.iam.delete_role(RoleName="r")
        return kept


def test_every_policy_document_of_the_tree_is_given_back_as_it_was_stored(empty):
    store = Store(empty.client("iam"))
    found = documents(ROOT)
    kept, refused = collections.Counter(), collections.Counter()
    for text, file in found.items():
        # Identity policies have no principals, trust policies do.
        for put in (store.trust,) if "rincipal" in text else (store.inline, store.managed):
            try:
                encoded = put(text)
            except ClientError as error:
                # The tests are full of documents that must be refused, of other kinds and too long for a user.
                refused[error.response["Error"]["Code"]] += 1
                continue
            kept[put.__name__] += 1
            assert re.fullmatch(r"[A-Za-z0-9._~%*+-]*", encoded), f"{file}: {encoded}"
            assert urllib.parse.unquote(encoded) == text, file
    assert set(refused) <= {"MalformedPolicyDocument", "LimitExceeded", "ValidationError"}, refused
    assert kept["managed"] >= 200 and kept["inline"] >= 200 and kept["trust"] >= 10, (kept, refused)


def test_the_walk_finds_documents_in_every_spelling():
    files = set(documents(ROOT).values())
    for part in ("crates/policy-vectors/", "crates/policy/", "services/", "suites/", "examples/notes/template.yaml"):
        assert any(str(file).startswith(part) for file in files), part
