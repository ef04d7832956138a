"""A location in memory, and test suites for formats and locations of your own.

>>> import atomic_store
>>> from atomic_store.testing import Memory
>>> place = Memory(b"[1]")
>>> with atomic_store.open(place) as store:
...     store.value.append(2)
>>> place.content
b'[1, 2]'
"""

from ._format_contract import FormatContract
from ._location_contract import LocationContract
from ._memory import Memory

__all__ = ["FormatContract", "LocationContract", "Memory"]
