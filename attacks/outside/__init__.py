"""Fail each system call of each kind of commit and open, in the kernel.

`__main__` shares out the kinds, `shots` fails one call and looks at what is left.
"""
