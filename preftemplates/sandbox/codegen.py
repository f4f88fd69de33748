"""The code generator that charges everything that takes time or memory in a template to the budget."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.compiler import Frame, MacroRef, operators

from preftemplates.sandbox.tracing import TracedCodeGenerator

_BUDGET_METHODS = (
    "tick", "add", "add_all", "multiply", "power", "arithmetic", "concat", "contains", "count_container", "count_key",
    "slice_value", "count_compared",
)  # fmt: skip
"""Methods of the budget that the code calls; they cannot clash with the template's names, which begin with `l_`."""


class BoundedCodeGenerator(TracedCodeGenerator):
    """Compile a template so that its operations go through the budget and none is computed at compile time."""

    repeated = 0
    """How many loops and macros enclose the code being written."""

    def write_commons(self) -> None:
        """Write the preamble: the budget's methods as local names."""
        super().write_commons()
        # `concat` replaces the local that Jinja has just written, with which macros, set and filter blocks join their
        # output, so that is counted too
        self.writeline("budget = environment.budget")
        for name in _BUDGET_METHODS:
            self.writeline(f"{name} = budget.{name}")
        self.writeline("text_of, call_method = environment.text_of, environment.call_method")

    def _output_child_pre(self, node: nodes.Expr, _frame: Frame, _finalize: Any) -> None:
        self.write("(" if _is_text(node) else "text_of(")

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write a loop that ticks in its body and in its test."""
        node.body.insert(0, nodes.ExprStmt(_TICK, lineno=node.lineno))
        # `tick` returns None, so the test still decides; if it is never true, the body with its own tick never runs
        if node.test is not None:
            node.test = nodes.Or(_TICK, node.test, lineno=node.lineno)
        # a mark for `visit_MarkSafe` below: no template source parses to this node
        if self.repeated:
            node.iter = nodes.MarkSafe(node.iter, lineno=node.lineno)
        self.repeated += 1
        super().visit_For(node, frame)
        self.repeated -= 1

    def macro_body(self, node: nodes.Macro | nodes.CallBlock, frame: Frame) -> tuple[Frame, MacroRef]:
        """Write the function of a macro or call block, which ticks."""
        node.body.insert(0, nodes.ExprStmt(_TICK, lineno=node.lineno))
        self.repeated += 1
        written = super().macro_body(node, frame)
        self.repeated -= 1
        return written

    def macro_def(self, macro_ref: MacroRef, frame: Frame) -> None:
        """Write the definition of a macro."""
        self.write("count_container(16, ")
        super().macro_def(macro_ref, frame)
        self.write(")")

    def visit_EnvironmentAttribute(self, _node: nodes.EnvironmentAttribute, _frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write a tick: Jinja allows no new node classes, and no source parses to this one."""
        self.write("tick()")

    def visit_MarkSafe(self, node: nodes.MarkSafe, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write the iterable of a nested loop: each run of the inner loop allocates its loop object."""
        self.write("count_container(8, ")
        self.visit(node.expr, frame)
        self.write(")")

    def visit_Add(self, node: nodes.BinExpr, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write a sum; a sum of several summands is computed in one call."""
        parts = _list_summands(node)
        self._write_call("add" if len(parts) == 2 else "add_all", parts, frame)

    def visit_Mul(self, node: nodes.BinExpr, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write a product."""
        self._write_call("multiply", [node.left, node.right], frame)

    def visit_Pow(self, node: nodes.BinExpr, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write a power."""
        self._write_call("power", [node.left, node.right], frame)

    # no `visit_Mod`: the environment intercepts `%`, so Jinja writes a call of its `call_binop`
    def visit_Sub(self, node: nodes.BinExpr, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write a difference."""
        self._write_call("arithmetic", [nodes.Const("-"), node.left, node.right], frame)

    def visit_Div(self, node: nodes.BinExpr, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write a quotient."""
        self._write_call("arithmetic", [nodes.Const("/"), node.left, node.right], frame)

    def visit_FloorDiv(self, node: nodes.BinExpr, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write a quotient rounded down."""
        self._write_call("arithmetic", [nodes.Const("//"), node.left, node.right], frame)

    def _write_call(self, name: str, args: list[nodes.Expr], frame: Frame) -> None:
        self.write(f"{name}(")
        for arg in args:
            self.visit(arg, frame)
            self.write(", ")
        self.write(")")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write `concat((text_of(a), text_of(b), ...))`."""
        self.write("concat((")
        for part in node.nodes:
            self.write("(" if _is_text(part) else "text_of(")
            self.visit(part, frame)
            self.write("), ")
        self.write("))")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write a comparison; operands that may be long are charged, unless one side is a constant."""
        first, *more = node.ops
        if more:  # one Python comparison, in which `a < b < c` evaluates b once
            self._write_comparison(node, frame, "count_compared(")
        elif first.op in ("in", "notin"):
            self._write_membership(node.expr, first, frame)
        # a comparison ends with the shorter side, and the source's length limits a constant
        elif _is_constant(node.expr) or _is_constant(first.expr):
            self._write_comparison(node, frame, "(")
        else:
            self._write_comparison(node, frame, "count_compared(")

    def _write_comparison(self, node: nodes.Compare, frame: Frame, before: str) -> None:
        self.write(f"({before}")
        self.visit(node.expr, frame)
        for operand in node.ops:
            self.write(f") {operators[operand.op]} {before}")
            self.visit(operand.expr, frame)
        self.write("))")

    def _write_membership(self, item: nodes.Expr, operand: nodes.Operand, frame: Frame) -> None:
        if _is_constant(operand.expr):
            self._write_comparison(nodes.Compare(item, [operand]), frame, "(")
            return
        self.write("(not " if operand.op == "notin" else "(")
        self._write_call("contains", [item, operand.expr], frame)
        self.write(")")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write an item or slice of a value."""
        if not isinstance(node.arg, nodes.Slice):
            super().visit_Getitem(node, frame)
            return
        nothing = nodes.Const(None)
        bounds = (node.arg.start, node.arg.stop, node.arg.step)
        self._write_call("slice_value", [node.node, *(bound or nothing for bound in bounds)], frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write a tuple."""
        # a stored tuple is a target, as in `for key, value in ...`, to which a call would be a syntax error
        self._write_held(node, frame, super().visit_Tuple, node.ctx == "load")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write a list."""
        self._write_held(node, frame, super().visit_List)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write a dict."""
        self._write_held(node, frame, self._visit_dict)

    def _write_held(self, node: Any, frame: Frame, visit: Any, counts: bool = True) -> None:
        counts = counts and self.repeated > 0  # outside of loops and macros, the limit on tokens is enough
        self.write(f"count_container({len(node.items)}, " if counts else "")
        visit(node, frame)
        self.write(")" if counts else "")

    def _visit_dict(self, node: nodes.Dict, frame: Frame) -> None:
        self.write("{")
        for pair in node.items:
            self.write("" if isinstance(pair.key, nodes.Const) else "count_key")
            self.write("(")
            self.visit(pair.key, frame)
            self.write("): ")
            self.visit(pair.value, frame)
            self.write(", ")
        self.write("}")

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:  # noqa: N802  Jinja calls it by the node's name
        """Write a call; a method with plain arguments is looked up and called in one step."""
        # Jinja would add `_loop_vars` to the arguments, which only functions that take the context get
        plain = not (forward_caller or node.kwargs or node.dyn_args or node.dyn_kwargs)
        if not (plain and isinstance(node.node, nodes.Getattr)):
            super().visit_Call(node, frame, forward_caller=forward_caller)
            return
        self.write("call_method(context, ")
        self.visit(node.node.node, frame)
        self.write(f", {node.node.attr!r}, ")
        for arg in node.args:
            self.visit(arg, frame)
            self.write(", ")
        self.write(")")


_TICK = nodes.EnvironmentAttribute("tick")


def _list_summands(node: nodes.Expr) -> list[nodes.Expr]:
    """List the summands of `a + b + c`."""
    parts: list[nodes.Expr] = []
    while isinstance(node, nodes.Add):
        parts.append(node.right)
        node = node.left
    return [node, *reversed(parts)]


def _is_text(node: nodes.Expr) -> bool:
    """Return whether an expression always gives a string, if it does not raise an error."""
    if isinstance(node, nodes.Add):
        return any(map(_is_text, _list_summands(node)))  # only a string can be added to a string
    return isinstance(node, nodes.Concat) or (isinstance(node, nodes.Const) and isinstance(node.value, str))


def _is_constant(node: nodes.Expr) -> bool:
    if isinstance(node, nodes.List | nodes.Tuple):
        return all(isinstance(item, nodes.Const) for item in node.items)
    return isinstance(node, nodes.Const)
