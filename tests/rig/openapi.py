"""Requests made of the service's own description, sent to the service.

    dev/python tests/rig/openapi.py --url URL --key KEY --report FOLDER [--seed N] [--seconds N]

A generator (schemathesis) reads /openapi.json and asks every operation in many ways, right and
wrong ones. An answer is a failure if it is a 5xx, if its status, media type or headers are not
described, or if its body does not fit its schema. Where a path names an object, one of the example
catalogue's is asked for as well as names that nobody has. The last line tells what came of it.
"""

import argparse
import json
import pathlib
import subprocess
import sys

# Left out are checks of how wrong requests are refused: Lago's API passes over what it does not
# know, takes texts for numbers, and answers 404 to unknown methods.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
]

# What the variables of paths name, by the beginning of the path.
NAMES = [
    ("/api/v1/taxes/", {"code": "vat_20"}),
    ("/api/v1/billable_metrics/", {"code": "api_calls"}),
    ("/api/v1/plans/", {"code": "scale", "charge_code": "api_calls"}),
    ("/api/v1/customers/", {"external_customer_id": "customer_tokyo"}),
    (
        "/api/v1/subscriptions/",
        {"external_id": "subscription_tokyo", "charge_code": "api_calls"},
    ),
]


def settings() -> str:
    """The generator's settings. What is deleted would be missing from then on, so that is only
    tried with names that nobody has."""
    lines = []
    for path, names in NAMES:
        lines += ["[[operations]]", f'include-path-regex = "^{path}"', 'exclude-method = "DELETE"']
        given = ", ".join(f'"path.{name}" = "{value}"' for name, value in names.items())
        lines.append(f"parameters = {{ {given} }}")
    return "\n".join(lines) + "\n"


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--key", required=True)
    arguments.add_argument("--report", required=True, type=pathlib.Path)
    arguments.add_argument("--seed", type=int, default=20261122)
    arguments.add_argument("--seconds", type=int, default=60)
    given = arguments.parse_args()

    given.report.mkdir(parents=True, exist_ok=True)
    config = given.report / "schemathesis.toml"
    config.write_text(settings())
    report = given.report / "report.json"
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        f"--config-file={config}",
        "run",
        f"{given.url}/openapi.json",
        f"--header=Authorization: Bearer {given.key}",
        f"--checks={','.join(CHECKS)}",
        "--phases=coverage,fuzzing",
        "--max-examples=30",
        f"--seed={given.seed}",
        f"--max-time={given.seconds}",
        "--continue-on-failure",
        "--workers=1",
        "--no-shrink",
        "--warnings=off",
        "--no-color",
        "--generation-database=none",
        f"--report-json-path={report}",
    ]
    ran = subprocess.run(command, cwd=given.report, stdout=sys.stderr, stdin=subprocess.DEVNULL)
    told = json.loads(report.read_text())
    print(
        json.dumps(
            {
                "status": ran.returncode,
                "operations": told["operations"]["tested"],
                "requests": told["test_cases"]["generated"],
                "failures": len(told["failures"]) + len(told["errors"]),
                "seed": told["seed"],
            }
        )
    )


if __name__ == "__main__":
    main()
