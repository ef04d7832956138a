"""Every interleaving of two and three actors on one file, as CHESS and loom do it for threads.

`scheduler` runs actors one at a time and explores their schedules, `local` makes the library's system calls its points,
`scenarios` has the actors, `history` says what a store may do, `controls` puts faults back that must be found.
"""
