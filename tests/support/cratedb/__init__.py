"""CrateDB in tests: what we ask of it (C(scenarios)), its recorded answers (C(recorded.json)), and who plays it back.

CrateDB's server is in no registry. C(record.py) has asked a real one; the stand-in answers our statements, no others.
"""
