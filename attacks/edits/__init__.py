"""Random edits of random hand-made documents in YAML and TOML: what a commit publishes loads as the same value."""
