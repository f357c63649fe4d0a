"""Every signature form as real clients make it, verified by the same code that guards the platform.

The forms that only an object store takes (chunked bodies, browser forms, unsigned bodies, presigned uploads) go to the
`verifier` example of crates/sigv4, which judges each request and stores nothing. The others go to the platform itself.
"""

import hashlib
import os
import socket
import socketserver
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
import requests
from awscrt import auth as crt_auth
from awscrt import http as crt_http
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import ROOT

JS = Path(__file__).parent / "js"
KEY, SECRET = "AKIDVERIFIED", "a secret/with+signs"
LARGE = os.urandom(20 << 20)


@pytest.fixture(scope="module")
def verifier():
    subprocess.run(
        ["cargo", "build", "--quiet", "--locked", "-p", "casemate-sigv4", "--example", "verifier"], cwd=ROOT, check=True
    )
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    process = subprocess.Popen(
        [target / "debug/examples/verifier", KEY, SECRET], stdout=subprocess.PIPE, text=True
    )
    yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    process.kill()
    process.wait(10)


@pytest.fixture(scope="module")
def secure(verifier, tmp_path_factory):
    """The verifier behind TLS, where clients choose other forms than in the clear: its address and its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key", folder / "certificate"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    port = int(verifier.rsplit(":", 1)[1])

    class Relay(socketserver.BaseRequestHandler):
        def handle(self):
            with context.wrap_socket(self.request, server_side=True) as outer:
                with socket.create_connection(("127.0.0.1", port)) as inner:
                    answers = threading.Thread(target=pump, args=(inner, outer), daemon=True)
                    answers.start()
                    pump(outer, inner)
                    inner.shutdown(socket.SHUT_WR)
                    answers.join(60)

    def pump(source, sink):
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
        except OSError:
            pass  # The other side has gone, and with it whoever waits for an answer.

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Relay) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        yield f"https://localhost:{relay.server_address[1]}", str(certificate)
        relay.shutdown()


@pytest.fixture(scope="module")
def rust_sdk():
    """The program of suites/rust: its output by the first field of each line."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "suites-rust"
    subprocess.run(
        ["cargo", "build", "--quiet", "--locked", "--target-dir", target], cwd=Path(__file__).parent / "rust", check=True
    )

    def run(key, secret, *arguments):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CASEMATE_"))}
        done = subprocess.run(
            [target / "debug/casemate-suites-rust", *map(str, arguments)],
            env=clean | {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret},
            capture_output=True, text=True, timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return {name: fields for name, *fields in (line.split("\t") for line in done.stdout.splitlines())}

    return run


def s3(endpoint, secret=SECRET, verify=None, **options):
    config = Config(
        signature_version="s3v4", s3={"addressing_style": "path"} | options.pop("s3", {}),
        retries={"total_max_attempts": 1}, **options,
    )
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", config=config, verify=verify,
        aws_access_key_id=KEY, aws_secret_access_key=secret,
    )


def verdict(answer):
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    return headers["x-verified"], headers["x-body-sha256"]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]


def put(client, key, body, **more):
    """The form in which an upload came, and what was said of its body; the bytes must be those sent."""
    data = body if isinstance(body, bytes) else body.read_bytes()
    opened = body if isinstance(body, bytes) else body.open("rb")
    answer = client.put_object(Bucket="b", Key=key, Body=opened, **more)
    form, received = verdict(answer)
    assert received == sha256(data)
    return form, answer["ResponseMetadata"]["HTTPHeaders"]["x-payload"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_boto3_uploads_with_every_checksum(verifier, algorithm):
    """In the clear botocore signs the body's hash, whatever it is told of checksums."""
    form = put(s3(verifier), "a key/ü+~", b"abc" * 9_000, ChecksumAlgorithm=algorithm)
    assert form == ("header AWS4-HMAC-SHA256", "hash")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_boto3_streams_an_upload_in_chunks_with_a_trailer(secure, tmp_path, algorithm):
    file = tmp_path / "large"
    file.write_bytes(LARGE)
    endpoint, certificate = secure
    form = put(s3(endpoint, verify=certificate), "k", file, ChecksumAlgorithm=algorithm)
    assert form == ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "chunked")


