"""How fast the store is, beside its peers: `python3 -m benchmarks` measures, and writes docs/performance.md."""
