"""Every policy document that stands in the repository's tests, vectors, templates, examples and suites, by its text.

A document is an object with a `Statement`; a statement alone is made one. They are found as JSON inside of any file, as
dictionaries in Python, and as YAML in templates, whose functions become plain words. What a program puts together from parts is
not found.
"""

import ast
import json
from pathlib import Path

import yaml

FOLDERS = ("crates", "services", "suites", "examples", "fuzz", "docs")
NOT_OURS = {"target", "node_modules", ".venv"}
ENDINGS = {".rs", ".py", ".json", ".md", ".mjs", ".golden", ".yaml", ".yml"}


def documents(root):
    """Text of each document: one file it stands in."""
    found = {}
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in ENDINGS and file.is_file() and not NOT_OURS & set(file.parts):
                for text in in_file(file):
                    found.setdefault(text, file.relative_to(root))
    return found


def in_file(file):
    text = file.read_text()
    for reading in readings(text):
        yield from in_text(reading)
    if file.suffix in (".yaml", ".yml"):
        for tree in yaml.load_all(text, Template):
            yield from in_tree(tree)
    if file.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Dict):
                try:
                    tree = ast.literal_eval(node)
                except ValueError:
                    continue  # Parts of it are not known before the program runs.
                yield from document(tree, lambda: json.dumps(tree))


def readings(text):
    """The text as it is, as a string literal's content, and as what a format string makes, of either."""
    literal = text.replace("\\\n", "").replace('\\"', '"').replace("\\\\", "\\")
    formatted = lambda one: one.replace("{{", "{").replace("}}", "}")
    return text, literal, formatted(text), formatted(literal)


def in_text(text):
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            tree, end = decoder.raw_decode(text, at)
        except ValueError:
            pass
        else:
            yield from document(tree, lambda: text[at:end])
        at = text.find("{", at + 1)


def in_tree(tree):
    if isinstance(tree, dict):
        yield from document(tree, lambda: json.dumps(tree, default=str))
    for inner in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from in_tree(inner)


def document(tree, text):
    if not isinstance(tree, dict):
        return
    if "Statement" in tree:
        yield text()
    elif isinstance(tree.get("Effect"), str):
        yield '{"Version":"2012-10-17","Statement":%s}' % text()


class Template(yaml.SafeLoader):
    """Reads `!Sub`, `!GetAtt` and the like as the words behind them: an ARN where a whole one stands for another."""


def word(loader, suffix, node):
    if suffix == "Sub" and isinstance(node, yaml.ScalarNode):
        return node.value.replace("${AWS::Partition}", "aws").replace("${AWS::AccountId}", "111122223333")
    return "arn:aws:dynamodb:us-east-1:111122223333:table/t"


Template.add_multi_constructor("!", word)
