"""Protobuf request bodies → JSON objects: what kubectl's typed commands and Go controllers send. Answers are JSON.

tables     messages and their fields, as generated data
generate   makes the tables from a Go program that carries the Kubernetes types
decoder    bytes → object, by the tables
"""
