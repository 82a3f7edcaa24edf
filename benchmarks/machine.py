"""Where and in what company something was measured."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hyperdnn.lab import report

__all__ = ["machine"]


def machine(*, device: str = "cpu") -> dict[str, Any]:
    """Hardware, versions, commit, time, and how busy the machine is: above its number of cores, times are too long.

    Args:
        device: where the work is done.
    """
    name = platform.processor() or platform.machine()
    cpu = Path("/proc/cpuinfo")
    if cpu.is_file():
        lines = cpu.read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    if device != "cpu":
        import torch

        name = torch.cuda.get_device_name()
    where = report.environment(device=device)
    return {
        "commit": where["commit"],
        "versions": where["versions"],
        "device": device,
        "name": name,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
