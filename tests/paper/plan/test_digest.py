"""What a digest of code sees, and what it does not."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path
from types import SimpleNamespace

import pytest

import uhn
from uhn.paper.runs import digest, identity
from uhn.paper.runs.digest import canonical, code_digest, package_digest

CODE = 'def f(x):\n    """Text."""\n    return x + 1  # a comment\n'


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ("# more\n" + CODE, True),
        (CODE.replace('"""Text."""', '"""Other text."""'), True),
        (CODE.replace("x + 1", "(x+1)"), True),
        (CODE.replace("x + 1", "x + 2"), False),
        (CODE.replace("def f", "def g"), False),
    ],
)
def test_only_what_runs_counts(tmp_path: Path, changed: str, same: bool) -> None:
    path = tmp_path / "module.py"
    path.write_text(CODE)
    before = code_digest([path])
    path.write_text(changed)
    assert (code_digest([path]) == before) is same


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that this process parses from here on; it keeps what it compiles."""
    texts: list[str] = []
    real = ast.parse

    def parse(text: str) -> ast.Module:
        texts.append(text)
        return real(text)

    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(digest, "_known", {})
    monkeypatch.setattr(digest, "ast", SimpleNamespace(**vars(ast) | {"parse": parse}))
    return texts


def test_a_text_that_another_process_parsed_is_not_parsed_again(
    tmp_path: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is what is kept taken for another text's, for that of other code, or for whole when it is not."""
    path = tmp_path / "module.py"

    def parses(text: str) -> bool:
        path.write_text(text, encoding="utf-8")
        parsed.clear()
        digest._known.clear()  # as another process
        assert digest.read_code(path) == (canonical(ast.parse(text)), ("layers.base", "layers.base.Axis"))
        return parsed == [text]

    one, two = (f"from uhn.layers.base import Axis\nx = {value}\n" for value in ("'\xe9'", "'\\ud800'"))
    assert [parses(text) for text in (one, one, two, two, one, one)] == [True, False] * 3
    (kept,) = (tmp_path / "__pycache__").iterdir()
    whole = kept.read_bytes()
    for damaged in (b"", whole[:-3], whole.replace(b"x", b"y"), bytes(len(whole)), whole * 2, b"\xff\n"):
        kept.write_bytes(damaged)
        assert [parses(one), parses(one)] == [True, False], damaged
    monkeypatch.setattr(digest, "_own", lambda: "other code")
    assert [parses(one), parses(one)] == [True, False]
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert [parses(one), parses(two), kept.unlink(), parses(one), kept.exists()] == [True, True, None, True, False]


def test_where_nothing_can_be_kept_nothing_is(tmp_path: Path, parsed: list[str]) -> None:
    path, place = tmp_path / "module.py", tmp_path / "__pycache__"
    path.write_text(CODE)
    place.write_text("no folder")
    assert digest.read_code(path).form == canonical(ast.parse(CODE))
    place.unlink()
    (place / Path(cache_from_source("module.py")).with_suffix(".code").name / "full").mkdir(parents=True)
    digest._known.clear()
    assert digest.read_code(path).form == canonical(ast.parse(CODE))
    assert len(list(place.iterdir())) == 1, "half of a file is left"


def test_a_room_has_a_digest_of_its_own() -> None:
    assert package_digest("layers") != package_digest("models")


# What versions of Python show in different ways, with a character of Unicode 16; valid since 3.11.
HARD = '''
import a.b as c
from . import d
class E(F, metaclass=G):
    """Text."""
    x: int = None
    y: "str"
async def f(a, /, b=None, *args, c, d=1, **more) -> None:
    """Text."""
    return
    u"old", b"bytes", 1_000, 1e3, 2j, ..., "\U0001fae9", "\xb1", -0.0
    return None
@d.e
def g(*, k): yield
match x:
    case None | True | {"a": 1, **rest} | [1, *_] | E(y=2) as z if z: pass
    case _: "text"
try: pass
except* E: raise
finally: del x[1:2, ::3, ...]
text = f"{x!r:>{y}.{z}} {a=} {b:{c}}" "more" f"{g:02}"
h = lambda: {**a, "b": [*c, (yield)]}
with a as b, c: pass
for i in (x := [j async for j in k if l]): continue
else: x @= not y < 1 <= z is not None
while 0: break
'''


def test_the_digest_of_a_text_never_changes(tmp_path: Path) -> None:
    """Finished results are known by it: under another version of Python too, and after this module is rewritten."""
    path = tmp_path / "hard.py"
    path.write_text(HARD, encoding="utf-8")
    assert code_digest([path]) == "6e2f510adbcf309fc2c13c46f140cfe22d219ab845817b22baaab7b8afddd8ce"


def others() -> dict[str, Path]:
    """Other versions of Python on this machine that uhn supports, one per minor version."""
    folders = [Path(part) for part in os.get_exec_path()] + list(Path.home().glob(".pyenv/versions/*/bin"))
    found = {}
    for path in [path for folder in folders for path in sorted(folder.glob("python3*"))]:
        if re.fullmatch(r"python3(\.\d+)?", path.name) and os.access(path, os.X_OK):
            shown = subprocess.run([path, "-I", "-V"], capture_output=True, text=True, timeout=60).stdout
            version = re.match(r"Python 3\.(\d+)", shown)
            if version and int(version[1]) >= 11 and int(version[1]) != sys.version_info.minor:
                found.setdefault(f"3.{version[1]}", path)
    return found


ELSEWHERE = """
import importlib.util, json, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("digest", sys.argv[1])
digest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(digest)
print(json.dumps([digest.code_digest([Path(name)]) for name in sys.argv[2:]]))
"""


def test_other_versions_of_python_see_the_same_code(tmp_path: Path) -> None:
    """Each on this machine, with its standard library alone, over every module of the package."""
    pythons = others()
    if not pythons:
        pytest.skip("no Python of another minor version from 3.11 on here")
    (tmp_path / "hard.py").write_text(HARD, encoding="utf-8")
    modules = [tmp_path / "hard.py", *sorted(Path(uhn.__file__).parent.rglob("*.py"))]
    wanted = [code_digest([path]) for path in modules]
    for version, python in pythons.items():
        command = [python, "-I", "-S", "-B", "-c", ELSEWHERE, digest.__file__, *modules]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{version}: {done.stderr}"
        assert json.loads(done.stdout) == wanted, version


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the form is that of Python 3.11's own dump")
def test_what_python_3_11_wrote_of_the_code_still_stands() -> None:
    """Digests in results from before this form was written out are good."""
    for path in sorted(Path(uhn.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(body := getattr(node, "body", None), list):
                text = [n for n in body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)]
                body[:] = [n for n in body if n not in text or not isinstance(n.value.value, str)]
        assert canonical(tree) == ast.dump(tree), path


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(): return", "def f(): return None"),
        ("x = None", "x = True"),
        ("x = 1", "x = 1.0"),
        ("x = '1'", "x = 1"),
        ("f'{x}'", "f'{x!r}'"),
        ("f'{x}'", "f'{x:>4}'"),
        ("[]", "[None]"),
        ("{**x}", "{None: x}"),
        ("def f(*, a, b=1): 0", "def f(*, a=1, b): 0"),
        ("match x:\n case None: 0", "match x:\n case False: 0"),
    ],
)
def test_code_that_differs_has_another_form(one: str, other: str) -> None:
    assert canonical(ast.parse(one)) != canonical(ast.parse(other))


def test_of_c_comments_and_blanks_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "kernel.c"
    found = []
    plain, other = "int f(int x) { return x + 1; }", "int f(int x) { return x; }"
    for text in (plain, "/* more\n */ int  f(int x) {\n return x + 1; }", other):
        path.write_text(text)
        found.append(code_digest([path]))
    assert found[0] == found[1] != found[2]


def test_the_c_of_the_kernels_counts_with_the_module_that_compiles_it() -> None:
    folder = identity.ROOT / "kernels"
    assert identity.file_digest("kernels.build") != code_digest([folder / "build.py"])
    assert len(list(folder.glob("*.c"))) == 2
