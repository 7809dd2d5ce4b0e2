"""Markdown tables with aligned columns."""


def table(columns, rows):
    """Prints a table; the first column is text, the others are numbers."""
    texts = [columns] + [[cell if isinstance(cell, str) else number(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in texts) for index in range(len(columns))]
    lines = []
    for row in texts:
        cells = [cell.ljust(width) if not index else cell.rjust(width) for index, (cell, width) in enumerate(zip(row, widths))]
        lines.append("| " + " | ".join(cells) + " |")
    rule = ["-" * width if not index else "-" * (width - 1) + ":" for index, width in enumerate(widths)]
    lines.insert(1, "| " + " | ".join(rule) + " |")
    print("\n".join(lines) + "\n", flush=True)


def heading(text):
    print(f"### {text}\n", flush=True)


def number(value):
    """Three significant digits, with separators between thousands."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def percent(value):
    return f"{100 * value:.0f} %"
