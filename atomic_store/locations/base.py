"""The base classes of a location, for locations of your own: `from atomic_store.locations.base import Location`."""

from . import ANY, PIECE, Location, Lock, StoredFile, conflict, name_path
from ._finding import Finding

__all__ = ["ANY", "PIECE", "Finding", "Location", "Lock", "StoredFile", "conflict", "name_path"]
