"""Finds code that silences warnings, from its tree. Pure."""

from __future__ import annotations

import ast

from analyst_kernel._code import tree_of

_HARMLESS = ("FutureWarning", "DeprecationWarning", "PendingDeprecationWarning", "Pandas4Warning")
_FILTERS = ("filterwarnings", "simplefilter")
_CHAINED = "mode.chained_assignment"


def silenced(code: str) -> tuple[str, ...]:
    """Return each call or assignment that silences warnings, as written.

    Warnings that an interface will change are left out: they say nothing of the data.
    """
    tree = tree_of(code)
    if tree is None:
        return ()
    found = [text for node in ast.walk(tree) if (text := _silences(node))]
    return tuple(dict.fromkeys(found))


def _silences(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        name = _last(node.func)
        words = {word.arg: word.value for word in node.keywords}
        texts = [_text(one) for one in node.args]
        if name in _FILTERS and "ignore" in (*texts, _text(words.get("action"))):
            place = 1 if name == "simplefilter" else 2
            given = node.args[place] if len(node.args) > place else None
            category = words.get("category", given)
            return "" if _all_harmless(category) else ast.unparse(node)
        if name in ("set_option", "option_context") and _CHAINED in texts:
            off = any(isinstance(one, ast.Constant) and one.value is None for one in node.args)
            return ast.unparse(node) if off else ""
        if name == "seterr" and "ignore" in map(_text, words.values()):
            return ast.unparse(node)
        if name == "redirect_stderr":
            return ast.unparse(node)
        if name == "disable" and ast.unparse(node.func) == "logging.disable":
            return ast.unparse(node)
    if isinstance(node, ast.Assign):
        for target in node.targets:
            written = ast.unparse(target)
            if written.endswith(_CHAINED) and isinstance(node.value, ast.Constant):
                if node.value.value is None:
                    return ast.unparse(node)
            if written in ("sys.stderr", "warnings.warn", "warnings.showwarning"):
                return ast.unparse(node)
            if "PYTHONWARNINGS" in written and _text(node.value) == "ignore":
                return ast.unparse(node)
    return ""


def _all_harmless(category: ast.expr | None) -> bool:
    if category is None:
        return False
    kinds = category.elts if isinstance(category, ast.Tuple) else [category]
    return bool(kinds) and all(_last(kind) in _HARMLESS for kind in kinds)


def _last(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
