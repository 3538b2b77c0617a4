"""The files that run elsewhere only: they parse, hang together, and name metrics that exist."""

from __future__ import annotations

import json
import re
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "dev/compose/grafana"
# A histogram is listed under its name and queried by its parts.
PARTS = re.compile(r"_(bucket|sum|count)$")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]


class Compose(unittest.TestCase):
    def setUp(self) -> None:
        self.compose = load(ROOT / "docker-compose.yml")

    def test_services_and_what_they_mount_and_wait_for_exist(self) -> None:
        services = self.compose["services"]
        self.assertEqual(set(services), {"kafka", "topics", "odometer", "prometheus", "grafana"})
        for name, service in services.items():
            self.assertTrue("image" in service or "build" in service, name)
            self.assertLessEqual(set(service.get("depends_on", ())), set(services), name)
            for volume in service.get("volumes", ()):
                source = volume.split(":")[0]
                there = (
                    (ROOT / source).exists()
                    if source.startswith(".")
                    else source in self.compose["volumes"]
                )
                self.assertTrue(there, f"{name} mounts {source}")
        self.assertTrue((ROOT / services["odometer"]["build"] / "Dockerfile").is_file())

    def test_kafka_is_the_version_that_the_tests_run_against(self) -> None:
        pom = (ROOT / "dev/kafka.d/pom.xml").read_text(encoding="utf-8")
        (version,) = re.findall(r"<kafka\.version>(.*)</kafka\.version>", pom)
        for name in ("kafka", "topics"):
            self.assertEqual(self.compose["services"][name]["image"], f"apache/kafka:{version}")

    def test_settings_in_the_environment_exist(self) -> None:
        defaults = (ROOT / "config/odometer.toml").read_text(encoding="utf-8")
        known = set()
        section = ""
        for line in defaults.splitlines():
            if match := re.match(r"\[([a-z_.]+)\]|([a-z_]+) *=", line):
                section = match[1] or section
                known.add(f"ODOMETER_{section}_{match[2]}".upper())
        dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
        used = set(re.findall(r"ODOMETER_[A-Z_]+", dockerfile)) | set(
            self.compose["services"]["odometer"]["environment"]
        )
        self.assertEqual(used - known, set())

    def test_prometheus_scrapes_the_service(self) -> None:
        (job,) = load(ROOT / "dev/compose/prometheus.yml")["scrape_configs"]
        host, port = job["static_configs"][0]["targets"][0].split(":")
        self.assertIn(host, self.compose["services"])
        published = self.compose["services"][host]["ports"]
        self.assertTrue(any(item.endswith(f":{port}") for item in published), published)


class Dashboard(unittest.TestCase):
    def setUp(self) -> None:
        self.dashboard = json.loads(
            (GRAFANA / "dashboards/odometer.json").read_text(encoding="utf-8")
        )

    def test_data_source_is_the_provisioned_one(self) -> None:
        (source,) = load(GRAFANA / "provisioning/datasources/prometheus.yml")["datasources"]
        used = {
            panel["datasource"]["uid"]
            for panel in self.dashboard["panels"]
            if "datasource" in panel
        }
        self.assertEqual(used, {source["uid"]})
        load(GRAFANA / "provisioning/dashboards/odometer.yml")

    def test_metrics_are_documented(self) -> None:
        page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
        listed = set(re.findall(r"^\| `([a-z_]+)`", page, re.MULTILINE))
        used = {
            name
            for expression in expressions(self.dashboard)
            for name in re.findall(r"\b(?:odometer|process)_[a-z_]+", expression)
        }
        self.assertGreater(len(used), 10)
        unknown = {
            name for name in used if name not in listed and PARTS.sub("", name) not in listed
        }
        self.assertEqual(unknown, set())


if __name__ == "__main__":
    unittest.main()
