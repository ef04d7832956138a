"""Mutants: each breaks one rule of the library in a copy of it, and the tests must notice.

`catalogue/` holds them as data, a file for each part of the library. A mutant names the promise that it breaks, the text it
replaces, which must stand in the source exactly once, and the tests that have to catch it.
"""
