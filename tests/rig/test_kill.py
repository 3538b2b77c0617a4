"""What the kill rig draws from its seed, counts and damages: no broker, no service."""

from __future__ import annotations

import itertools
import json
import os
import random
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

from kill.actions import ACTIONS
from kill.damage import Flips
from kill.disk import Disk
from kill.oracle import Verdict
from kill.report import SHOWN_MAX, Report
from kill.run import long_plan, short_plan
from kill.world import World


class Plans(unittest.TestCase):
    def test_a_seed_gives_the_same_actions(self) -> None:
        self.assertEqual(short_plan(6), short_plan(6))
        self.assertNotEqual(short_plan(6), short_plan(7))

        def first(seed: int) -> list[str]:
            return list(itertools.islice(long_plan(seed), 500))

        self.assertEqual(first(6), first(6))
        self.assertNotEqual(first(6), first(7))

    def test_every_action_comes(self) -> None:
        short = short_plan(6)
        for name, kind in ACTIONS.items():
            self.assertEqual(short.count(name), kind.short, name)
        self.assertEqual(set(itertools.islice(long_plan(1), len(ACTIONS))), set(ACTIONS))


class Reports(unittest.TestCase):
    def report(self, *verdicts: Verdict) -> Report:
        report = Report(1, "short")
        for verdict in verdicts:
            report.add(verdict)
        return report

    def test_a_wrong_total_is_no_pass(self) -> None:
        good = Verdict("one", totals=3)
        self.assertTrue(self.report(good).passed())
        self.assertFalse(self.report(good, Verdict("two", totals=3, wrong=["s is 1"])).passed())

    def test_nothing_compared_is_no_pass(self) -> None:
        self.assertFalse(self.report().passed())
        self.assertFalse(self.report(Verdict("one")).passed())

    def test_a_failure_is_no_pass(self) -> None:
        report = self.report(Verdict("one", totals=3))
        report.failures.append("it has ended")
        self.assertFalse(report.passed())
        self.assertIn("FAILED", str(report))

    def test_all_wrong_totals_are_counted_and_some_are_shown(self) -> None:
        report = self.report(Verdict("one", totals=99, wrong=["wrong"] * 99))
        told = json.loads(report.to_json())
        self.assertEqual((told["wrong_totals"], len(told["wrong"])), (99, SHOWN_MAX))
        self.assertFalse(told["passed"])


class Damage(unittest.TestCase):
    def test_bytes_are_flipped_near_the_end_and_put_back(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "table"
            for size in (1, 7, 10_000):
                whole = bytes(at % 251 for at in range(size))
                file.write_bytes(whole)
                world: Any = SimpleNamespace(dice=random.Random(size), say=lambda _: None)
                flips = Flips(file, cast(World, world), False)
                damaged = file.read_bytes()
                self.assertEqual(len(damaged), size)
                wrong = [at for at in range(size) if damaged[at] != whole[at]]
                self.assertTrue(wrong and wrong[0] >= size - 512, (size, wrong))
                flips.undo()
                self.assertEqual(file.read_bytes(), whole)

    def test_another_file_is_left_alone(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "table"
            file.write_bytes(b"before")
            world: Any = SimpleNamespace(dice=random.Random(1), say=lambda _: None)
            flips = Flips(file, cast(World, world), False)
            file.write_bytes(b"another, longer")
            flips.undo()
            self.assertEqual(file.read_bytes(), b"another, longer")
            file.unlink()
            flips.undo()

    def test_a_disk_that_is_not_there_says_so(self) -> None:
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, clear=True):
            disk = Disk(Path(folder), 1 << 20)
            self.assertIsNone(disk.kind)
            disk.close()


if __name__ == "__main__":
    unittest.main()
