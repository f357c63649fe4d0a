"""Makes functions for tests: a package from text, a role, and the function."""

import io
import json
import sys
import uuid
import zipfile

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def package(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            # Bytes are a program.
            entry.external_attr = (0o755 if isinstance(content, bytes) else 0o644) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def runtimes(server):
    """The managed runtimes of this machine, as `casemate doctor` lists them."""
    import re

    return re.findall(r"^  ((?:python|nodejs)[\w.]+)", server.casemate("doctor").stdout, re.MULTILINE)


def node_runtime(server):
    return next(runtime for runtime in runtimes(server) if runtime.startswith("nodejs"))


def role(server, name, statements):
    iam = server.client("iam")
    trust = {"Statement": {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}}
    arn = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17"} | trust)
    )["Role"]["Arn"]
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document)
    return arn


class Function:
    """One function with a role of its own."""

    def __init__(self, server, files, runtime=PYTHON, handler="app.handler", statements=(), **settings):
        self.server = server
        self.name = f"f-{uuid.uuid4().hex[:10]}"
        self.lambda_ = self.client()
        self.role = role(server, self.name, list(statements))
        self.arn = self.lambda_.create_function(
            FunctionName=self.name, Runtime=runtime, Handler=handler, Role=self.role,
            Code={"ZipFile": package(files)}, **({"Timeout": 20} | settings),
        )["FunctionArn"]

    def client(self, **credentials):
        return self.server.client("lambda", **credentials)

    def invoke(self, event=None, **options):
        answer = self.lambda_.invoke(FunctionName=self.name, Payload=json.dumps(event or {}), **options)
        raw = answer["Payload"].read()
        return answer, (json.loads(raw) if raw else None)
