"""Eight writers and four readers of one file, on each file system.

`__main__` runs the races, `file_systems` mounts what they run on.
"""
