"""Settings of glibc's allocator for large tensors."""

import ctypes

LARGE = 2**22  # bytes


def tune_malloc(*, large: bool = True) -> None:
    """Make the C library keep the freed memory of tensors instead of returning it each time.

    On a CPU the page faults of each new activation cost as much as the arithmetic on it.

    Args:
        large: whether to keep the memory of tensors of `LARGE` bytes and more too, which is faster,
            but the process may hold twice the peak memory of its tensors.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # not glibc
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
    mallopt(M_MMAP_THRESHOLD, LARGE)
    mallopt(M_MMAP_MAX, 0 if large else 2**16)  # 0: no tensor gets a mapping of its own
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
