"""The figures of measure.py as tables of Markdown."""

from typing import Any

FLOP = 1.45e6
"""Of a step with the default layers, for each pixel; two for a multiply-add."""


def as_markdown(figures: dict[str, Any]) -> str:
    """All that was measured, a table for each part."""
    lines: list[str] = []
    peak = figures.get("device", {}).get("matrix peak, bfloat16, TFLOP/s")
    torch = figures.get("torch", {})
    for part, values in figures.items():
        lines += ["", f"## {part}", ""]
        for name, value in values.items():
            if part == "profile" and isinstance(value, dict) and "longest" in value:
                lines += _profile(name, value)
            elif part == "tests" and isinstance(value, dict) and "outcomes" in value:
                lines += [f"- {value['summary']}", *(f"  - {one}" for one in value["outcomes"])]
            else:
                lines.append(f"- {name}: {_said(value)}{_beside(part, name, value, peak, torch)}")
    return "\n".join(lines).strip() + "\n"


def _said(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{name} {entry}" for name, entry in value.items() if entry is not None)


def _beside(part: str, name: str, value: Any, peak: Any, torch: dict[str, Any]) -> str:
    """Of a step in bfloat16: its share of the matrix peak, and how PyTorch's compares."""
    if part != "steps" or "bfloat16" not in name or "ms" not in value:
        return ""
    size, *_ = name.split(",")
    count, _, edge = size.removesuffix(" px").rpartition(" × ")
    work = FLOP * int(edge) ** 2 * int(count or 1)
    said = f"; {work / value['ms'] / 1e9 / peak:.0%} of the matrix peak" if peak else ""
    for other, theirs in torch.items():
        if other.startswith(f"{size}, bfloat16") and "ms" in theirs:
            said += f"; PyTorch {other.split(', ', 2)[-1]} × {theirs['ms'] / value['ms']:.2f}"
    return said


def _profile(name: str, value: dict[str, Any]) -> list[str]:
    lines = [
        f"{name}: kernels are busy for {value['busy_us']} µs a step, {value['kernels']} of them",
        "",
        "| kernel | µs a step | times a step |",
        "|---|---|---|",
    ]
    for kernel, time, count in value["longest"]:
        lines.append(f"| {kernel.replace('|', '/')} | {time} | {count} |")
    return [*lines, ""]
