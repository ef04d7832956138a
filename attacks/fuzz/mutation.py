"""Damage to files: a case is made of nothing but its seed, its target and its number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

# What lengths, counts, offsets and types are when they are meant badly.
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**63, 2**64 - 1)
TIMES = (2, 3, 10, 100, 1000)
NOTABLE = (*(b"\0\x01\x7f\x80\xff\n\r\t \"'\\[]{}(),:;-+.%&*!|>?@#=<~0189aenEN_"),)


class Mutator:
    """Gives damaged files made of valid ones.

    Args:
        corpus: valid files, and invalid ones worth beginning with.
        words: what the format is made of.
        limit: bytes; no file is longer, but for one of two thousand, which may have ten times as many.
    """

    def __init__(self, corpus: Sequence[bytes], words: Sequence[bytes], limit: int) -> None:
        self.corpus = corpus
        self.words = words
        self.limit = limit

    def content(self, random: Random) -> bytes:
        """Give the next file: a damaged one, or, now and then, a heap of words, or one of the corpus as it is."""
        if random.random() < 0.02:
            return b"".join(random.choices(self.words, k=random.randint(0, 60)))[: self.limit]
        limit = 10 * self.limit if random.random() < 0.0005 else self.limit
        data = bytearray(random.choice(self.corpus))
        for _ in range(0 if random.random() < 0.05 else 1 + min(int(random.expovariate(0.9)), 16)):
            random.choice(DAMAGES)(self, data, random)
        return bytes(data[:limit])


Damage = Callable[[Mutator, bytearray, Random], None]


def somewhere(data: bytearray, random: Random, longest: int = 64) -> slice:
    """Give a piece of the data: mostly a short one, sometimes any."""
    begin = random.randint(0, len(data))
    size = random.randint(0, len(data) - begin) if random.random() < 0.2 else random.randint(0, longest)
    return slice(begin, begin + size)


def flip(mutator: Mutator, data: bytearray, random: Random) -> None:
    """Flip one bit."""
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def replace(mutator: Mutator, data: bytearray, random: Random) -> None:
    """Make one byte another one."""
    if data:
        data[random.randrange(len(data))] = random.choice(NOTABLE) if random.random() < 0.5 else random.randrange(256)


def remove(mutator: Mutator, data: bytearray, random: Random) -> None:
    """Take a piece out."""
    del data[somewhere(data, random)]


def cut(mutator: Mutator, data: bytearray, random: Random) -> None:
    """Cut the end off."""
    del data[random.randint(0, len(data)) :]


def insert(mutator: Mutator, data: bytearray, random: Random) -> None:
    """Put some bytes in."""
    place = random.randint(0, len(data))
    data[place:place] = random.randbytes(random.randint(1, 8))


def put_word(mutator: Mutator, data: bytearray, random: Random) -> None:
    """Put a word of the format in, or over what is there."""
    word = random.choice(mutator.words)
    place = random.randint(0, len(data))
    data[place : place + random.choice((0, 0, len(word)))] = word


def repeat_word(mutator: Mutator, data: bytearray, random: Random) -> None:
    """Put a word in many times: what opens something, opens it that deep."""
    place = random.randint(0, len(data))
    data[place:place] = (random.choice(mutator.words) * random.choice(TIMES))[: mutator.limit]


def repeat(mutator: Mutator, data: bytearray, random: Random) -> None:
    """Put a piece in again, perhaps many times."""
    piece = data[somewhere(data, random)]
    place = random.randint(0, len(data))
    data[place:place] = (piece * random.choice(TIMES))[: mutator.limit]


def move(mutator: Mutator, data: bytearray, random: Random) -> None:
    """Move a piece elsewhere."""
    where = somewhere(data, random)
    piece = data[where]
    del data[where]
    place = random.randint(0, len(data))
    data[place:place] = piece


def splice(mutator: Mutator, data: bytearray, random: Random) -> None:
    """Put in a piece of another file."""
    other = bytearray(random.choice(mutator.corpus))
    place = random.randint(0, len(data))
    data[place : place + random.choice((0, len(other)))] = other[somewhere(other, random)]


def put_number(mutator: Mutator, data: bytearray, random: Random) -> None:
    """Put a notable number over what is there, in one of the ways that numbers are kept."""
    number = random.choice(NUMBERS) + random.choice((0, 0, 1, -1))
    if random.random() < 0.2:
        piece = str(number).encode() * random.choice((1, 1, 1, 10, 500))
    else:
        size = random.choice((1, 2, 4, 8))
        piece = (number % 2 ** (8 * size)).to_bytes(size, random.choice(("little", "big")))
    place = random.randint(0, len(data))
    data[place : place + len(piece)] = piece


DAMAGES: tuple[Damage, ...] = (
    flip,
    flip,
    replace,
    replace,
    remove,
    cut,
    insert,
    put_word,
    put_word,
    repeat_word,
    repeat,
    move,
    splice,
    put_number,
    put_number,
)
