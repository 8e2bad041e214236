"""Test the names that `import corpo` offers: what they are, and that they need torch and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

import corpo
from tests.command import ROOT

# Refuse every import except the standard library, torch with its hard dependencies, and corpo itself.
ONLY_TORCH = """
import sys
from importlib.abc import MetaPathFinder

ALLOWED = {"corpo", "torch", "torchgen", "functorch", "filelock", "fsspec", "jinja2", "markupsafe", "mpmath"}
ALLOWED |= {"networkx", "setuptools", "sympy", "typing_extensions"} | sys.stdlib_module_names


class OnlyTorch(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] not in ALLOWED:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


sys.meta_path.insert(0, OnlyTorch())
"""


def _python(code: str, folder: Path) -> str:
    """Run code in a process of its own that can import nothing but torch and corpo. Return what it prints."""
    program = ONLY_TORCH + textwrap.dedent(code)
    environment = {"PATH": "", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", program]
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_the_public_names_work_with_torch_alone(tmp_path: Path) -> None:
    code = """
    import torch
    from corpo import CorpoError, advantage_stats, advantages, group_advantages, pass_at_k
    from corpo import register_baseline, register_reward

    rewards_PG = torch.tensor([[-1.0, -0.5, 1.0, 0.5]])
    advantages_PG = advantages(rewards_PG, "corpo", threshold=0.0)
    print(advantages_PG.tolist(), advantage_stats(rewards_PG, advantages_PG, 0.0)["pass_rate"])
    print(pass_at_k(4, 2, 1), issubclass(CorpoError, Exception))

    @register_baseline("zero")
    def zero(rewards_PG, threshold):
        return rewards_PG

    lengths_G = torch.ones(4)
    print(group_advantages(rewards_PG[0], "zero", threshold=0.0, lengths_G=lengths_G).tolist())

    @register_reward("constant")
    class Constant:
        pass
    """
    assert _python(code, tmp_path).splitlines() == [
        "[[-1.0, -0.5, 1.0, 0.5]] 0.5",
        "0.5 True",
        "[-1.0, -0.5, 1.0, 0.5]",
    ]


def test_an_import_of_the_package_loads_nothing_else(tmp_path: Path) -> None:
    code = """
    import sys
    before = set(sys.modules)
    import corpo
    print(sorted(name for name in set(sys.modules) - before if name.partition(".")[0] in {"corpo", "torch"}))
    """
    assert _python(code, tmp_path).strip() == "['corpo']"


def test_the_public_names_take_well_under_a_second_beyond_torch(tmp_path: Path) -> None:
    code = """
    import time
    import torch
    started = time.process_time()
    from corpo import advantage_stats, advantages, pass_at_k, register_baseline, register_reward
    print(time.process_time() - started)
    """
    assert float(_python(code, tmp_path)) < 0.5


def test_every_public_name_is_listed_once_for_python_and_for_editors() -> None:
    tree = ast.parse(Path(corpo.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    for_editors: dict[str, str | None] = {"__version__": None}
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                for_editors[alias.name] = node.module
    assert for_editors == {"__version__": None, **corpo._MODULES}
    assert dir(corpo) == sorted(corpo.__all__) == sorted(for_editors)
    for name, module in corpo._MODULES.items():
        assert getattr(corpo, name) is getattr(import_module(module), name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'adventages'"):
        _ = corpo.adventages


def test_the_version_is_that_of_the_installed_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(corpo.__version__, str)
    monkeypatch.setattr("importlib.metadata.version", lambda name: {"corpo-rl": "7.1"}[name])
    assert corpo._installed_version() == "7.1"
