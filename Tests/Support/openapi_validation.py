#!/usr/bin/env python3
"""Checks values against schemas of an OpenAPI 3.1 document. Needs jsonschema-rs.

Reads {"components": …, "values": [[name, schema, value], …]} and prints a line for each value that is not valid.
"""

import json
import sys

import jsonschema_rs


def main():
    given = json.load(sys.stdin)
    # References lead to "#/components/schemas/…".
    components = {"schemas": given["components"]["schemas"]}
    validators = {}
    for name, schema, value in given["values"]:
        key = json.dumps(schema)
        if key not in validators:
            whole = {"allOf": [schema], "components": components}
            validators[key] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        for error in validators[key].iter_errors(value):
            print("%s: %s: %s" % (name, "/".join(map(str, error.instance_path)), error.message))


main()
