"""The kill rig: real Kafka, the real program, and faults by a seed.

    dev/python tests/rig/kill_rig.py --minutes 30 [--seed N] [--program PATH] [--report FILE]
    dev/python tests/rig/kill_rig.py --short

Every minute, and at the end, all totals of all subscriptions are compared with a judge that reads
the topic itself (`judge.py`, `rule.py`). The long form draws actions by their weights, the short
one does each a few times, in an order that the seed gives. The seed also gives what every record
holds; how things meet in time is the machine's.

Exit code 0 if every total was right and nothing happened that must not; else 1, and what is left of
the run is kept. The report goes to stdout, what happens to stderr.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from .actions import ACTIONS, perform
from .disk import enter_namespace
from .process import PATIENCE, ROOT, Failure, until
from .report import Report
from .world import DEAD_LETTERS, Form, World

SHORT = Form(
    subscriptions=400,
    partitions=3,
    partitions_max=5,
    rate=800,
    burst=4_000,
    disk_bytes=2 << 30,
)
LONG = Form(
    subscriptions=5_000,
    partitions=4,
    partitions_max=8,
    rate=600,
    burst=6_000,
    disk_bytes=2 << 30,
)
SHORT_SEED = 22
# Actions of the short form between two checks.
SHORT_STRIDE = 5
# Seconds between two checks of the long form.
CHECK_SECONDS = 60.0
# Kills within which a defect that is asked for has to be found.
FAULT_KILLS_MAX = 10


def short_plan(seed: int) -> list[str]:
    """Every action as often as it says, in any order."""
    plan = [name for name, kind in ACTIONS.items() for _ in range(kind.short)]
    random.Random(seed).shuffle(plan)
    return plan


def long_plan(seed: int) -> Iterator[str]:
    """Each action once, then by weight, without an end."""
    dice = random.Random(seed)
    names, weights = list(ACTIONS), [kind.weight for kind in ACTIONS.values()]
    yield from dice.sample(names, len(names))
    while True:
        yield from dice.choices(names, weights)


def play_short(world: World) -> None:
    """The short form."""
    for done, name in enumerate(short_plan(world.report.seed), 1):
        perform(world, name)
        if done % SHORT_STRIDE == 0:
            world.check(f"{done} actions")


def play_long(world: World, minutes: float) -> None:
    """The long form."""
    deadline = time.monotonic() + minutes * 60
    checked = time.monotonic()
    for name in long_plan(world.report.seed):
        perform(world, name)
        if time.monotonic() - checked > CHECK_SECONDS:
            world.check(f"{world.report.actions.total()} actions")
            checked = time.monotonic()
        if time.monotonic() > deadline:
            return


def play_fault(world: World) -> None:
    """Kills a service that has a defect, until a check finds it."""
    for _ in range(FAULT_KILLS_MAX):
        perform(world, "ingest")
        world.wait_progress()
        perform(world, "kill")
        if world.check("a kill").wrong:
            return


def finish(world: World) -> None:
    """Everything from the beginning once more, what was rejected, and the ledger by itself."""
    world.flowing = False
    world.stream.rest()
    world.oracle.wait_closed(world.partitions)
    world.oracle.forget()
    verdict = world.check("the end, counted from the beginning")
    compare_dead_letters(world, verdict.judged["rejected"])
    world.terminate()
    verified = world.service.run("verify", "--log")
    if verified.returncode != 0:
        raise Failure(f"the ledger does not verify: {verified.stdout}{verified.stderr}")
    world.must_start()
    world.check("the end, and a start")


def compare_dead_letters(world: World, judged: dict[str, int]) -> None:
    """Every rejected record has come out, once or more, with the reason that the judge gives."""
    reader = Consumer(
        {
            "bootstrap.servers": world.kafka.address,
            "group.id": "rig-letters",
            "enable.auto.commit": False,
            "log_level": 2,
        }
    )
    letters: dict[tuple[bytes, ...], str] = {}

    def complete() -> bool:
        for message in reader.consume(1_000, timeout=0.2):
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    continue
                raise KafkaException(error)
            head = {name: value or b"" for name, value in message.headers() or []}
            place = tuple(head[f"odometer-{part}"] for part in ("source", "offset", "index"))
            letters[place] = head["odometer-reason"].decode()
        return len(letters) >= sum(judged.values())

    try:
        reader.assign([TopicPartition(DEAD_LETTERS, 0, 0)])
        until("all dead letters are there", complete, PATIENCE)
    finally:
        reader.close()
    if Counter(letters.values()) != judged:
        raise Failure(f"dead letters by reason are {Counter(letters.values())}, judged {judged}")


def play(args: argparse.Namespace) -> Report:
    """One run, and everything taken away after it."""
    form = SHORT if args.short else LONG
    report = Report(args.seed, "short" if args.short else f"{args.minutes:g} minutes")
    report.subscriptions = form.subscriptions
    world = World(report, form, args.program.resolve(), args.fault)
    world.say(f"seed {report.seed}, store on {report.store_on}, files in {world.place}")
    try:
        if world.disk.kind is None and not args.short:
            raise Failure("the disk cannot be filled: no file system can be mounted; run as root")
        world.begin()
        if args.fault:
            play_fault(world)
            return report
        if args.short:
            play_short(world)
        else:
            play_long(world, args.minutes)
        finish(world)
    except Failure as failure:
        report.failures.append(str(failure))
        world.say(f"failure: {failure}")
    except Exception as error:  # the report is written all the same
        traceback.print_exc()
        report.failures.append(repr(error))
    finally:
        report.partitions = world.partitions
        report.seconds = round(time.monotonic() - report.begun, 1)
        try:
            failed = bool(report.failures or report.wrong_totals)
            if failed and args.fault is None and hasattr(world, "service"):
                world.say(f"kept: {world.keep()}")
        finally:
            world.close()
    return report


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="kill_rig.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--minutes", type=float, help="the long form")
    form.add_argument("--short", action="store_true", help="every action a few times")
    parser.add_argument("--seed", type=int, help="the same seed gives the same actions")
    parser.add_argument(
        "--program",
        type=Path,
        help="the program under test (what `dev/cargo build --release` has built)",
    )
    parser.add_argument("--report", type=Path, help="write the report there as JSON")
    parser.add_argument("--fault", help="a defect that the service is told to have, to be found")
    return parser


def built() -> Path:
    """Where dev/cargo leaves what it builds."""
    command = [str(ROOT / "dev/cargo"), "metadata", "--format-version=1", "--no-deps", "--offline"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return Path(json.loads(told)["target_directory"]) / "release/odometer"


def _interrupted(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    """Runs the command line."""
    args = arguments().parse_args()
    if args.seed is None:
        args.seed = SHORT_SEED if args.short else random.SystemRandom().randrange(2**32)
    args.program = args.program or built()
    if not args.program.exists():
        print(f"there is no {args.program}; hint: make rig builds it", file=sys.stderr)
        return 2
    enter_namespace()
    signal.signal(signal.SIGTERM, _interrupted)
    # Millions of small objects without cycles: the collector would only walk over them.
    gc.disable()
    report = play(args)
    if args.report is not None:
        args.report.write_text(report.to_json() + "\n", encoding="utf-8")
    print(report)
    return 0 if report.passed() else 1
