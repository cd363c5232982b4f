"""Reads the descriptions in schemas/*.toml and writes from them C, documents and JSON Schemas."""
