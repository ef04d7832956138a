"""Finding: what a probe() of a location has found out about one promise."""


class Finding:
    """The result of probe() for one promise. Creating it raises nothing.

    Attributes:
        promise: the name of the promise, one word.
        kept: True if it was seen to be kept, False if not or if it cannot be tried.
        text: what was seen, for the user.
    """

    __slots__ = ("kept", "promise", "text")

    def __init__(self, promise: str, kept: bool, text: str) -> None:
        self.promise: str = promise
        self.kept: bool = kept
        self.text: str = text

    def __repr__(self) -> str:
        return f"<Finding {self.promise}: {'kept' if self.kept else 'NOT kept'}, {self.text}>"