def test_boto3_signs_a_head_that_says_its_body_is_unsigned(secure):
    endpoint, certificate = secure
    # Checksums of no bytes: headers of the client's own choice take the place of a trailer and of the hash.
    sums = {"ChecksumCRC32": "AAAAAA==", "ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}
    form = put(s3(endpoint, verify=certificate), "k", b"", **sums)
    assert form == ("header AWS4-HMAC-SHA256", "unsigned")
    # And where it is told to sign bodies, the hash of it.
    signing = s3(endpoint, verify=certificate, s3={"payload_signing_enabled": True})
    assert put(signing, "k", b"", **sums) == ("header AWS4-HMAC-SHA256", "hash")
    with pytest.raises(ClientError) as refused:
        put(s3(endpoint, secret="another", verify=certificate), "k", b"", **sums)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_boto3_uploads_a_large_file_in_parts(verifier, tmp_path):
    file = tmp_path / "large"
    file.write_bytes(LARGE)
    client, forms = s3(verifier), []
    client.meta.events.register(
        "after-call.s3.*", lambda http_response, **_: forms.append(http_response.headers["x-payload"])
    )
    client.upload_file(str(file), "b", "k")
    assert forms == ["hash"] * len(forms) and len(forms) > 3, forms


def test_presigned_urls_work_and_bind_what_they_name(verifier):
    client = s3(verifier)
    url = client.generate_presigned_url("put_object", Params={"Bucket": "b", "Key": "dir//a b"}, ExpiresIn=60)
    answer = requests.put(url, data=b"content")
    assert answer.status_code == 200 and answer.headers["x-verified"] == "query AWS4-HMAC-SHA256"
    assert answer.headers["x-body-sha256"] == sha256(b"content")
    for changed in (url.replace("dir//a", "dir/a"), url.replace("Expires=60", "Expires=61"), url + "&versionId=1"):
        assert requests.put(changed, data=b"content").status_code == 403, changed
    assert requests.get(url).status_code == 403
    assert requests.put(url, data=b"content", headers={"x-amz-acl": "public-read"}).status_code == 403
    both = requests.put(url, data=b"", headers={"Authorization": "AWS4-HMAC-SHA256 Credential=x"})
    assert both.status_code == 403 and "Only one authentication mechanism" in both.text
    typed = client.generate_presigned_url("put_object", Params={"Bucket": "b", "Key": "k", "ContentType": "text/x"})
    assert requests.put(typed, data=b"", headers={"Content-Type": "text/x"}).status_code == 200
    assert requests.put(typed, data=b"", headers={"Content-Type": "text/y"}).status_code == 403


def test_the_browser_form_holds_an_upload_to_its_policy(verifier):
    post = s3(verifier).generate_presigned_post(
        "bucket", "user/${filename}", Fields={"acl": "private"},
        Conditions=[{"acl": "private"}, ["content-length-range", 1, 10]], ExpiresIn=60,
    )
    send = lambda fields, content: requests.post(post["url"], data=fields, files={"file": ("f", content)})
    answer = send(post["fields"], b"content")
    assert answer.status_code == 200 and answer.headers["x-verified"] == "form", answer.text
    assert answer.headers["x-body-sha256"] == sha256(b"content")
    for fields, content, why in (
        (post["fields"] | {"acl": "public-read"}, b"content", "Policy Condition failed"),
        (post["fields"] | {"key": "admin/x"}, b"content", "Policy Condition failed"),
        (post["fields"] | {"x-amz-meta-a": "b"}, b"content", "Extra input fields"),
        (post["fields"], b"more than ten bytes", "exceeds the maximum allowed size"),
        (post["fields"] | {"x-amz-signature": "0" * 64}, b"content", "does not match"),
    ):
        answer = send(fields, content)
        assert answer.status_code == 403 and why in answer.text, answer.text


def test_a_wrong_secret_is_refused_in_every_form(verifier):
    wrong = s3(verifier, secret="another")
    with pytest.raises(ClientError) as refused:
        wrong.put_object(Bucket="b", Key="k", Body=b"abc")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert requests.get(wrong.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})).status_code == 403
    post = wrong.generate_presigned_post("bucket", "k")
    assert requests.post(post["url"], data=post["fields"], files={"file": b"x"}).status_code == 403


def asymmetric(url, secret, placement, regions="*"):
    """A GET signed by AWS's common runtime with SigV4A."""
    host = url.removeprefix("http://")
    request = crt_http.HttpRequest("GET", "/b/k", crt_http.HttpHeaders([("Host", host)]))
    config = crt_auth.AwsSigningConfig(
        algorithm=crt_auth.AwsSigningAlgorithm.V4_ASYMMETRIC, signature_type=placement,
        credentials_provider=crt_auth.AwsCredentialsProvider.new_static(KEY, secret), region=regions, service="s3",
        use_double_uri_encode=False, should_normalize_uri_path=False,
        signed_body_value=crt_auth.AwsSignedBodyValue.EMPTY_SHA256,
        signed_body_header_type=crt_auth.AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256
        if placement == crt_auth.AwsSignatureType.HTTP_REQUEST_HEADERS
        else crt_auth.AwsSignedBodyHeaderType.NONE,
        expiration_in_seconds=60 if placement == crt_auth.AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS else None,
    )
    if placement == crt_auth.AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS:
        config = config.replace(signed_body_value="UNSIGNED-PAYLOAD")
    signed = crt_auth.aws_sign_request(request, config).result(10)
    return requests.get(url + signed.path, headers=dict(signed.headers))


