"""A small file system of its own for the store, so that it can be full.

The mounts live in a mount namespace of the rig, which the kernel takes away with the rig's last
process: nothing stays mounted, however the rig ends.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

# Tells the rig that it runs in its own mount namespace.
INSIDE = "ODOMETER_TEST_MOUNTS"
BLOCK = 1 << 20
# A file system in memory takes what it holds from the machine, ballast included.
MEMORY_BYTES_MAX = 512 << 20


def enter_namespace() -> None:
    """Starts this very command again in a mount namespace of its own, where that is permitted."""
    if INSIDE in os.environ or shutil.which("unshare") is None:
        return
    for command in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        command += ["--propagation", "private"]
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            os.environ[INSIDE] = "1"
            os.execvp(command[0], [*command, sys.executable, *sys.argv])


class Disk:
    """Where the store lives."""

    def __init__(self, place: Path, size_bytes: int) -> None:
        self.path = place / "disk"
        self.path.mkdir()
        # ext4 on a loop device, tmpfs, or none: then it cannot be filled.
        self.kind = self._mount(place / "disk.img", size_bytes) if INSIDE in os.environ else None

    def _mount(self, image: Path, size_bytes: int) -> str | None:
        image.touch()
        os.truncate(image, size_bytes)
        on_loop = (
            # No block is kept for root, who runs the rig.
            ["mkfs.ext4", "-q", "-F", "-m", "0", str(image)],
            ["mount", "-o", "loop", str(image), str(self.path)],
        )
        if all(_succeeds(command) for command in on_loop):
            return "ext4"
        image.unlink()
        size = f"size={min(size_bytes, MEMORY_BYTES_MAX)}"
        if _succeeds(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(self.path)]):
            return "tmpfs"
        return None

    @property
    def ballast(self) -> Path:
        """What takes the room."""
        return self.path / "ballast"

    def fill(self) -> None:
        """Takes all room that is left."""
        with self.ballast.open("wb", buffering=0) as file:
            try:
                left = os.statvfs(self.path).f_bavail * os.statvfs(self.path).f_frsize
                os.posix_fallocate(file.fileno(), 0, max(left - BLOCK, 1))
                file.seek(0, os.SEEK_END)
                for size in (BLOCK, 4096, 1):
                    while True:
                        try:
                            file.write(b"\1" * size)
                        except OSError as error:
                            if error.errno != errno.ENOSPC:
                                raise
                            break
                os.fsync(file.fileno())
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Gives the room back."""
        self.ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Takes the file system away."""
        if self.kind is not None:
            subprocess.run(["umount", "--lazy", str(self.path)], check=False)


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
