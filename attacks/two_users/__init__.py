"""A stranger attacks a store in a directory like /tmp while its user commits.

`__main__` runs both as the users they are, `ground` is the directory, `stranger` attacks, `victims` commit.
"""
