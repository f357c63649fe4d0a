"""Functions made of container images: built here as OCI layouts, added by the operator's command, run in their own roots."""

import gzip
import hashlib
import io
import json
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import ordinary
import pytest
from botocore.exceptions import ClientError
from conftest import Server
from functions import role
from test_languages import compiled

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def layer(files):
    """A tar archive: bytes are programs, text is a file, a tuple is a symbolic link, None a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            if isinstance(content, Path):
                archive.add(content, name, recursive=False)
                continue
            if isinstance(content, tuple):
                entry.type, entry.linkname = tarfile.SYMTYPE, content[0]
            elif content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            else:
                raw = content if isinstance(content, bytes) else content.encode()
                entry.size, entry.mode = len(raw), 0o755 if isinstance(content, bytes) else 0o644
                archive.addfile(entry, io.BytesIO(raw))
                continue
            archive.addfile(entry)
    return buffer.getvalue()


def layout(folder, layers, config):
    """An OCI layout; the digest of its manifest."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(raw, kind):
        digest = hashlib.sha256(raw).hexdigest()
        (blobs / digest).write_bytes(raw)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(raw)}

    diff_ids = [f"sha256:{hashlib.sha256(raw).hexdigest()}" for raw in layers]
    described = {"architecture": ARCHITECTURE, "os": "linux", "config": config,
                 "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = blob(json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(described).encode(), "config.v1+json"),
        "layers": [blob(gzip.compress(raw, 1), "layer.v1.tar+gzip") for raw in layers],
    }).encode(), "manifest.v1+json")
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    return manifest["digest"]


class Images:
    def __init__(self, server, folder):
        self.server, self.folder, self.count = server, folder, 0
        self.lambda_ = server.client("lambda")

    def command(self, *arguments, check=True):
        return self.server.casemate("image", *[str(one) for one in arguments], check=check)

    def layout(self, layers, **config):
        self.count += 1
        folder = self.folder / f"layout-{self.count}"
        return folder, layout(folder, [layer(files) for files in layers], config)

    def add(self, name, layers, *options, **config):
        folder, digest = self.layout(layers, **config)
        self.command("add", name, folder, *options)
        return digest

    def create(self, name, uri, **settings):
        arn = role(self.server, name, [])
        return self.lambda_.create_function(
            FunctionName=name, PackageType="Image", Code={"ImageUri": uri}, Role=arn, **({"Timeout": 20} | settings))

    def invoke(self, name, event=None):
        return json.loads(self.lambda_.invoke(FunctionName=name, Payload=json.dumps(event))["Payload"].read())

    def refused(self, call, *arguments, **named):
        with pytest.raises(ClientError) as caught:
            call(*arguments, **named)
        return caught.value.response["Error"]


pytestmark = pytest.mark.skipif(ordinary.wanted(), reason="these images are added by root, and a server's are its user's")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("images") / "data").start()
    server.client("sts").get_caller_identity()
    yield Images(server, tmp_path_factory.mktemp("layouts"))
    server.stop()


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("program")).read_bytes()


