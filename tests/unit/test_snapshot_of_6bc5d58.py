"""A snapshot that an earlier state of this collection wrote comes back, whatever has changed since."""

from __future__ import annotations

import base64
import contextlib
import io
import sqlite3
import tarfile
from pathlib import Path

from ansible_collections.mlops.mlflow.plugins.module_utils._engine.snapshot import restore, verify
from ansible_collections.mlops.mlflow.plugins.module_utils._engine.storage.cloud import Place

# A destination with one snapshot of 50 rows and two artifacts, written by commit 6bc5d58; tar, xz, base64.
DESTINATION = """
/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4E//B8ldADCcit6BjVSCqAWX8HL4tK/21mkzh1N36zOzCU1ZpGnx4ZehjkcMCdxSSQwN/xRpOGav5v
DImHDJrwSrsQhnMFi+301vMFp6Bscy8c9D2bdhqusPtk5eo+ofvgQBxHkmlR6j99E4lBglIRSYPlDIEy1w+wYW4lLdfzkjwxOQbegj1y1mkKGq
OjsZ2nKg8NiYY/uzAJoNGWeQALrGOYCPJOfq6paa5WggGMkArdnOaQFOsNYYVvbeORxb8Zfj5CniHRJRm5ixL2tXv+5jpUs3z00Qg303o6d5yP
NRXJRfxt5goH6Kec1VbxUWZdaELVGtnfyzo0wyD8shEfUQn2z4NYB/ZqTIsvvz5F4Sde2QvzMiEynvY9jBpEIw0kLnj6H455QGDYTG+u4A6ucB
EYRAgpjqG6g7hEAuaSmi/TGU2AAleYN3ZPtb/Cd9nQF1N2nqEcedM+swbUEOR6fOJjjcWz6WTG2XK1/s1ryqhZxlYs7Gvjn4EouVtFRXhYqRCu
BbUWDdfx2C6GGTSCw4SbWuoFHxGBHIL79D7e0a1t/tF9t+J/dqZnZhKkjELEpmkfUP0XMHbpb6GoufxL4FWe2gNWNlj71+GxkSP4AAgp660jU8
XA7Za/jJ/vkXxn+e+w2M0mvdTEVKajl5R6MT8/Qq3VJcLmcDyRy3t+f2KmSZyYXG61FGgmvNtu8vaxRnJfKcU0OeqbE6osHrv2kL+6INna65UP
bji2hXWzubzFSLiXJ4BO86A+8Copy3NmWyUGoO0fo2yU9ASxyV9v8Ro+xxp7QXRpbz0T5pu1uPGOg0hC17TMbp742qRb7vQt6aUEMdlbG4ONUb
pryPowIL/e8ixmrw+tHlGP0BkmV+tW/PgIuo+Nd3zgMd0KPztE42onLUQjCP+BNN5Pe2IAYA7Ou4zWWfGqbsSZRYDkmgzK2Ycf8YUUcWSR4wPv
HqMZRfR9QWoFYjOxhbUZqCvCGhhJhEmuoCXdTiafQfg1wdMB/So+XPYetBAQgv5UH6AuR6EeliaUWMeMKc8BjFAX6sBlmorxlMao8br1obK0H6
9+GDEW7j0fGtrWQ2NVR06NYFcONC14HyrUhdgOvyv8bKnbJhDM3jrFh1ID80QiKit5tFg4kL0HUnfQznkxOobVu5IhJotLhjrNSVr/D3GYevOo
uxKlbPUFIIJM9tYRgHGP9VOQT8qE3zz8Yed/o86sbNQy4FsblHtPTFSnW3OyfCc09ozkHs+TKzuA2Jda2xWsy6Uf7jTTPOXXvHjfutH5WHyekz
i/z3dBbgTVRSHWXm42YJ5GFl8FqsD+dncEcq1MvrGx1ZfWJyh5aYx0eM7XBik2BvbER2mBEURPawPxB8EwedBoxkIKNhpgXoQan27HdEh9p7mj
gzwNKsCXCagmrOMWZAwbyvsdUPGdg5N0OMRSNRa16fVw5rQmo6UcpL0pzxhcZGD9jHoOM+DJ5iRygprtOv49VztvEkb+g3JYxYUEherccqKB9o
9+NgCbsVK259XvEM6J2srwXo7qlkJJqXWMAU7/qPnxu29Q84tAWjFIObZeHjmeoG4GxK+LBWKsjBuTLeaavfVaTaZGr1jcdAm4kbi2ZXsUwoTd
AZXdw7C1S1GJL6+yp7pUrK2FFhp4uLruum3dZ58lYyEXurk9HzeRaSqELXq1aztfIlnsBdGDCKyWBBnXa9RDbusI/8QrAyDUjLQ5k+UwJqQhLx
ljk/DP4yp8EJ59Pa93rG5mgrnlgRKBfWDekCL+gSnqetOJGtwHfEJ/AahjPtnCT/2llpR/9+iRaJuKW4vEuI7kZ8nyoUJwVrt7huIyg94/pPUV
aDaLwZ3nPGFGY6NdMc112CUSaWoRTkEYGGG4DrrzOwHC5hEMdsXWKF3l2YuqsCim+GhEomQHgN7YTfhOXSH54n+ll9U85dQTJUC4PM3g7W/Bec
wksquU6uV8WUIfU3Pl+O0i/CZYYkshDRt5D4rVUjF1JD4v6eBL2GJp0TG12L2MI803evT7Xwn6AQy8qA8K4B9P+wuq5/Ir3UPCbanCCxuwltVc
N3a2SUcp/uLs3qnBnBtt2+M3iCGE+3lp5eMP8LrmJ2RwnFk52pzplFV0QMZTPzfwJiaXs8LHLBFRUp5f0v9HjGEkf1WE5JHa9jG0ISOa4rvBdt
6I/tkahPdzxF2JaCh461HJ3dV3bmOVcF0/prmytm6NGmH7beMwS5hahlgEps7IJ12qYmIfTJPF18baMubQwu2uJnZijSb1sZcWLgdyV5Srqssx
GGtDcrzfvIBKkBf5mOeDmpEQAphi0AGWE4/Ov9z9Llv53uzwsl611HzO4a2kRkKMYe/11VtT1suPJ08MOXqiGZ21tlL2pbWFyRyw+C0/j2VC45
rgBY1y3S+Q2aJW3s5Kg7m8t9DmfGtBbNDuNfzKtEAu8dSAAd1ufyouhISmnKhiUZpGhQTJCDiTJIJGFv+V9KzpLMIWXWVVvnAcq6b6P1sX52pK
bfP1NqHOluvdWXSgK+EpiAZyeEL3ZMlY/HlQlHXfqELsJ01q1O3rDrtznStswvFSbS9BESmoKA3YBH5Pq9jBrRnXbHYcy/fNINp3PrtEqD6HBq
hLq5iRfCImWGOFJAItgn68Q6yER1ykefVCVz5DYHN6Qhn369tCmCbatMDgAAAAAA9E+2xUsRPuYAAeUPgKABACcTtiqxxGf7AgAAAAAEWVo=
"""


def test_a_snapshot_of_6bc5d58_is_whole_and_is_restored(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(DESTINATION))) as archive:
        archive.extractall(tmp_path / "destination", filter="data")
    place, live = Place(str(tmp_path / "destination")), tmp_path / "live"
    live.mkdir()
    assert verify.verify(place, "latest").problems == []
    target = restore.Target(
        {"tracking": f"sqlite:///{live / 'mlflow.db'}"},
        artifacts=Place(str(live / "artifacts")),
        secrets={"flask-secret-key": b"s3cret"},
    )
    report = restore.run(place, "latest", target, restore.Options(journal_dir=str(tmp_path / "operator")))
    assert report.secrets == {"flask-secret-key": "same"}
    with contextlib.closing(sqlite3.connect(live / "mlflow.db")) as connection:
        assert connection.execute("SELECT count(*), sum(value) FROM metrics").fetchone() == (50, 1225.0)
    files = {str(path.relative_to(live / "artifacts")) for path in live.rglob("artifacts/**/*") if path.is_file()}
    assert files == {"0/ü/model", "0/empty"}
    assert (live / "artifacts/0/ü/model").read_bytes() == b"model"
