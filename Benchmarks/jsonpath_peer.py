"""Times queries in a PyPI library, as JSONPath/main.swift does in Postroom's module. The argument is the library."""

import json
import sys
import time


def compiler(library):
    if library == "python-jsonpath":
        import jsonpath

        def compile_query(text):
            query = jsonpath.compile(text)
            return lambda document: query.findall(document)
    else:
        from jsonpath2.path import Path

        def compile_query(text):
            query = Path.parse_str(text)
            return lambda document: [result.current_value for result in query.match(document)]
    return compile_query


def least_time(work, seconds):
    """The nanoseconds of one call: the minimum of many batches."""
    end = time.perf_counter() + seconds
    least, count = float("inf"), 1
    while True:
        began = time.perf_counter_ns()
        for _ in range(count):
            work()
        took = time.perf_counter_ns() - began
        least = min(least, took / count)
        if took < 5_000_000:
            count *= 2
        if time.perf_counter() >= end:
            return least


def main():
    given = json.load(sys.stdin)
    compile_query = compiler(sys.argv[1])
    for name, text in given["cases"]:
        document = given["documents"][name]
        evaluate = compile_query(text)
        compiling = least_time(lambda: compile_query(text), given["seconds"])
        evaluating = least_time(lambda: evaluate(document), given["seconds"])
        print(compiling, 0, evaluating, len(evaluate(document)), flush=True)


main()
