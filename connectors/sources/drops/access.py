"""Why a folder cannot be used, in words for whoever set it up."""

from __future__ import annotations

import errno


def why(error: OSError) -> str:
    """What stands in the way, to be said behind "the folder of source lab"; it never names a file."""
    match error.errno:
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "does not let this account move files; give it the right to read and write there"
        case errno.EXDEV:
            return "and its folders done, failed and replies must lie on one filesystem"
        case errno.ENOTDIR | errno.ELOOP:
            return "and its folders done, failed and replies must be folders of their own, and no links"
        case errno.ENOSPC | errno.EDQUOT:
            return "is on a disk that is full; make room"
    return f"cannot be used: {error.strerror or type(error).__name__}"
