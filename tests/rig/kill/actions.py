"""What the rig does to a running service, by name, and how often."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from .damage import corrupt_blob, corrupt_table, corrupt_wal, full_disk, full_disk_at_start
from .process import Failure
from .service import Ended
from .world import TOPIC, World

# Subscriptions of one look while the service runs.
READ_SAMPLE = 20
# Longest pauses of a stopped process, in seconds: longer than a session of the broker lasts.
FREEZE_SECONDS, BROKER_PAUSE_SECONDS = 6.0, 12.0
# A start that is killed lasts at most this long, in seconds: it takes about as long as a whole one.
START_SECONDS = 0.6
# How far a repeated range is moved in time, in milliseconds: to before and after its original.
SHIFTS_MS = (-30_000, 0, 45_000)


class Kind(NamedTuple):
    """An action: how likely it is in the long form, how often it is in the short one."""

    weight: int
    short: int
    do: Callable[[World], None]


def ingest(world: World) -> None:
    """A burst on top of the stream."""
    world.stream.write(world.dice.randint(world.form.burst // 4, world.form.burst), "burst")


def read(world: World) -> None:
    """Asks for some accounts while everything moves; what they say is judged by the checks."""
    client = world.oracle.client
    for organization, number in world.dice.sample(client.wanted, READ_SAMPLE):
        customer = world.workload.customer.format(n=number)
        subscription = world.workload.subscription.format(n=number)
        status, body = world.service.get(
            f"/api/v1/customers/{customer}/current_usage?external_subscription_id={subscription}",
            world.workload.organizations[organization],
        )
        told = json.loads(body)
        if status != 200:
            raise Failure(f"{subscription} is answered with {status}: {told}")
        usage = told["customer_usage"]
        if usage["amount_cents"] != sum(fee["amount_cents"] for fee in usage["charges_usage"]):
            raise Failure(f"{subscription} has a sum that is not that of its charges: {told}")
        world.report.reads += 1


def kill(world: World) -> None:
    """`kill -9`, now and then again while it starts."""
    world.kill()
    while world.dice.random() < 0.3:
        world.launch()
        time.sleep(world.dice.uniform(0, START_SECONDS))
        world.service.kill()
        world.report.outcomes["kill while starting"] += 1
    world.must_start()


def terminate(world: World) -> None:
    """SIGTERM and a start."""
    world.terminate()
    world.must_start()


def freeze(world: World) -> None:
    """SIGSTOP for a while."""
    world.service.signal(signal.SIGSTOP)
    time.sleep(world.dice.uniform(0.5, FREEZE_SECONDS))
    world.service.signal(signal.SIGCONT)
    world.wait_progress()


def broker_restart(world: World) -> None:
    """The broker stops cleanly and starts."""
    world.kafka.restart()
    _after_broker(world)


def broker_kill(world: World) -> None:
    """The broker is killed and starts."""
    world.kafka.kill()
    world.kafka.start()
    _after_broker(world)


def broker_pause(world: World) -> None:
    """The broker does not answer for a while."""
    world.kafka.signal(signal.SIGSTOP)
    try:
        time.sleep(world.dice.uniform(1, BROKER_PAUSE_SECONDS))
    finally:
        world.kafka.signal(signal.SIGCONT)
    _after_broker(world)


def _after_broker(world: World) -> None:
    """Sometimes the next fault comes before anything is well again."""
    if world.dice.random() < 0.3:
        world.wait_progress()


def kill_both(world: World) -> None:
    """Service and broker are killed together."""
    world.service.kill()
    world.kafka.kill()
    world.kafka.start()
    world.must_start()


def widen(world: World) -> None:
    """One more partition, into which records go at once."""
    if world.partitions == world.form.partitions_max:
        world.report.outcomes["widen: as wide as it gets"] += 1
        return
    world.partitions += 1
    world.kafka.widen(TOPIC, world.partitions)
    world.stream.generator.partitions = world.partitions


def commit(world: World) -> None:
    """A transaction that counts."""
    world.stream.transaction(world.dice.randint(1, world.form.burst // 4), "commit")


def abort(world: World) -> None:
    """A transaction that was not; some of its records come again."""
    world.stream.transaction(world.dice.randint(1, world.form.burst // 4), "abort")


def abandon(world: World) -> None:
    """A transaction that nobody ends; the broker aborts it in the end."""
    world.stream.transaction(world.dice.randint(1, world.form.burst // 8), "abandon")


def repeat(world: World) -> None:
    """A whole range once more, on any partition, earlier or later than its original."""
    dice = world.dice
    source, target = dice.randrange(world.partitions), dice.randrange(world.partitions)
    start = int(world.stream.sent["stream"] / world.partitions * dice.random())
    world.stream.repeat(source, start, world.form.burst // 2, target, dice.choice(SHIFTS_MS))


def backup(world: World) -> None:
    """Stops, backs up and starts."""
    world.terminate()
    done = world.service.run("backup", "--to", str(world.place / "backups"))
    if done.returncode != 0:
        raise Failure(f"the backup failed: {done.stderr.strip()}")
    world.backups += 1
    world.must_start()


ACTIONS = {
    "ingest": Kind(20, 2, ingest),
    "read": Kind(12, 3, read),
    "kill": Kind(12, 8, kill),
    "terminate": Kind(5, 1, terminate),
    "freeze": Kind(5, 1, freeze),
    "broker restart": Kind(3, 1, broker_restart),
    "broker kill": Kind(3, 1, broker_kill),
    "broker pause": Kind(3, 1, broker_pause),
    "kill both": Kind(2, 0, kill_both),
    "widen": Kind(1, 1, widen),
    "commit": Kind(8, 1, commit),
    "abort": Kind(6, 1, abort),
    "abandon": Kind(2, 1, abandon),
    "repeat": Kind(6, 1, repeat),
    "backup": Kind(2, 1, backup),
    "full disk": Kind(3, 1, full_disk),
    "full disk at start": Kind(2, 1, full_disk_at_start),
    "corrupt wal": Kind(3, 1, corrupt_wal),
    "corrupt table": Kind(3, 1, corrupt_table),
    "corrupt blob": Kind(2, 1, corrupt_blob),
}


def perform(world: World, name: str) -> None:
    """Does one action and counts it.

    What it draws depends on the seed and on its place alone, not on how those before it ended.
    """
    world.dice = random.Random(f"{world.report.seed}, {world.performed}, {name}")
    world.performed += 1
    world.say(name)
    try:
        ACTIONS[name].do(world)
    except Ended as ended:
        raise Failure(f"{name}: {ended}") from ended
    except OSError as error:
        world.service.must_live()
        raise Failure(f"{name}: {error!r}") from error
    world.stream.must_live()
    world.report.actions[name] += 1
