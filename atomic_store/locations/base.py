"""The base classes of a location, for locations of your own: `from atomic_store.locations.base import Location`."""

from . import ANY, PIECE, Finding, Location, Lock, StoredFile, conflict, name_path

__all__ = ["ANY", "PIECE", "Finding", "Location", "Lock", "StoredFile", "conflict", "name_path"]
