"""Soak: mixed work for an hour in one process, and nothing that grows.

`work` is what is done turn by turn, `helpers` are the processes that help with it (who is killed, who makes faults on the
way to S3), `measure` counts what a process can lose, and says whether any of it grows.
"""