def test_an_image_runs_with_its_own_words_and_the_functions_over_them(images, program):
    digest = images.add("team/app:1", [
        {"usr/bin/run": program, "bin": ("usr/bin",), "etc/release": "one", "etc/gone": "one", "work/x": "x",
         "var/task/data.txt": "code", "opt/lib/x": "x"},
        {"etc/.wh.gone": "", "etc/release": "two"},
    ], Entrypoint=["run", "--mode=image"], Cmd=["first"], Env=["MARK=image", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:1"],
        WorkingDir="/work")
    made = images.create("own-words", f"{REGISTRY}/team/app:1")
    assert (made["PackageType"], made["CodeSha256"], made["CodeSize"]) == ("Image", digest.split(":")[1], 0)
    assert "Runtime" not in made and "Handler" not in made and "ImageConfigResponse" not in made
    code = images.lambda_.get_function(FunctionName="own-words")["Code"]
    assert (code["ImageUri"], code["RepositoryType"]) == (f"{REGISTRY}/team/app:1", "ECR")
    assert code["ResolvedImageUri"] == f"{REGISTRY}/team/app@{digest}"
    assert "Location" not in code

    answer = images.invoke("own-words")
    assert answer["arguments"] == ["/usr/bin/run", "--mode=image", "first"]
    assert (answer["folder"], answer["mark"], answer["uid"]) == ("/work", "image", 993)
    assert "/usr/local/sbin" in answer["path"] and "/var/lang" not in answer["path"]
    for path, there in [("/etc/release", 1), ("/var/task/data.txt", 1), ("/opt/lib/x", 1), ("/etc/gone", 0),
                        ("/etc/shadow", 0), (sys.executable, 0)]:
        assert images.invoke("own-words", f"read:{path}")["can"] == there, path
    # As custom runtimes: programs may be started unless the function says otherwise.
    assert images.invoke("own-words", "exec:/usr/bin/run")["can"] == 1

    images.lambda_.update_function_configuration(
        FunctionName="own-words", Environment={"Variables": {"MARK": "function", "CASEMATE_EXEC": "deny"}},
        ImageConfig={"EntryPoint": ["/usr/bin/run"], "Command": ["a", "b"], "WorkingDirectory": "/etc"})
    answer = images.invoke("own-words", "exec:/usr/bin/run")
    assert answer["arguments"] == ["/usr/bin/run", "a", "b"]
    assert (answer["folder"], answer["mark"], answer["can"]) == ("/etc", "function", 0)
    config = images.lambda_.get_function_configuration(FunctionName="own-words")["ImageConfigResponse"]
    assert config["ImageConfig"] == {"EntryPoint": ["/usr/bin/run"], "Command": ["a", "b"], "WorkingDirectory": "/etc"}
    images.lambda_.update_function_configuration(FunctionName="own-words", ImageConfig={})
    assert images.invoke("own-words")["folder"] == "/work"


def test_a_digest_stays_until_the_code_is_updated(images, program):
    words = {"Entrypoint": ["/run"]}
    folder, first = images.layout([{"run": program, "one": "1"}], **words)
    images.command("add", "moving:live", folder)
    images.create("moving", f"{REGISTRY}/moving:live", Publish=True)
    second = images.layout([{"run": program, "two": "2"}], **words)
    assert "--replace" in images.command("add", "moving:live", second[0], check=False).stderr
    images.command("add", "moving:live", second[0], "--replace")
    assert images.invoke("moving", "read:/one")["can"] == 1

    code = {"FunctionName": "moving", "ImageUri": f"{REGISTRY}/moving:live"}
    dry = images.lambda_.update_function_code(**code, DryRun=True)
    assert dry["CodeSha256"] == second[1].split(":")[1]
    assert images.invoke("moving", "read:/one")["can"] == 1
    images.lambda_.update_function_code(**code)
    assert (images.invoke("moving", "read:/one")["can"], images.invoke("moving", "read:/two")["can"]) == (0, 1)
    assert images.invoke("moving:1", "read:/one")["can"] == 1
    # A digest without a name is for nothing new; it gets a name of its own.
    back = {"FunctionName": "moving", "ImageUri": f"{REGISTRY}/moving@{first}"}
    assert "does not exist" in images.refused(images.lambda_.update_function_code, **back)["Message"]
    images.command("add", "moving:before", folder)
    images.lambda_.update_function_code(**back)
    assert images.invoke("moving", "read:/one")["can"] == 1

    # Without a name the functions go on; without the image they say so.
    images.command("remove", "moving:live")
    assert "does not exist" in images.refused(images.lambda_.update_function_code, **code)["Message"]
    assert images.invoke("moving", "read:/one")["can"] == 1
    images.command("remove", first)
    images.lambda_.update_function_configuration(FunctionName="moving", Timeout=9)
    refused = images.refused(images.lambda_.invoke, FunctionName="moving")
    assert refused["Code"] == "ServiceException" and "is not on this host" in refused["Message"]
    images.lambda_.delete_function(FunctionName="moving")


def test_what_aws_refuses_is_refused_in_its_words(images, program):
    images.add("plain", [{"run": program}], Entrypoint=["/run"])
    uri, create = f"{REGISTRY}/plain:latest", images.create
    for settings in ({"Runtime": "python3.12"}, {"Handler": "a.b"}):
        error = images.refused(create, "refused", uri, **settings)
        assert error["Code"] == "InvalidParameterValueException"
        assert error["Message"] == ("Please don't provide Handler or Runtime or Layer when the intended function "
                                    "PackageType is Image.")
        images.server.client("iam").delete_role(RoleName="refused")
    for wrong, what in ((f"{REGISTRY}/none:1", "does not exist"), ("plain:latest", "is not valid"),
                        ("oci:/srv/plain", "is not valid"), (f"{REGISTRY}/../plain:latest", "is not valid")):
        error = images.refused(create, "refused", wrong)
        assert error["Message"] == f"Source image {wrong} {what}. Provide a valid source image."
        images.server.client("iam").delete_role(RoleName="refused")

    create("plain", uri)
    update = images.lambda_.update_function_code
    error = images.refused(update, FunctionName="plain", ZipFile=b"x")
    assert error["Message"] == "Please provide ImageUri when updating a function with packageType Image."
    for change in ({"Handler": "a.b"}, {"Runtime": "python3.12"}):
        error = images.refused(images.lambda_.update_function_configuration, FunctionName="plain", **change)
        assert error["Message"].startswith("Please don't provide Handler or Runtime or Layer")
    publisher = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/ours/0123456789"
    config = images.lambda_.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": [publisher]})["CodeSigningConfig"]["CodeSigningConfigArn"]
    put = images.lambda_.put_function_code_signing_config
    for call in (lambda: create("signed", uri, CodeSigningConfigArn=config),
                 lambda: put(FunctionName="plain", CodeSigningConfigArn=config)):
        error = images.refused(call)
        assert (error["Code"], "packageType Image" in error["Message"]) == ("InvalidParameterValueException", True)
    assert images.invoke("plain")["arguments"] == ["/run"]


def test_an_image_for_other_accounts_is_not_there(images, program):
    folder, digest = images.layout([{"run": program}], Entrypoint=["/run"])
    images.command("add", "theirs:1", folder, "--account", "999999999999")
    for uri in (f"{REGISTRY}/theirs:1", f"{REGISTRY}/theirs@{digest}"):
        assert "does not exist" in images.refused(images.create, "theirs", uri)["Message"]
        images.server.client("iam").delete_role(RoleName="theirs")
    assert "999999999999" in images.command("list").stdout
    assert images.command("add", "theirs:1", folder, "--account", "x", check=False).returncode != 0


def test_images_that_cannot_begin_say_why(images, program):
    images.add("broken:1", [{"run": program}], Entrypoint=["nothing"])
    images.create("broken", f"{REGISTRY}/broken:1")
    answer = images.invoke("broken")
    assert answer["errorType"] == "Runtime.InvalidEntrypoint" and "not found in $PATH" in answer["errorMessage"]
    configure = images.lambda_.update_function_configuration
    configure(FunctionName="broken", ImageConfig={"EntryPoint": ["/none"]})
    assert images.invoke("broken")["errorType"] == "Runtime.InvalidEntrypoint"
    configure(FunctionName="broken", ImageConfig={"EntryPoint": ["/run"], "WorkingDirectory": "/none"})
    assert images.invoke("broken")["errorType"] == "Runtime.InvalidWorkingDir"


def test_an_image_that_was_changed_does_not_run(images, program):
    digest = images.add("changed:1", [{"run": program, "etc/x": "1"}], Entrypoint=["/run"])
    images.create("changed", f"{REGISTRY}/changed:1")
    root = Path(images.server.data_dir) / "images" / digest.split(":")[1] / "root"
    (root / "etc/x").write_text("2")
    assert "does not hold" in images.command("list").stdout
    refused = images.refused(images.lambda_.invoke, FunctionName="changed")
    assert refused["Code"] == "ServiceException" and "is not used" in refused["Message"]


def test_archives_that_climb_leave_nothing(images, program, tmp_path):
    for files in ({"../escaped": "x"}, {"a": (str(tmp_path),), "a/escaped": "x"}):
        folder, digest = images.layout([files], Entrypoint=["/run"])
        done = images.command("add", "climbing:1", folder, check=False)
        assert done.returncode != 0 and "escaped" in done.stderr
        assert digest not in images.command("list").stdout
    assert not list(tmp_path.iterdir())


ENTRYPOINT = """#!/bin/sh
if [ $# -ne 1 ]; then exit 142; fi
export _HANDLER="$1"
exec /var/runtime/bootstrap
"""
HANDLER = """
import os, sys
def handler(event, context):
    return {"event": event, "name": context.function_name, "task": os.environ["LAMBDA_TASK_ROOT"],
            "client": "awslambdaric" in sys.modules, "folder": os.getcwd()}
"""


def libraries(program):
    found = subprocess.run(["ldd", str(program)], capture_output=True, text=True).stdout.split()
    return {word for word in found if word.startswith("/")}


@pytest.fixture(scope="module")
def base_image(tmp_path_factory):
    """A root laid out as AWS's base images are, from this machine's own Python."""
    client = tmp_path_factory.mktemp("client")
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                           "--only-binary", ":all:", "--target", str(client), "awslambdaric==4.2.2"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no wheel of awslambdaric for this interpreter: {done.stderr[-300:]}")
    python = Path(sys.executable).resolve()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = Path(json.__file__).resolve().parent.parent
    shell = Path(shutil.which("sh")).resolve()
    files = {}
    for path in library.rglob("*"):
        if path.is_file() and not {"test", "site-packages", "dist-packages", "__pycache__"} & set(path.parts):
            files[f"var/lang/lib/{version}/{path.relative_to(library)}"] = path.read_bytes()
    needed = libraries(python) | libraries(shell)
    for extension in [*(library / "lib-dynload").glob("*.so"), *client.rglob("*.so")]:
        needed |= libraries(extension)
    for path in needed:
        files[path.lstrip("/")] = Path(path).read_bytes()
    files["bin/sh"], files[f"var/lang/bin/{version}"] = shell.read_bytes(), python.read_bytes()
    for path in client.rglob("*"):
        if path.is_file():
            files[f"var/runtime/{path.relative_to(client)}"] = path.read_bytes()
    files["lambda-entrypoint.sh"] = ENTRYPOINT.encode()
    files["var/runtime/bootstrap"] = (
        f'#!/bin/sh\nexport PYTHONPATH=/var/runtime\nexec /var/lang/bin/{version} -m awslambdaric "$_HANDLER"\n'.encode())
    return files


def test_an_image_laid_out_as_awss_runs_awss_client(images, base_image):
    libraries_of = "/var/lang/lib:/lib64:/usr/lib64:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/usr/local/lib"
    images.add("base/python:3", [base_image, {"var/task/app.py": HANDLER}],
               Entrypoint=["/lambda-entrypoint.sh"], Cmd=["app.handler"], WorkingDir="/var/task",
               Env=["PYTHONHOME=/var/lang", f"LD_LIBRARY_PATH={libraries_of}", "LAMBDA_TASK_ROOT=/var/task"])
    images.create("based", f"{REGISTRY}/base/python:3", MemorySize=512)
    answer = images.invoke("based", {"a": 1})
    assert answer == {"event": {"a": 1}, "name": "based", "task": "/var/task", "client": True, "folder": "/var/task"}
    images.lambda_.update_function_configuration(FunctionName="based", ImageConfig={"Command": ["app.none"]})
    assert images.invoke("based")["errorType"] == "Runtime.HandlerNotFound"


TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: templated
      PackageType: Image
      ImageUri: %s
      ImageConfig: {Command: [%s]}
"""


def test_templates_name_images(images, program):
    images.add("templated:1", [{"run": program, "one": "1"}], Entrypoint=["/run"])
    images.add("templated:2", [{"run": program, "two": "2"}], Entrypoint=["/run"])
    stacks = images.server.client("cloudformation")
    settle = {"StackName": "templated", "WaiterConfig": {"Delay": 1, "MaxAttempts": 60}}
    send = {"StackName": "templated", "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]}
    stacks.create_stack(TemplateBody=TEMPLATE % (f"{REGISTRY}/templated:1", "first"), **send)
    stacks.get_waiter("stack_create_complete").wait(**settle)
    assert images.invoke("templated", "read:/one")["arguments"] == ["/run", "first"]
    stacks.update_stack(TemplateBody=TEMPLATE % (f"{REGISTRY}/templated:2", "second"), **send)
    stacks.get_waiter("stack_update_complete").wait(**settle)
    answer = images.invoke("templated", "read:/two")
    assert (answer["can"], answer["arguments"]) == (1, ["/run", "second"])
