"""The figures of a run, kept as JSON: what was tried, on which machine, and what came out."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def record(name: str, begun: float, **figures: Any) -> Path:
    """Write the figures of a run that began at time.monotonic() `begun` to results/NAME.json; give the path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    machine = {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "processors": os.cpu_count(),
        "seconds": round(time.monotonic() - begun, 1),
        "ended": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }
    path.write_text(json.dumps(machine | figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
