"""The rules of receiver.py: which answer a request gets."""

import random
from urllib.parse import parse_qs

FAULTS = {"", "reset_early", "reset", "reset_mid", "close", "hang", "garbage", "half", "truncate"}


# ---------------------------------------------------------------- rules
def parse_query_rule(query):
    q = {k: v[-1] for k, v in parse_qs(query, keep_blank_values=True).items()}
    rule = {}
    num = lambda s: float(s) if "." in s else int(s)
    for k in ("status", "delay", "body_bytes", "gzip_bomb", "read_delay", "hang_max"):
        if k in q:
            vals = [num(x) for x in q[k].split(",")]
            rule[k] = vals if len(vals) > 1 else vals[0]
    if "fault" in q:
        rule["fault"] = q["fault"].split(",")
    for k in ("per", "redirect", "body"):
        if k in q:
            rule[k] = q[k]
    for k in ("cycle", "keepalive", "endless"):
        if k in q:
            rule[k] = q[k] not in ("0", "false", "no")
    if "retry_after" in q:
        rule["headers"] = {"retry-after": q["retry_after"]}
    if "drip" in q:
        b, c, i = q["drip"].split(",")[:3]
        rule["drip"] = {"bytes": int(b), "chunk": int(c), "interval": float(i)}
    return rule


def check_rule(rule):
    for step in rule.get("steps", [rule]):
        for f in (step.get("fault") if isinstance(step.get("fault"), list) else [step.get("fault") or ""]):
            if (f or "") not in FAULTS:
                raise ValueError(f"unknown fault {f!r}; one of {sorted(FAULTS)}")
    return rule


def resolve(rule, i):
    """The i-th (0-based) answer of a rule."""
    cycle = rule.get("cycle")
    pick = lambda v: (v[i % len(v)] if cycle else v[min(i, len(v) - 1)]) if isinstance(v, list) and v else v
    if "steps" in rule:
        step = dict(pick(rule["steps"]))
        return {**{k: v for k, v in rule.items() if k not in ("steps", "cycle", "per")}, **step}
    return {k: pick(v) for k, v in rule.items()}


def read_number(v):
    if isinstance(v, dict):
        return random.uniform(float(v["min"]), float(v["max"]))
    return float(v or 0)
