"""Images fetched from a registry by the operator's command: a registry of this test, honest and not."""

import base64
import contextlib
import datetime
import gzip
import hashlib
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import ordinary
import pytest
from conftest import Server
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from functions import role
from test_images import ARCHITECTURE, layer, layout
from test_languages import compiled

pytestmark = pytest.mark.skipif(ordinary.wanted(), reason="these images are added by root, and a server's are its user's")

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PASSWORD = "hunter-of-images"


class Registry(ThreadingHTTPServer):
    """The pull half of OCI's distribution specification. `lies` maps a path to what is answered instead."""

    def __init__(self, tls=None, users=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.blobs, self.tags, self.lies, self.users, self.asked = {}, {}, {}, users, []
        # Where tokens are asked for, if not here; where everything lies, if not here.
        self.realm = self.moved = None
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.secure = bool(tls)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def host(self):
        return f"localhost:{self.server_port}"

    def put(self, raw, kind):
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        self.blobs[digest] = (raw, kind)
        return {"mediaType": kind, "digest": digest, "size": len(raw)}

    def take(self, folder):
        """All blobs of a layout; its manifest."""
        for path in (folder / "blobs/sha256").iterdir():
            self.put(path.read_bytes(), MANIFEST)
        return json.loads((folder / "index.json").read_text())["manifests"][0]


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, status, raw=b"", kind="application/json", **headers):
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(raw)

    def do_GET(self):
        registry, path = self.server, self.path.split("?")[0]
        registry.asked.append((self.path, self.headers.get("Authorization")))
        if path == "/token":
            wanted = {f"Basic {base64.b64encode(f'{u}:{p}'.encode()).decode()}" for u, p in (registry.users or {}).items()}
            if self.headers.get("Authorization") in wanted:
                return self.reply(200, b'{"token":"a-token-of-the-registry"}')
            return self.reply(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"no \x1b[2J"}]}')
        if registry.users is not None and self.headers.get("Authorization") != "Bearer a-token-of-the-registry":
            scheme = "https" if registry.secure else "http"
            realm = registry.realm or f"{scheme}://{registry.host}/token"
            challenge = f'Bearer realm="{realm}",service="here"'
            return self.reply(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', WWW_Authenticate=challenge)
        if path == "/v2/":
            return self.reply(200, b"{}")
        found = path.split("/")[-1]
        if registry.moved:
            return self.reply(307, Location=f"{registry.moved}{self.path}")
        if found == "endless":
            return self.endless()
        raw, kind = registry.blobs.get(registry.tags.get(found, found), (None, None))
        raw = registry.lies.get(found, raw)
        if raw is None:
            return self.reply(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
        return self.reply(200, raw, kind)

    def endless(self):
        self.send_response(200)
        self.send_header("Content-Type", MANIFEST)
        self.end_headers()
        with contextlib.suppress(OSError):
            while self.command == "GET":
                self.wfile.write(b" " * (1 << 20))

    do_HEAD = do_GET


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("registry") / "data").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    program = compiled(tmp_path_factory.mktemp("program")).read_bytes()
    folder = tmp_path_factory.mktemp("layout")
    layout(folder, [layer({"usr/bin/run": program}), layer({"etc/release": "two"})], {"Entrypoint": ["/usr/bin/run"]})
    return folder


def pull(server, registry, reference, *options, name="team/pulled:1", secret=None, plain=True):
    options = [*options, *(["--plain-http"] if plain else [])]
    return server.casemate("image", "pull", name, f"{registry.host}/{reference}", "--replace", *options,
                           check=False, stdin=secret)


def nothing_left(server):
    folder = server.data_dir / "images"
    assert not (folder / "gathering").exists() and not list(folder.glob("new-*"))


def test_the_image_for_this_machine_is_fetched_and_runs(server, image):
    registry = Registry()
    manifest = registry.take(image)
    other = registry.put(b'{"schemaVersion":2}', MANIFEST) | {"platform": {"os": "linux", "architecture": "s390x"}}
    unknown = registry.put(b"{}", MANIFEST) | {"platform": {"os": "unknown", "architecture": "unknown"}}
    mine = manifest | {"platform": {"os": "linux", "architecture": ARCHITECTURE}}
    index = registry.put(json.dumps({"schemaVersion": 2, "mediaType": INDEX,
                                     "manifests": [other, mine, unknown]}).encode(), INDEX)
    registry.tags["1"] = index["digest"]
    said = pull(server, registry, "team/app:1")
    assert said.returncode == 0, said.stderr
    assert f"team/pulled:1 is {manifest['digest']}: 2 layers" in said.stdout
    assert "3 of 3: " in said.stdout, "long work shows its progress"
    nothing_left(server)

    function = server.client("lambda").create_function(
        FunctionName="pulled", PackageType="Image", Role=role(server, "pulled", []), Timeout=20,
        Code={"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/pulled:1"})
    assert f"sha256:{function['CodeSha256']}" == manifest["digest"]
    answer = server.client("lambda").invoke(FunctionName="pulled", Payload=b"null")
    assert "/usr/bin/run" in json.loads(answer["Payload"].read())["arguments"]

    by_digest = pull(server, registry, f"team/app@{index['digest']}", name="team/by-digest:1")
    assert by_digest.returncode == 0 and manifest["digest"] in by_digest.stdout
    elsewhere = registry.put(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [other]}).encode(), INDEX)
    registry.tags["2"] = elsewhere["digest"]
    refused = pull(server, registry, "team/app:2")
    assert refused.returncode != 0 and "not for this machine: it is for linux/s390x" in refused.stderr
    unsaid = registry.put(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]}).encode(), INDEX)
    registry.tags["3"] = unsaid["digest"]
    refused = pull(server, registry, "team/app:3")
    assert refused.returncode != 0 and f"not said (it can be fetched as {manifest['digest']})" in refused.stderr


