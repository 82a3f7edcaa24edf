"""``doctor``: what this machine has, and what to type for what it lacks."""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
from typing import Any

from hyperdnn._version import __version__

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command of this file."""
    doctor = commands.add_parser("doctor", help="what this machine has and lacks", allow_abbrev=False)
    doctor.add_argument("--json", action="store_true", help="as JSON")
    doctor.set_defaults(command=doctor_command)


def doctor_command(options: argparse.Namespace) -> int:
    """Prints what `examine` finds."""
    found = examine()
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    threads, memory = found["threads"], found["memory_gib"]
    rows = {
        "hyperdnn": found["hyperdnn"],
        "python": f"{found['python']} on {found['platform']}",
        "torch": found["torch"] or "missing. Type: pip install torch",
        "device": found["device"],
        "threads": f"{threads} of {found['cores']} cores" if threads else f"{found['cores']} cores",
        "memory": "unknown" if memory is None else f"{memory} GiB",
        "browser": found["browser"] or "none (only the tests of report pages want one)",
        "data": found["data"]["folder"] or "unknown without the extra lab",
    }
    rows |= {f"  {name}": "present" if there else "absent" for name, there in found["data"]["sets"].items()}
    for extra, versions in found["extras"].items():
        missing = [name for name, version in versions.items() if version is None]
        advice = f'missing {", ".join(missing)}. Type: pip install "hyperdnn[{extra}]"' if missing else "complete"
        rows[f"extra {extra}"] = advice
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")
    return 0


def examine() -> dict[str, Any]:
    """The environment as plain values: versions, extras, device, threads, memory, data sets, browser.

    A version that is None stands for a package that is not installed.
    """
    torch_version, device, threads = _torch()
    return {
        "hyperdnn": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch_version,
        "device": device,
        "threads": threads,
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "data": _data(),
        "browser": next(filter(None, map(shutil.which, _BROWSERS)), None),
        "extras": _extras(),
    }


def _torch() -> tuple[str | None, str, int | None]:
    try:
        import torch
    except ImportError:
        return None, "cpu", None
    device = "cpu"
    if torch.cuda.is_available():
        device = f"cuda ({torch.cuda.get_device_name()})"
    elif torch.backends.mps.is_available():
        device = "mps"
    return torch.__version__, device, torch.get_num_threads()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None


def _data() -> dict[str, Any]:
    """The folder of data sets, and for each set whether its files lie there."""
    try:
        import pooch

        from hyperdnn.lab import data
    except ImportError:
        return {"folder": None, "sets": {}}
    folder = os.environ.get("HYPERDNN_DATA") or str(pooch.os_cache("hyperdnn"))
    return {"folder": folder, "sets": {name: data.available(name) for name in data.SOURCES}}


def _extras() -> dict[str, dict[str, str | None]]:
    """Versions of optional packages by extra, as this installation of hyperdnn declares them."""
    try:
        requirements = importlib.metadata.requires("hyperdnn") or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    extras: dict[str, dict[str, str | None]] = {}
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", requirement)
        if name and extra and name[0] != "hyperdnn":
            extras.setdefault(extra[1], {})[name[0]] = _version(name[0])
    return extras


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
