"""Cut the power at every moment of a commit, on real file systems, and let every block write of one fail.

A disk that remembers (disk.c) lies under a real file system, on which a program commits. From the log of the disk
every state is rebuilt that a power cut could have left; each is mounted, which recovers it, and read by the library.

    python -m attacks.power_cuts

The story from top to bottom: __main__ takes the command, campaign shares out the work, rounds cuts the power,
block_errors fails writes; recording is the log, states what a crash leaves of it, history what may be found then, and
verdict looks. workload is the program that commits, writers the library and the controls beside it.
"""
