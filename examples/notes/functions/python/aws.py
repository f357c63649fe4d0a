"""A few AWS calls without an SDK: signs with Signature Version 4, standard library only."""

import datetime
import hashlib
import hmac
import json
import os
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as xml


class Refused(Exception):
    """The service said no."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class Credentials:
    """The function's own, from its environment, unless others are given."""

    def __init__(self, key=None, secret=None, token=None):
        self.key = key or os.environ["AWS_ACCESS_KEY_ID"]
        self.secret = secret or os.environ["AWS_SECRET_ACCESS_KEY"]
        self.token = token or os.environ["AWS_SESSION_TOKEN"]


def _send(service, headers, body, credentials):
    endpoint, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"]
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    headers = headers | {"host": endpoint.split("//")[1]}
    if credentials:
        headers |= {"x-amz-date": stamp, "x-amz-security-token": credentials.token}
        names = ";".join(sorted(headers))
        lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
        canonical = "\n".join(["POST", "/", "", *lines, "", names, hashlib.sha256(body).hexdigest()])
        scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + credentials.secret).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
    request = urllib.request.Request(endpoint + "/", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=8) as answer:
            return answer.read()
    except urllib.error.HTTPError as refusal:
        raise _refused(refusal.read()) from None


def _refused(raw):
    try:
        said = json.loads(raw)
        return Refused(said.get("__type", "?").split("#")[-1], said.get("message") or said.get("Message", ""))
    except ValueError:
        found = {element.tag.split("}")[-1]: element.text or "" for element in xml.fromstring(raw).iter()}
        return Refused(found.get("Code", "?"), found.get("Message", ""))


def call(service, target, payload, credentials=None, signed=True):
    """A JSON call, e.g. call("dynamodb", "DynamoDB_20120810.PutItem", {...})."""
    version = "1.0" if service == "dynamodb" else "1.1"
    headers = {"content-type": f"application/x-amz-json-{version}", "x-amz-target": target}
    chosen = (credentials or Credentials()) if signed else None
    return json.loads(_send(service, headers, json.dumps(payload).encode(), chosen) or b"{}")


def as_user(sub):
    """Credentials of the user role, tagged with the user: all they can reach is that user's items."""
    query = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": os.environ["USER_ROLE"],
        "RoleSessionName": sub,
        "DurationSeconds": "900",
        "Tags.member.1.Key": "user",
        "Tags.member.1.Value": sub,
    }
    headers = {"content-type": "application/x-www-form-urlencoded"}
    raw = _send("sts", headers, urllib.parse.urlencode(query).encode(), Credentials())
    found = {element.tag.split("}")[-1]: element.text for element in xml.fromstring(raw).iter()}
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
