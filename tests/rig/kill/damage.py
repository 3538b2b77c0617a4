"""A full disk, and a newest checkpoint that is not what was written."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from .process import Failure, until
from .service import Ended
from .world import World

# What the system says when there is no room.
NO_SPACE = "No space left"
# Large records at a time, until the disk is felt, and the pause after them in seconds: 8 MB a
# second.
BULKY, BULKY_SECONDS = 40, 0.2
# Within this time after there is room again the service has to save by itself, in seconds.
RECOVER_SECONDS = 30.0
# How long the disk stays full after the service has told so, in seconds.
FULL_SECONDS = 2.0
# What the service says of a store that cannot be read, and how long it may take to answer from one.
DAMAGED, DAMAGED_SECONDS = "(?i)corrupt|damaged|checksum", 45.0
# How long a service that has met a fatal condition may take to end, in seconds.
ENDING_SECONDS = 30.0
# The bytes that are flipped lie among the last ones of their file, and are so many.
TAIL_BYTES, FLIPPED = 512, 8
# What counts checkpoints that could not be written.
FAILURES = "odometer_checkpoint_failures_total"


def full_disk(world: World) -> None:
    """The disk is full while the service runs, and has room again."""
    if not _can_fill(world, "full disk"):
        return
    world.disk.fill()
    _feel(world)
    _free(world, "full disk")


def full_disk_at_start(world: World) -> None:
    """The disk is full when the service starts, and has room again."""
    if not _can_fill(world, "full disk at start"):
        return
    world.service.kill()
    world.disk.fill()
    try:
        world.start()
    except Ended as ended:
        if ended.code == 0 or NO_SPACE not in ended.words:
            raise Failure(f"a full disk is not told: {ended}") from ended
        world.report.outcomes["full disk at start: refused"] += 1
    else:
        _feel(world)
    _free(world, "full disk at start")


def _can_fill(world: World, name: str) -> bool:
    if world.disk.kind is None:
        world.report.unavailable[name] = "no file system can be mounted here; run as root"
        return False
    return True


def _feel(world: World) -> None:
    """Writes until the service says that there is no room, or ends saying so."""
    service = world.service

    def felt() -> bool:
        # A checkpoint may go on for long in room that its log has reserved.
        try:
            if service.metric(FAILURES) > 0 or service.said(NO_SPACE):
                return True
        except OSError:
            pass
        if not service.alive():
            return True
        # No faster than the service may look at it, or the store outgrows the disk.
        world.stream.bulky(BULKY)
        time.sleep(BULKY_SECONDS)
        return False

    until("the service feels the full disk", felt)
    until("the service says why", lambda: service.said(NO_SPACE) or not service.alive(), 10)
    if not service.said(NO_SPACE):
        raise Failure(f"a full disk is not told: {service.words()}")
    if service.alive():
        time.sleep(FULL_SECONDS)


def _free(world: World, name: str) -> None:
    """There is room again: the service goes on by itself, or after a start."""
    service = world.service
    if service.process is not None and not service.alive():
        ended = service.ended()
        if ended.code == 0:
            raise Failure(f"a full disk ends the service as if nothing was: {ended}")
        world.say(f"ended: {ended.words.splitlines()[-3:]}")
        world.report.outcomes[f"{name}: ended"] += 1
    world.disk.free()
    if service.process is not None:
        if _saves_again(world):
            world.report.outcomes[f"{name}: recovered by itself"] += 1
            world.check(name)
            return
        if service.process is not None:
            try:
                service.terminate()
            except Failure:
                service.kill()
        world.report.outcomes[f"{name}: recovered by a restart"] += 1
    world.must_start()
    world.check(name)


def _saves_again(world: World) -> bool:
    before = world.checkpoints()
    deadline = time.monotonic() + RECOVER_SECONDS
    while time.monotonic() < deadline:
        if not world.service.alive():
            world.say(f"ended with room again: {world.service.ended().words}")
            return False
        if world.checkpoints() > before:
            return True
        time.sleep(0.1)
    return False


def corrupt_wal(world: World) -> None:
    """Bytes are flipped at the end of the newest write-ahead file."""
    _corrupt(world, "corrupt wal", "*.log", whole=False)


def corrupt_table(world: World) -> None:
    """Bytes are flipped at the end of the newest sorted file, or anywhere in it."""
    _corrupt(world, "corrupt table", "*.sst", whole=world.dice.random() < 0.5)


def corrupt_blob(world: World) -> None:
    """Bytes are flipped anywhere in the newest file of values."""
    _corrupt(world, "corrupt blob", "*.blob", whole=True)


def _corrupt(world: World, name: str, pattern: str, whole: bool) -> None:
    """Damages a file of the stopped service.

    Either it starts, and everything is right, or it refuses with a reason and a hint; then a
    backup, or a fold from the beginning, brings it back.
    """
    if world.dice.random() < 0.5:
        world.kill()
    else:
        world.terminate()
    files = [file for file in world.service.folder.glob(pattern) if file.stat().st_size > 0]
    if not files:
        world.report.outcomes[f"{name}: there is no such file"] += 1
        world.must_start()
        return
    flips = Flips(max(files, key=lambda file: file.stat().st_mtime_ns), world, whole)
    why = _refusal(world, name)
    if why is None:
        world.report.outcomes[f"{name}: started and right"] += 1
        # It was not read, but may be later: then nobody would know whose doing that is.
        flips.undo()
        world.service.kill()
        world.must_start()
        return
    world.report.outcomes[f"{name}: {why}"] += 1
    _bring_back(world, name)


def _refusal(world: World, name: str) -> str | None:
    """Starts on what is damaged. None if everything is answered."""
    service = world.service
    try:
        world.start()
        verdict = world.compare(name, DAMAGED_SECONDS)
        if not verdict.refused:
            return None
        world.say(f"refused: {dict(verdict.refused)}")
    except Ended as ended:
        return _told(ended)
    except Failure:
        if service.process is None:
            raise
        # A service that ends still lets its requests finish.
        deadline = time.monotonic() + ENDING_SECONDS
        while service.alive() and not service.said(DAMAGED) and time.monotonic() < deadline:
            time.sleep(0.1)
        if not service.alive():
            return _told(service.ended())
        if not service.said(DAMAGED):
            raise
    service.kill()
    return "answers refused"


def _told(ended: Ended) -> str:
    if ended.code <= 0 or "hint" not in ended.words:
        raise Failure(f"what is damaged is not told: {ended}")
    return "service refused"


def _bring_back(world: World, name: str) -> None:
    """The newest backup, or a fold from the beginning."""
    shutil.rmtree(world.service.folder)
    if world.backups and world.dice.random() < 0.7:
        depot, folder = str(world.place / "backups"), str(world.service.folder)
        done = world.service.run("restore", "--from", depot, "--to", folder, store=False)
        if done.returncode != 0:
            raise Failure(f"the restore failed: {done.stderr.strip()}")
        world.report.outcomes["brought back by a backup"] += 1
    else:
        world.report.outcomes["brought back by a fold from the beginning"] += 1
    world.must_start()
    world.check(f"{name}, brought back")


class Flips:
    """Bytes of a file that are not as they were."""

    def __init__(self, file: Path, world: World, whole: bool) -> None:
        self.file = file
        self.size = file.stat().st_size
        self.inode = file.stat().st_ino
        first = world.dice.randrange(self.size if whole else min(TAIL_BYTES, self.size))
        self.at = max(self.size - 1 - first, 0)
        self.count = min(FLIPPED, self.size - self.at)
        self._flip()
        world.say(f"flipped {self.count} bytes at {self.at} of {self.size} of {file.name}")

    def _flip(self) -> None:
        with self.file.open("r+b") as file:
            file.seek(self.at)
            found = file.read(self.count)
            file.seek(self.at)
            file.write(bytes(byte ^ 0xA5 for byte in found))

    def undo(self) -> None:
        """Puts them back, if it is still the same file."""
        try:
            known = self.file.stat()
        except FileNotFoundError:
            return
        if (known.st_ino, known.st_size) == (self.inode, self.size):
            self._flip()
