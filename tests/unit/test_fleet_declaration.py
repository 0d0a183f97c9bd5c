"""Which instances a fleet has: by name, or by pattern and count; what is wrong is said at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.errors import BadInput
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.fleet.declaration import Instance, declare


def refused(*listed: dict[str, Any], **options: Any) -> str:
    with pytest.raises(BadInput) as raised:
        declare(listed, **{"limit": 1000, **options})
    return str(raised.value)


def test_names_come_from_a_list_a_pattern_or_both() -> None:
    assert declare([{"name": "b"}, {"name": "a"}], limit=9) == [Instance("b"), Instance("a")]
    found = declare([{"name": "t-03", "replicas": 1}, {"name": "x"}], count=3, pattern="t-##", limit=9)
    assert found == [Instance("t-01"), Instance("t-02"), Instance("t-03", {"replicas": 1}), Instance("x")]


def test_a_growing_fleet_renames_nobody() -> None:
    names = [[one.name for one in declare([], count=n, pattern="t-####", limit=9999)] for n in (99, 1000)]
    assert names[1][:99] == names[0]


def test_what_is_left_out_is_as_in_the_sample() -> None:
    assert declare([{"name": "a", "replicas": None, "labels": None}], limit=9) == [Instance("a")]


def classes_of(*listed: dict[str, Any], **options: Any) -> list[str]:
    placed = {"limit": 9999, "pattern": "t-####", "storage_classes": ["efs", "efs-2"], "volumes_each": 2, **options}
    return [one.own["storage_class"] for one in declare(listed, **placed)]


def test_a_fleet_fills_one_file_system_after_the_other_and_a_growing_one_moves_nobody() -> None:
    assert classes_of(count=1) == ["efs"]
    assert classes_of(count=3) == ["efs", "efs", "efs-2"]
    assert classes_of({"name": "x", "storage_class": "efs-2"}, count=2) == ["efs", "efs", "efs-2"]
    assert classes_of({"name": "x"}, {"name": "y"}, storage_classes=["efs"]) == ["efs", "efs"]


def test_more_volumes_than_file_systems_take_are_refused_with_how_many_it_needs() -> None:
    several = {"storage_classes": ["efs", "efs-2"], "volumes_each": 2, "pattern": "t-#"}
    said = refused(count=7, **several)
    assert "7 instances of the pattern need 4 storage classes of 2 volumes each" in said and "t-5 is the first" in said
    assert "Name the storage_class of x: there are efs, efs-2." in refused({"name": "x"}, **several)
    assert "x: storage_class is gp3, which is none of" in refused({"name": "x", "storage_class": "gp3"}, **several)
    full = refused({"name": "x", "storage_class": "efs"}, count=2, **several)
    assert "3 instances would have the storage class efs, which takes 2 volumes" in full
    assert "volumes_each is 0" in refused(count=1, **{**several, "volumes_each": 0})


def test_all_wrong_names_are_said_at_once() -> None:
    said = refused(*({"name": name} for name in ("a", "A", "a", "b", "1b", "b", "c-", "x" * 41)))
    assert "listed more than once: a, b." in said
    assert f"'A', '1b', 'c-', '{'x' * 41}'" in said


@pytest.mark.parametrize(
    ("own", "error"),
    [
        ({"replicas": -1}, "replicas is -1; it must be 0 or more"),
        ({"max_replicas": 0}, "max_replicas is 0; it must be 1 or more"),
        ({"replicas": 3, "max_replicas": 2}, "replicas is 3, and max_replicas is less: 2"),
        ({"request_timeout": 0}, "request_timeout is 0"),
        ({"storage_size": "much"}, "storage_size: 'much' is no Kubernetes quantity"),
        ({"resources": {"request": {"cpu": 1}}}, "resources has request; it takes requests and limits"),
        ({"resources": {"limits": {"cpu": "fast"}}}, "resources.limits.cpu: 'fast' is no"),
        ({"resources": {"limits": None}}, "resources has limits"),
        ({"labels": {"mlops.mlflow/fleet": "other"}}, "mlops.mlflow/fleet is set by this collection alone"),
        ({"annotations": {"app.kubernetes.io/instance": "b"}}, "app.kubernetes.io/instance is set by this collection"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_an_instance_cannot_have_is_said_with_its_name(own: dict[str, Any], error: str) -> None:
    assert f"a: {error}" in refused({"name": "a", **own})


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"count": -1}, "mlflow_fleet_count is -1"),
        ({"count": 3}, "mlflow_fleet_pattern is ''; the place of the number is to be marked once"),
        ({"count": 3, "pattern": "a-#-#"}, "marked once"),
        ({"count": 100, "pattern": "a-##"}, "has 2 digits, too few for 100 instances"),
        ({"count": 3, "pattern": "A-##"}, "gives names such as 'A-03', which are none"),
        ({"count": 3, "pattern": "##"}, "gives names such as '03'"),
        ({"count": 3, "pattern": "a" * 40 + "#"}, "which are none"),
    ],
)
def test_a_pattern_that_makes_no_names_is_refused(options: dict[str, Any], error: str) -> None:
    assert error in refused(**options)


def test_many_must_be_confirmed_by_their_number() -> None:
    many = {"count": 11, "pattern": "a-##", "limit": 10}
    for confirmed in (0, 10, 12):
        assert "set mlflow_fleet_confirmed_count to 11" in refused(**many, confirmed_count=confirmed)
    assert len(declare([], **many, confirmed_count=11)) == 11
