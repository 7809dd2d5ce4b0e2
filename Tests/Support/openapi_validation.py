#!/usr/bin/env python3
"""Checks values against schemas of an OpenAPI 3.1 document. Needs jsonschema-rs.

Reads {"components": …, "values": [[name, schema, value], …]} and prints a line for each value that is not valid.
"""

import json
import sys

import jsonschema_rs


def main():
    given = json.load(sys.stdin)
    for name, schema, value in given["values"]:
        # References lead to "#/components/schemas/…".
        whole = {"allOf": [schema], "components": given["components"]}
        validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        for error in validator.iter_errors(value):
            print("%s: %s: %s" % (name, "/".join(map(str, error.instance_path)), error.message))


main()