def test_what_cannot_be_added_is_not_fetched(server, image, tmp_path):
    registry = Registry()
    manifest = registry.take(image)
    registry.tags["1"] = manifest["digest"]
    blobs = {blob for blob in registry.blobs if blob != manifest["digest"]}
    fetched = lambda: {path for path, _ in registry.asked if any(path.endswith(blob) for blob in blobs)}

    def asked(*options):
        reference = f"{registry.host}/team/app:1"
        return server.casemate("image", "pull", "team/taken:1", reference, "--plain-http", *options, check=False)

    wrong = asked("--account", "12345")
    assert wrong.returncode != 0 and "12345 is not the number of an account" in wrong.stderr
    assert registry.asked == [], "no registry is asked for what cannot be added"

    layout(tmp_path / "other", [layer({"etc/release": "three"})], {"Entrypoint": ["/usr/bin/run"]})
    server.casemate("image", "add", "team/taken:1", tmp_path / "other")
    taken = asked()
    assert taken.returncode != 0 and "there is an image team/taken:1 already; say --replace" in taken.stderr
    assert registry.asked and not fetched(), "the manifest says which image it is; its layers stay where they are"
    nothing_left(server)
    assert asked("--replace").returncode == 0 and fetched()
    # The same image under the same name once more is no other image.
    assert asked().returncode == 0


def test_a_registry_that_lies_gets_nothing_in(server, image):
    registry = Registry()
    manifest = registry.take(image)
    registry.tags["1"] = manifest["digest"]
    layers = json.loads(registry.blobs[manifest["digest"]][0])["layers"]
    other = gzip.compress(layer({"etc/release": "evil"}), 1)
    same_size = bytes(reversed(registry.blobs[layers[1]["digest"]][0]))
    for where, instead in [
        (layers[1]["digest"], other), (layers[1]["digest"], same_size), (layers[1]["digest"], b""),
        (layers[0]["digest"], registry.blobs[layers[0]["digest"]][0] + b"x"),
        (manifest["digest"], registry.blobs[manifest["digest"]][0] + b" "),
    ]:
        registry.lies = {where: instead}
        reference = f"team/app@{manifest['digest']}"
        refused = pull(server, registry, reference, name="team/lies:1")
        assert refused.returncode != 0 and refused.stderr, (where, refused)
        nothing_left(server)
    registry.lies = {}
    huge = json.dumps({"schemaVersion": 2, "config": manifest, "layers": [manifest | {"size": 13 << 30}]}).encode()
    registry.tags["huge"] = registry.put(huge, MANIFEST)["digest"]
    many = json.dumps({"schemaVersion": 2, "config": manifest, "layers": [manifest] * 128}).encode()
    registry.tags["many"] = registry.put(many, MANIFEST)["digest"]
    long = json.dumps({"schemaVersion": 2, "config": manifest, "layers": [], "x": "x" * (4 << 20)}).encode()
    registry.tags["long"] = registry.put(long, MANIFEST)["digest"]
    nested = {"schemaVersion": 2, "manifests": [{"mediaType": INDEX, "size": 1, "digest": manifest["digest"],
                                                 "platform": {"os": "linux", "architecture": ARCHITECTURE}}] * 2}
    registry.tags["twice"] = registry.put(json.dumps(nested).encode(), INDEX)["digest"]
    for tag, why in [("huge", "bytes packed"), ("many", "more than 127 layers"), ("long", "more than 4194304 bytes"),
                     ("none", "manifest unknown")]:
        refused = pull(server, registry, f"team/app:{tag}", name="team/lies:1")
        assert refused.returncode != 0 and why in refused.stderr, (tag, refused.stderr)
    assert pull(server, registry, "team/app:twice", name="team/twice:1").returncode == 0, "one image named twice is one"
    assert "team/lies" not in server.casemate("image", "list").stdout


