"""A script started by cron remembers when it ran: the main job of atomic_store, in six lines."""

import time

import atomic_store

with atomic_store.open("runs.json", default=[], lock=True) as store:
    print("Previous runs:", store.value)
    store.value.append(time.strftime("%Y-%m-%d %H:%M:%S%z"))
