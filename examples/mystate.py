"""Functions that each enter the store, alone or inside one another: only leaving the outermost block writes the file."""

import atomic_store

store = atomic_store.open("mystate.json", default={"balance": 0, "history": []}, ignore_inner_exits=True)


def remember(event: str) -> None:
    """Append to the history."""
    with store:
        store.value["history"].append(event)


def deposit(amount: int) -> None:
    """Change the balance and the history, never only one of them."""
    with store:
        store.value["balance"] += amount
        remember(f"deposit {amount}")


with store:
    deposit(10)
    deposit(5)
    stored = atomic_store.open("mystate.json", default={"balance": 0}).value["balance"]
    print("Inside the block:", store.value["balance"], "in memory,", stored, "in the file")

stored = atomic_store.open("mystate.json").value["balance"]
print("After the block: ", store.value["balance"], "in memory,", stored, "in the file")
