# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The statements, each a whole call.

Rows are written by parts of one C(WITH): all or nothing. Parts that write several rows do it in the order of their
keys, so that two writers do not wait for each other crosswise. A statement that finds no active run writes nothing and
has no row to answer with, nor has one that finds a parameter with another value; C(1 / 0) takes back all of one that
such a parameter came before meanwhile. Numbers may be negative, and psycopg2 writes them as they are: they stand in
brackets before a cast, which comes before a sign.
"""
# ruff: noqa: S608 - of constants and names of columns; values go beside them

from __future__ import annotations

_IF_ACTIVE = "AS MATERIALIZED (SELECT run_uuid FROM runs WHERE run_uuid = %(run)s AND lifecycle_stage = 'active')"
_ACTIVE = f"r {_IF_ACTIVE}"
# A metric is the latest by step, then time, then value; NaN is stored as 0. MLflow takes -0 for 0, and
# leaves what is there.
_LATEST = """ ON CONFLICT (key, run_uuid) DO UPDATE
  SET value = CASE WHEN l.value = EXCLUDED.value THEN l.value ELSE EXCLUDED.value END,
  timestamp = EXCLUDED.timestamp, step = EXCLUDED.step, is_nan = EXCLUDED.is_nan
  WHERE (EXCLUDED.step, EXCLUDED.timestamp, EXCLUDED.value) > (l.step, l.timestamp, l.value))"""

LOG_METRIC = f"""WITH {_ACTIVE},
v AS (SELECT %(key)s::text AS key, (%(value)s)::float8 AS value, (%(timestamp)s)::int8 AS timestamp,
  (%(step)s)::int8 AS step, %(nan)s::bool AS is_nan, run_uuid FROM r),
m AS (INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) SELECT * FROM v ON CONFLICT DO NOTHING),
l AS (INSERT INTO latest_metrics AS l (key, value, timestamp, step, is_nan, run_uuid) SELECT * FROM v{_LATEST}
SELECT 1 FROM r"""

LOG_PARAM = f"""WITH {_ACTIVE},
p AS (INSERT INTO params (key, value, run_uuid) SELECT %(key)s::text, %(value)s::text, run_uuid FROM r
  ON CONFLICT DO NOTHING RETURNING 1)
SELECT EXISTS (SELECT 1 FROM p) OR EXISTS (SELECT 1 FROM params x
  WHERE x.run_uuid = r.run_uuid AND x.key = %(key)s::text AND x.value = %(value)s::text) FROM r"""

SET_TAG = f"""WITH {_ACTIVE},
t AS (INSERT INTO tags (key, value, run_uuid) SELECT %(key)s::text, %(value)s::text, run_uuid FROM r
  ON CONFLICT (key, run_uuid) DO UPDATE SET value = EXCLUDED.value)
SELECT 1 FROM r"""

_BATCH_PARAMS = f"""a {_IF_ACTIVE},
p AS MATERIALIZED (SELECT * FROM unnest(%(param_keys)s::text[], %(param_values)s::text[]) AS t(key, value)),
r AS MATERIALIZED (SELECT run_uuid FROM a WHERE NOT EXISTS (SELECT 1 FROM p JOIN params x
  ON x.key = p.key AND x.value <> p.value WHERE x.run_uuid = a.run_uuid)),
s AS MATERIALIZED (SELECT count(*) AS number FROM p JOIN params x ON x.key = p.key AND x.value = p.value
  JOIN r ON x.run_uuid = r.run_uuid),
i AS (INSERT INTO params (key, value, run_uuid) SELECT p.key, p.value, r.run_uuid FROM p, r ORDER BY p.key
  ON CONFLICT DO NOTHING RETURNING 1)"""
_BATCH_METRICS = f""",
m AS (INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid)
  SELECT t.*, r.run_uuid FROM unnest(%(keys)s::text[], %(values)s::float8[], %(timestamps)s::int8[], %(steps)s::int8[],
    %(nans)s::bool[]) AS t, r ON CONFLICT DO NOTHING),
