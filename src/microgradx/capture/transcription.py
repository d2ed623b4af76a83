"""Functions of this package as text that stands alone: with the helpers and constants they use."""

from __future__ import annotations

import inspect
import math
import re
import textwrap
import threading
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from microgradx.errors import CaptureError

__all__ = ["transcribe"]


def transcribe(functions: dict[str, Any]) -> list[str]:
    """Python text that defines functions, needing NumPy and the standard library alone.

    Parameters
    ----------
    functions : dict
        Name in the text -> function.

    Returns
    -------
    list of str
        Lines: imports, constants, then functions, helpers before those that call them.

    Raises
    ------
    CaptureError
        If a function's text is not available.
    """
    writer = _Writer()
    for name, function in functions.items():
        writer.define(name, function)
    return [*writer.imports, *writer.constants, *writer.texts]


class _Writer:
    def __init__(self) -> None:
        self.done: dict[str, Any] = {"np": np}
        self.imports: list[str] = []
        self.constants: list[str] = []
        self.texts: list[str] = []

    def define(self, name: str, function: Any) -> None:
        """Write a function, and first whatever it names."""
        if name in self.done:
            return
        self.done[name] = function
        try:
            text = textwrap.dedent(inspect.getsource(function))
        except (OSError, TypeError):
            text = ""
        text = re.sub(r"^@staticmethod\n", "", text)
        if not text.startswith("def "):
            raise CaptureError(
                "source", f"the kernel {name} has no text of its own", "Write it as a function"
            )
        for used in _names(function.__code__):
            if used in function.__globals__:
                self._need(used, function.__globals__[used])
        if function.__kwdefaults__ or function.__defaults__:
            for used in re.findall(r"= *([A-Z_]+)\b", text.split(":\n", 1)[0]):
                if used in function.__globals__:
                    self._need(used, function.__globals__[used])
        own = function.__name__
        text = re.sub(rf"^def {re.escape(own)}\b", f"def {name}", text)
        self.texts += ["", "", text.rstrip()]

    def _need(self, name: str, value: Any) -> None:
        if name in self.done:
            return
        if isinstance(value, FunctionType) and value.__module__.startswith("microgradx"):
            self.define(name, value)
            return
        self.done[name] = value
        if isinstance(value, ModuleType):
            alias = "" if value.__name__ == name else f" as {name}"
            self.imports.append(f"import {value.__name__}{alias}")
        elif isinstance(value, threading.local):
            self.done.setdefault("threading", threading)
            self.imports.append("import threading")
            self.constants.append(f"{name} = threading.local()")
        elif isinstance(value, (int, float, str, bool, tuple, frozenset)):
            text = repr(value) if value not in (math.inf, -math.inf) else f"float('{value}')"
            self.constants.append(f"{name} = {text}")
        elif isinstance(value, dict):
            self.constants.append(f"{name} = {{}}")  # a cache; it fills again
        elif getattr(value, "__module__", None) and not value.__module__.startswith("microgradx"):
            self.imports.append(f"from {value.__module__} import {value.__name__} as {name}")
        elif callable(value):
            self.define(name, getattr(value, "array", value))


def _names(code: CodeType) -> list[str]:
    found = list(code.co_names)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found += _names(inner)
    return list(dict.fromkeys(found))
