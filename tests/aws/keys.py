"""Keys are removed and taken back by their ARN, too, which moto does not take. Runs in moto's environment."""

from __future__ import annotations

from moto.kms.models import KmsBackend

_schedule, _cancel = KmsBackend.schedule_key_deletion, KmsBackend.cancel_key_deletion
_enable = KmsBackend.enable_key


def install() -> None:
    KmsBackend.schedule_key_deletion = lambda self, key_id, pending_window_in_days: _schedule(
        self, key_id.rpartition("/")[2], pending_window_in_days
    )
    KmsBackend.cancel_key_deletion = lambda self, key_id: _cancel(self, key_id.rpartition("/")[2])
    KmsBackend.enable_key = lambda self, key_id: _enable(self, key_id.rpartition("/")[2])
