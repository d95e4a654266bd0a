"""Which folders have to be polled, by the table of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from devloop.effects import mounts

TABLE = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
90 27 0:50 / /mnt/c rw,noatime shared:1 - 9p drvfs rw,aname=drvfs
91 27 0:51 / /home/me/my\040share rw shared:2 master:1 - nfs4 server:/x rw
92 27 0:52 / /home/me/sshfs rw - fuse.sshfs me@host: rw
93 92 0:53 / /home/me/sshfs/local rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/me/project", ""),
        ("/mnt/c", "9p"),
        ("/mnt/c/Users/me/project", "9p"),
        ("/mnt/cc", ""),
        ("/home/me/my share/project", "nfs4"),
        ("/home/me/sshfs/project", "fuse.sshfs"),
        ("/home/me/sshfs/local/project", ""),
    ],
)
def test_network_and_shared_folders_are_silent(folder: str, kind: str, tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE)
    assert mounts.silent([folder], str(table)) == ({folder: kind} if kind else {})


def test_without_a_table_nothing_is_known_to_be_silent(tmp_path: Path) -> None:
    assert mounts.silent(["/"], str(tmp_path / "none")) == {}


def test_this_machines_own_table_can_be_read(tmp_path: Path) -> None:
    assert isinstance(mounts.silent([str(tmp_path)]), dict)
