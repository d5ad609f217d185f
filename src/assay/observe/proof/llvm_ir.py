"""Writes the LLVM function that asks for one instruction. Pure.

The operands are the function's arguments and the result is stored, so that nothing can be computed beforehand or left
out. Nothing is declared: LLVM's parser then refuses a name that is no intrinsic of its own, where a declaration would
make it the call of an outside function.
"""

import re

ENTRY = "probe"
CALL = re.compile(r"(?P<result><\d+ x \w+>|\w+) @llvm\.[a-z0-9.]+\((?P<arguments>[^()]*)\)")
OPERAND = re.compile(r"(<\d+ x \w+>|\w+) (%\w+)")


def function(call: str) -> str:
    """The module that makes a call, as text.

    Raises:
        ValueError: the call is not written as one.
    """
    match = CALL.fullmatch(call)
    if match is None:
        raise ValueError(call)
    result = match["result"]
    # Operands of this calling convention arrive in vector registers, and there are enough of them for every probe.
    operands = ", ".join(f"{type_} {name}" for type_, name in OPERAND.findall(match["arguments"]))
    return (
        f"define amdgpu_ps void @{ENTRY}(ptr addrspace(1) %out, {operands}) {{\n"
        f"  %result = call {call}\n"
        f"  store {result} %result, ptr addrspace(1) %out\n"
        "  ret void\n"
        "}\n"
    )
