"""The C library's allocator, set up for large tensors."""

import ctypes


def keep_freed_memory() -> None:
    """Have the C library reuse the memory of large tensors instead of returning it every time.

    On a CPU the page faults of each new activation cost as much as the arithmetic on it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # not glibc
    M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
    mallopt(M_MMAP_MAX, 0)  # a map of its own for no tensor, however large
    mallopt(M_TRIM_THRESHOLD, -1)
