"""The three folders become one package, and the wheel holds what the tree holds."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("actors", "supervisors", "simulations")


def tree() -> set[str]:
    """Every file that the wheel must hold, by its place in the package."""
    files = {f"understudy/{path.name}" for path in (ROOT / "src/understudy").iterdir() if path.is_file()}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                files.add(f"understudy/{room}/{path.relative_to(ROOT / room).as_posix()}")
    return files


def test_the_wheel_holds_exactly_what_the_tree_holds(tmp_path: Path) -> None:
    build = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}
    assert packed == tree()


def test_a_checkout_without_links_still_finds_its_rooms(tmp_path: Path) -> None:
    package = tmp_path / "src/understudy"
    package.mkdir(parents=True)
    for path in (ROOT / "src/understudy").iterdir():
        if path.is_file():
            (package / path.name).write_bytes(path.read_bytes())
    for room in ROOMS:
        (tmp_path / room).symlink_to(ROOT / room)
        (package / room).write_text(f"../../{room}", encoding="utf-8")
    check = "import understudy, understudy.actors.bucket; print(understudy.__file__)"
    environ = {"PYTHONPATH": str(tmp_path / "src")}
    done = subprocess.run([sys.executable, "-c", check], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(tmp_path))


def test_every_public_name_is_there_and_documented() -> None:
    import understudy

    for name in understudy.__all__:
        value = getattr(understudy, name)
        assert name == "__version__" or value.__doc__, name


def test_importing_understudy_brings_little_along_besides_trio_and_httpx() -> None:
    check = (
        "import sys, trio, httpx, attrs; before = set(sys.modules); import understudy; "
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before if name[0] != '_'}))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    heavy = {"yaml", "tomllib", "hypothesis", "click", "rich", "cattrs"}
    assert not heavy & set(ast.literal_eval(done.stdout)), done.stdout


def test_what_not_everybody_needs_of_understudy_comes_when_it_is_first_used() -> None:
    check = (
        "import sys, understudy\n"
        "from understudy.actors.providers.dialects import DIALECTS\n"
        "def there():\n"
        "    names = ('transport.transport', 'providers.anthropic', 'providers.gemini')\n"
        "    return [name for name in names if f'understudy.actors.{name}' in sys.modules]\n"
        "print(list(DIALECTS), there())\n"
        "print([type(DIALECTS[name]).__name__ for name in ('openai', 'azure')], there())\n"
        "print(understudy.RouterTransport.__name__, there())\n"
        "print(type(DIALECTS['gemini']).__name__, there(), DIALECTS['gemini'] is DIALECTS['gemini'])\n"
        "print(len(DIALECTS), 'latin' in DIALECTS, type(DIALECTS['anthropic']).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "['openai', 'azure', 'anthropic', 'gemini'] []",
        "['OpenAIDialect', 'AzureDialect'] []",
        "RouterTransport ['transport.transport']",
        "GeminiDialect ['transport.transport', 'providers.gemini'] True",
        "4 False AnthropicDialect",
    ]


def test_the_project_speaks_of_itself_alone() -> None:
    """No path of a machine, and no registry's host, in what is shipped."""
    banned = ("/wo" + "rk/", "/ro" + "ot/", "pypi." + "org", "pythonhosted." + "org")
    for folder in (*ROOMS, "src", "tests", "docs", "examples", ".ci"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in (".py", ".md", ".toml", ""):
                text = path.read_text(encoding="utf-8", errors="ignore")
                assert not [word for word in banned if word in text], path