l AS (INSERT INTO latest_metrics AS l (key, value, timestamp, step, is_nan, run_uuid)
  SELECT t.*, r.run_uuid FROM unnest(%(latest_keys)s::text[], %(latest_values)s::float8[],
    %(latest_timestamps)s::int8[], %(latest_steps)s::int8[], %(latest_nans)s::bool[]) AS t, r ORDER BY 1{_LATEST}"""
_BATCH_TAGS = """,
t AS (INSERT INTO tags (key, value, run_uuid)
  SELECT t.*, r.run_uuid FROM unnest(%(tag_keys)s::text[], %(tag_values)s::text[]) AS t, r ORDER BY 1
  ON CONFLICT (key, run_uuid) DO UPDATE SET value = EXCLUDED.value)"""


def log_batch(metrics: bool, params: bool, tags: bool) -> str:
    parts = [_BATCH_PARAMS if params else _ACTIVE, _BATCH_METRICS if metrics else "", _BATCH_TAGS if tags else ""]
    # Each parameter was written now, or was there with this value; what another writer wrote meanwhile is neither.
    answer = "1 / ((SELECT count(*) FROM i) + s.number = %(params)s)::int FROM r, s" if params else "1 FROM r"
    return f"WITH {''.join(parts)}\nSELECT {answer}"


# Where a slash and the rest make of the experiment's place what MLflow's rules make of it. Sent twice, it makes one
# run.
CREATE_RUN = """WITH e AS MATERIALIZED (SELECT experiment_id, artifact_location || %(folder)s::text AS place
  FROM experiments WHERE experiment_id = %(experiment)s::int4 AND lifecycle_stage = 'active'
  AND artifact_location ~ '^([a-z][a-z0-9+.-]*:/{1,3}|/)([A-Za-z0-9._-]+/)*[A-Za-z0-9._-]+$'),
i AS (INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,
    source_version, lifecycle_stage, artifact_uri, experiment_id)
  SELECT %(run)s::text, %(name)s::text, 'UNKNOWN', '', '', %(user)s::text, 'RUNNING', %(start)s::int8, '', 'active',
    place, experiment_id FROM e ON CONFLICT DO NOTHING),
t AS (INSERT INTO tags (key, value, run_uuid)
  SELECT t.*, %(run)s::text FROM unnest(%(tag_keys)s::text[], %(tag_values)s::text[]) AS t, e ON CONFLICT DO NOTHING)
SELECT place FROM e"""

_INFO = "run_uuid, name, experiment_id, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri"
# Without these MLflow cannot say what it did, and takes it back.
UPDATE_RUN = f"""WITH u AS (UPDATE runs SET status = coalesce(%(status)s::text, status),
    end_time = coalesce(%(end)s::int8, end_time), name = coalesce(%(name)s::text, name)
  WHERE run_uuid = %(run)s AND lifecycle_stage = 'active' AND coalesce(%(name)s::text, name, '') <> ''
  AND user_id IS NOT NULL AND start_time IS NOT NULL AND coalesce(%(status)s::text, status) IS NOT NULL
  AND experiment_id IS NOT NULL RETURNING {_INFO}),
t AS (INSERT INTO tags (key, value, run_uuid) SELECT 'mlflow.runName', %(name)s::text, run_uuid FROM u
  WHERE %(name)s::text IS NOT NULL ON CONFLICT (key, run_uuid) DO UPDATE SET value = EXCLUDED.value)
SELECT {_INFO} FROM u"""

# A value as text, because -0 is a whole number in JSON, which has no sign in Python.
_RUN = f"""{", ".join("r." + name for name in _INFO.split(", "))},
  (SELECT json_agg(json_build_array(key, value::text, timestamp, step, is_nan)) FROM latest_metrics x
   WHERE x.run_uuid = r.run_uuid)::text,
  (SELECT json_agg(json_build_array(key, value)) FROM params x WHERE x.run_uuid = r.run_uuid)::text,
  (SELECT json_agg(json_build_array(key, value)) FROM tags x WHERE x.run_uuid = r.run_uuid)::text,
  EXISTS (SELECT 1 FROM inputs x WHERE x.destination_type = 'RUN' AND x.destination_id = r.run_uuid)
  OR EXISTS (SELECT 1 FROM inputs x WHERE x.source_type IN ('RUN_INPUT', 'RUN_OUTPUT') AND x.source_id = r.run_uuid)"""

GET_RUN = f"SELECT {_RUN} FROM runs r WHERE r.run_uuid = %(run)s"

_EXPERIMENT_COLUMNS = (
    "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time, workspace"
)
_EXPERIMENT = f"""{", ".join("e." + name for name in _EXPERIMENT_COLUMNS.split(", "))},
  (SELECT json_agg(json_build_array(key, value)) FROM experiment_tags x
   WHERE x.experiment_id = e.experiment_id)::text"""

GET_EXPERIMENT = f"""SELECT {_EXPERIMENT} FROM experiments e
WHERE e.experiment_id = %(id)s::int4 AND e.lifecycle_stage IN ('active', 'deleted')"""
GET_EXPERIMENT_BY_NAME = f"""SELECT {_EXPERIMENT} FROM experiments e
WHERE e.name = %(name)s::text AND e.lifecycle_stage IN ('active', 'deleted') LIMIT 2"""

HISTORY = """SELECT value, timestamp, step, is_nan FROM metrics WHERE run_uuid = %(run)s::text AND key = %(key)s::text
ORDER BY timestamp, step, value OFFSET %(offset)s::int8 LIMIT %(limit)s::int8"""


def search_runs(found: str) -> str:
    """All of the runs of a statement that finds them, in its order."""
    return _in_order(found, "r", _INFO, _RUN)


def search_experiments(found: str) -> str:
    return _in_order(found, "e", _EXPERIMENT_COLUMNS, _EXPERIMENT)


def _in_order(found: str, name: str, columns: str, answer: str) -> str:
    return f"""WITH {name} AS MATERIALIZED (SELECT {columns}, row_number() OVER () AS place FROM ({found}) AS found)
SELECT {answer} FROM {name} ORDER BY {name}.place"""
