"""Files that tell by a lock that somebody is at work with what they stand for.

Comes in: a path. Goes out: the lock. The system lets go of it when the process ends, however that comes, so no file is ever left locked.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


def claimed(path: Path) -> IO[str] | None:
    """The file, locked until it is closed; None when another process, or another claim of this one, holds it.

    Makes it, and renews its time. Does not block. Raises: OSError.
    """
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
