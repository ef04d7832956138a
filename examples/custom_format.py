"""A format of one's own: a dict of sections in an INI file, which a person can read and edit."""

import configparser
from typing import Any, TextIO

import atomic_store

Sections = dict[str, dict[str, str]]
COMPACT = {"space_around_delimiters": False}


class Ini(atomic_store.AbstractFormatFile):
    """Sections of strings; comments in the file are lost when it is written again."""

    def dump(self, obj: Sections, fp: TextIO, **kwargs: Any) -> None:
        """Write the sections; `kwargs` are the store's dump_kwargs."""
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_dict(obj)
        parser.write(fp, **kwargs)

    def load(self, fp: TextIO, **kwargs: Any) -> Sections:
        """Read the sections; `kwargs` are the store's load_kwargs."""
        parser = configparser.ConfigParser(interpolation=None, **kwargs)
        parser.read_file(fp)
        return {name: dict(parser[name]) for name in parser.sections()}


with atomic_store.open("station.ini", default={}, format=Ini(), is_binary=False, dump_kwargs=COMPACT) as store:
    station = store.value.setdefault("station", {"name": "Zürich", "visits": "0"})
    station["visits"] = str(int(station["visits"]) + 1)
    print("Visits:", station["visits"])
