"""A long job in clear steps: each result is committed the moment it is there, and a restart goes on after the last one."""

import atomic_store

STEPS = ("count", "total", "largest")
NUMBERS = (3, 1, 4, 1, 5, 9, 2, 6)


def work(step: str) -> int:
    """Do what takes an hour in a real job."""
    if step == "count":
        return len(NUMBERS)
    if step == "total":
        return sum(NUMBERS)
    return max(NUMBERS)


store = atomic_store.open("gathered.json", default={"state": "new", "results": {}})
if store.value["state"] == "done":
    print("Nothing left to do:", store.value["results"])
else:
    store.value["state"] = "running"
    store.commit()
    for step in STEPS:
        if step not in store.value["results"]:
            print("Working on:", step)
            store.value["results"][step] = work(step)
            store.commit()
    store.value["state"] = "done"
    store.commit()
    print("Done:", store.value["results"])
