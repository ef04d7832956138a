"""Hostile files: what a load does with content that nobody honest has written.

`values` and `seeds` make valid files, `mutation` damages them, `targets` says through which formats and wrappers they are
loaded and what must hold, `guard` loads them one by one in a child that can harm nobody, `controls` are defects that must
be found.
"""