@pytest.mark.parametrize("placement", ["HTTP_REQUEST_HEADERS", "HTTP_REQUEST_QUERY_PARAMS"])
def test_asymmetric_signatures_of_the_common_runtime(verifier, placement):
    placement = getattr(crt_auth.AwsSignatureType, placement)
    for regions in ("*", "us-east-1", "eu-west-1,us-east-1", "us-*"):
        answer = asymmetric(verifier, SECRET, placement, regions)
        assert answer.status_code == 200 and answer.headers["x-verified"].endswith("AWS4-ECDSA-P256-SHA256"), answer.text
    assert "valid region" in asymmetric(verifier, SECRET, placement, "eu-west-1").text
    assert "does not match" in asymmetric(verifier, "another", placement).text


def test_the_cli_uploads_and_presigns(verifier, tmp_path):
    file = tmp_path / "large"
    file.write_bytes(LARGE)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CASEMATE_"))}
    # Version 1 of the CLI presigns with the oldest signature unless told otherwise; that one is not spoken.
    config = tmp_path / "config"
    config.write_text("[default]\ns3 =\n    signature_version = s3v4\n    addressing_style = path\n")
    environment = clean | {
        "AWS_CONFIG_FILE": str(config), "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": verifier, "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1",
    }
    aws = lambda *arguments: subprocess.run(
        [Path(__file__).parent / ".venv/bin/aws", *arguments], env=environment, capture_output=True, text=True, timeout=120
    )
    for arguments in (
        ("s3", "cp", str(file), "s3://b/k", "--no-progress"),
        ("s3api", "put-object", "--bucket", "b", "--key", "k", "--body", str(file), "--checksum-algorithm", "CRC64NVME"),
    ):
        done = aws(*arguments)
        assert done.returncode == 0, done.stderr
    url = aws("s3", "presign", "s3://b/k", "--expires-in", "60").stdout.strip()
    assert requests.get(url).headers["x-verified"].startswith("query"), url


def test_the_sdk_for_javascript_in_every_form(verifier):
    environment = os.environ | {"ENDPOINT": verifier, "KEY": KEY, "SECRET": SECRET, "NODE_NO_WARNINGS": "1"}
    done = subprocess.run(
        ["node", str(JS / "signatures.mjs")], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_sdk_for_rust_uploads_in_chunks_and_presigns(verifier, rust_sdk, tmp_path):
    file = tmp_path / "large"
    file.write_bytes(LARGE)
    said = rust_sdk(KEY, SECRET, "storage", verifier, file)
    assert said["in memory"] == ["header AWS4-HMAC-SHA256", sha256(b"content")]
    for algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
        assert said[f"signed {algorithm}"] == ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", sha256(LARGE)]
        assert said[f"unsigned {algorithm}"] == ["STREAMING-UNSIGNED-PAYLOAD-TRAILER", sha256(LARGE)]
    assert said["refused"] == ["403"]
    put, get = said["put"][0], said["get"][0]
    answer = requests.put(put, data=b"content")
    assert answer.headers["x-verified"] == "query AWS4-HMAC-SHA256", answer.text
    assert answer.headers["x-body-sha256"] == sha256(b"content")
    assert requests.get(get).headers["x-verified"] == "query AWS4-HMAC-SHA256"
    for changed in (put.replace("dir//a", "dir/a"), put.replace("Expires=60", "Expires=61"), put + "&versionId=1"):
        assert requests.put(changed, data=b"content").status_code == 403, changed
    assert requests.put(get, data=b"content").status_code == 403
    assert requests.get(put).status_code == 403


def test_the_sdk_for_rust_calls_the_platform(server, rust_sdk):
    said = rust_sdk(*server.keys, "platform", server.endpoint)
    assert said["identity"][0].endswith(":root")
    assert said["item"] == ["größer +&="]
    assert said["sts refused"] == ["SignatureDoesNotMatch"]
    assert said["dynamodb refused"] == ["InvalidSignatureException"]


def test_a_presigned_request_of_the_platform_and_what_is_refused(server):
    key, secret = server.keys
    sts = boto3.client(
        "sts", endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret
    )
    url = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")

    def status(address, headers=None, method="GET"):
        try:
            with urllib.request.urlopen(urllib.request.Request(address, headers=headers or {}, method=method)) as answer:
                return answer.status
        except urllib.error.HTTPError as refusal:
            return refusal.code

    assert status(url) == 200
    assert status(url.replace("GetCallerIdentity", "AssumeRole")) == 403
    assert status(url + "&X-Amz-Expires=600") in (400, 403)
    assert status(url, {"x-amz-note": "unsigned"}) == 403
    assert status(url, {"Authorization": "AWS4-HMAC-SHA256 Credential=a"}) in (400, 403)
    # Routed by its scope, to a service that has no such operation.
    assert status(url.replace("%2Fsts%2F", "%2Fiam%2F")) in (400, 403)
    assert status(url, method="POST") == 403