def test_passwords_are_asked_for_checked_and_never_shown(server, image):
    registry = Registry(users={"ann": PASSWORD})
    registry.tags["1"] = registry.take(image)["digest"]
    for options, secret in [([], None), (["--user", "ann"], "wrong\n"), (["--user", "bob"], PASSWORD)]:
        refused = pull(server, registry, "team/app:1", *options, secret=secret, name="team/secret:1")
        assert refused.returncode != 0
        shown = refused.stdout + refused.stderr
        assert PASSWORD not in shown and "wrong" not in shown and "\x1b" not in shown
    empty = pull(server, registry, "team/app:1", "--user", "ann", secret="\n")
    assert empty.returncode != 0 and "standard input holds no password" in empty.stderr
    accepted = pull(server, registry, "team/app:1", "--user", "ann", secret=f"{PASSWORD}\n", name="team/secret:1")
    assert accepted.returncode == 0, accepted.stderr
    assert PASSWORD not in accepted.stdout + accepted.stderr


def authority(folder):
    """A certificate for localhost that signs itself, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
            .sign(key, hashes.SHA256()))
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return folder / "ca.pem", folder / "key.pem"


def test_tls_is_asked_of_registries_unless_said_otherwise(server, image, tmp_path):
    certificate, key = authority(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    registry = Registry(tls)
    registry.tags["1"] = registry.take(image)["digest"]
    stranger = pull(server, registry, "team/app:1", name="team/tls:1", plain=False)
    assert stranger.returncode != 0 and not registry.asked, "nobody vouches for the registry"
    trusted = pull(server, registry, "team/app:1", "--ca", str(certificate), name="team/tls:1", plain=False)
    assert trusted.returncode == 0, trusted.stderr
    plain = Registry()
    plain.tags["1"] = plain.take(image)["digest"]
    assert pull(server, plain, "team/app:1", name="team/tls:2", plain=False).returncode != 0
    assert not plain.asked, "nothing is said without TLS"


def test_a_registry_leads_nobody_out_of_tls(server, image, tmp_path, monkeypatch):
    certificate, key = authority(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    registry, plain = Registry(tls, users={"ann": PASSWORD}), Registry(users={"ann": PASSWORD})
    for each in (registry, plain):
        each.tags["1"] = each.take(image)["digest"]

    def asked(*options, secret=None):
        return pull(server, registry, "team/app:1", "--ca", str(certificate), *options, name="team/led:1",
                    plain=False, secret=secret)

    for exceptions in ("", "localhost", "*"):
        monkeypatch.setenv("NO_PROXY", exceptions)
        registry.users, registry.moved, registry.realm = {"ann": PASSWORD}, None, f"http://{plain.host}/token"
        assert asked("--user", "ann", secret=PASSWORD).returncode != 0, "tokens without TLS"
        registry.users, registry.moved, registry.realm = None, f"http://{plain.host}", None
        assert asked().returncode != 0, "manifests without TLS"
        assert not plain.asked, plain.asked
    nothing_left(server)
    registry.users, registry.moved = {"ann": PASSWORD}, None
    accepted = asked("--user", "ann", secret=PASSWORD)
    assert accepted.returncode == 0, accepted.stderr
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTPS_PROXY", f"http://{plain.host}")
    assert asked("--user", "ann", secret=PASSWORD).returncode != 0, "the proxy of the environment is used"
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert asked("--user", "ann", secret=PASSWORD).returncode == 0, "and so are its exceptions"


def test_a_manifest_without_end_ends_the_command_and_not_the_host(server, image):
    registry = Registry()
    registry.tags["1"] = registry.take(image)["digest"]
    ended = pull(server, registry, "team/app:endless", name="team/endless:1")
    assert ended.returncode != 0
    assert pull(server, registry, "team/app:1", name="team/endless:1").returncode == 0
    nothing_left(server)
