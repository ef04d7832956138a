"""`python -m atomic_store` is the command `atomic-store`."""

from __future__ import annotations

from .cli import main

raise SystemExit(main())
