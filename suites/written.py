"""The programs of escape/, each in one of the languages: as a function, and as a plain child process."""

import io
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from functions import PYTHON, Function, node_runtime

HERE = Path(__file__).parent / "escape"
LANGUAGES = ["python", "node", "ruby", "java", "custom"]


def listed(server, family):
    import re

    found = re.findall(rf"^  ({family}[\d.]+)", server.casemate("doctor").stdout, re.MULTILINE)
    return found[0] if found else pytest.skip(f"no {family} on this machine")


class Written:
    """One program in one language."""

    def __init__(self, program, name, server, folder):
        self.program, self.name, self.server, self.folder = program, name, server, folder
        getattr(self, f"_{name}")()

    def _python(self):
        self.runtime, self.handler = PYTHON, "app.handler"
        self.source, self.command = HERE / f"{self.program}.py", [sys.executable]
        self.files = {"app.py": self.source.read_text()}

    def _node(self):
        self.runtime, self.handler = node_runtime(self.server), "app.handler"
        self.source, self.command = HERE / f"{self.program}.js", ["node"]
        self.files = {"app.js": self.source.read_text()}

    def _ruby(self):
        self.runtime, self.handler = listed(self.server, "ruby"), f"app.{self.program.capitalize()}.handler"
        self.source, self.command = HERE / f"{self.program}.rb", ["ruby"]
        self.files = {"app.rb": self.source.read_text()}

    def _java(self):
        name = self.program.capitalize()
        self.runtime, self.handler = listed(self.server, "java"), f"{name}::handler"
        compiler = shutil.which("javac") or pytest.skip("no javac on this machine, which the probes need")
        command = [compiler, "--release", "17", "-nowarn", "-proc:none", "-d", str(self.folder / "classes"), str(HERE / f"{name}.java")]
        subprocess.run(command, check=True, capture_output=True)
        classes = sorted((self.folder / "classes").glob("*.class"))
        self.files = {path.name: path.read_bytes() for path in classes}
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as jar:
            for path in classes:
                jar.writestr(path.name, path.read_bytes())
        # The jar is read, and the class beside it is what the probes call their code.
        self.source = self.folder / f"{name}.class"
        self.source.write_bytes((self.folder / f"classes/{name}.class").read_bytes())
        self.command = None

    def _custom(self):
        self.runtime, self.handler, self.source = "provided.al2023", "none", self.folder / "bootstrap"
        flags = ["--edition", "2024", "-C", "opt-level=1", "-C", "target-feature=+crt-static", "-o", str(self.source)]
        subprocess.run(["rustc", *flags, str(HERE / f"{self.program}.rs")], check=True)
        self.files, self.command = {"bootstrap": self.source.read_bytes()}, []

    def placed(self, folder):
        """The command that runs it plainly, from a folder of its own."""
        if self.name == "java":
            shutil.copytree(self.folder / "classes", folder, dirs_exist_ok=True)
            return ["java", "-cp", str(folder), self.program.capitalize()]
        copy = folder / self.source.name
        copy.write_bytes(self.source.read_bytes())
        copy.chmod(0o755)
        return [*self.command, str(copy), *(["once"] if self.name == "custom" else [])]

    def plainly(self, folder, event, **options):
        """What it writes in a child process of ours without any sandbox, and what it answers there on its standard error."""
        done = subprocess.run(
            self.placed(folder), input=json.dumps(event).encode(), capture_output=True, check=True, cwd=folder, timeout=120, **options
        )
        return done.stdout, json.loads(done.stderr)

    def function(self, server, kind=Function, **settings):
        return kind(server, self.files, runtime=self.runtime, handler=self.handler, **({"MemorySize": 2048, "Timeout": 120} | settings))
