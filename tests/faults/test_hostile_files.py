"""Files that were once found to do what no file may do: each is loaded again, in a child that can harm nobody.

`python -m attacks.fuzz` looks for new ones.
"""

from __future__ import annotations

import subprocess
import sys

from support import ROOT

KEPT = ROOT / "attacks" / "fuzz" / "regressions"


def test_no_file_does_again_what_it_once_did() -> None:
    """No kept file leaks an error, takes memory, hangs, or is decoded without a signature; every one of them is loaded."""
    command = [sys.executable, "-m", "attacks.fuzz", "--replay"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    for file in KEPT.glob("*/*"):
        assert f"ok    {file.parent.name}/{file.name} through " in done.stdout
