"""Made-up results of Locust, as the scenario leaves them."""

from __future__ import annotations

from typing import Any


def entry(name: str, times: dict[int, int], failures: int = 0, size: int = 0) -> dict[str, Any]:
    """A counter of Locust: C(times) is response time in ms and how often it was seen."""
    count = sum(times.values())
    return {
        "name": name,
        "method": "POST",
        "num_requests": count,
        "num_failures": failures,
        "total_response_time": float(sum(time * number for time, number in times.items())),
        "min_response_time": float(min(times)),
        "max_response_time": float(max(times)),
        "total_content_length": size,
        "response_times": {str(time): number for time, number in times.items()},
    }


def moment(at: float, requests: int, **more: Any) -> dict[str, Any]:
    quiet = {"client_cpu": 0.2, "client_lag": 0.002, "machine_cpu": 0.4}
    return {"at": at, "users": 2, "requests": requests, "failures": 0, "p50": 10, "p95": 20, **quiet, **more}


def raw(*entries: dict[str, Any], seconds: float = 10.0, **more: Any) -> dict[str, Any]:
    return {
        "locust": "2.46.6",
        "start": 1_700_000_000.0,
        "seconds": seconds,
        "cores": 4,
        "stats": list(entries),
        "failures": [],
        "exceptions": [],
        "series": [moment(second + 1.0, 10 * (second + 1)) for second in range(int(seconds))],
        "processes": 1,
        **more,
    }
