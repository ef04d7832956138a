"""A program that streams a table by one of Django's serializers: started by tests, in a process of its own.

    python django_job.py make DATABASE ROWS BYTES
    python django_job.py dump DATABASE LOCATION FORMAT STOP

STOP is "never", or what happens once half of the rows are written: "raise" an exception, or "wait" to be killed. A dump
tells, in a line of JSON, how it ended, and by how much its memory grew while it ran.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from typing import Any

import atomic_store
from atomic_store.store import locate

MODES = {"xml": "wb", "json": "w", "jsonl": "w"}


class HalfWay(Exception):
    """The job fails when half of the rows are written."""


def make(database: str, rows: int, size: int) -> None:
    """Make the table that the model below describes, each row of so many bytes."""
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE article (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
        made = ((number, f"№ {number} <&> ".ljust(size, "x")) for number in range(1, rows + 1))
        connection.executemany("INSERT INTO article VALUES (?, ?)", made)
    connection.close()


def serialize(database: str, format: str, stream: Any, stop: str) -> None:
    """Give all rows to Django, which writes them to the stream one by one."""
    import django  # type: ignore[import-untyped]
    from django.conf import settings  # type: ignore[import-untyped]

    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
    )
    django.setup()
    from django.core import serializers  # type: ignore[import-untyped]
    from django.db import models  # type: ignore[import-untyped]

    class Article(models.Model):  # type: ignore[misc]  # an untyped base
        body = models.TextField()

        class Meta:
            app_label = "news"
            db_table = "article"

    total = Article.objects.count()

    def rows() -> Iterator[Any]:
        for number, row in enumerate(Article.objects.order_by("id").iterator(chunk_size=1000)):
            if stop != "never" and number == total // 2:
                if stop == "raise":
                    raise HalfWay
                say(written=stream.tell() if MODES[format] == "wb" else None)
                sys.stdin.read()
            yield row

    serializers.get_serializer(format)().serialize(rows(), stream=stream)


def memory(what: str) -> int:
    """This process's memory in bytes: VmRSS, now, or VmHWM, at its peak (proc(5))."""
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:"))


def say(**what: Any) -> None:
    """Tell the test something."""
    os.write(1, json.dumps(what).encode() + b"\n")


def dump(database: str, location: str, format: str, stop: str) -> None:
    """Stream the table to the location, or as far as it comes."""
    import django.core.serializers.json  # type: ignore[import-untyped]
    import django.core.serializers.xml_serializer  # type: ignore[import-untyped]
    import django.db.backends.sqlite3.base  # type: ignore[import-untyped]  # noqa: F401 - what is imported is not what the dump needs

    place = locate(location)
    getattr(place, "client", None)  # likewise the client of a place on S3
    before = memory("VmRSS")
    with open("/proc/self/clear_refs", "w", encoding="ascii") as peak:
        peak.write("5")  # the peak begins anew, at what is used now
    ended = "success"
    try:
        with atomic_store.atomic_write(place, MODES[format]) as stream:  # type: ignore[call-overload]  # "w" or "wb"
            serialize(database, format, stream, stop)
    except HalfWay:
        ended = "HalfWay"
    say(ended=ended, grown=memory("VmHWM") - before, base=before)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        dump(*sys.argv[2:])
