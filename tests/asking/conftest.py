"""No test sees the user's own settings, key or cache."""

from __future__ import annotations

import pytest

from lester_duck.rewrite.asking import settings


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    for name in (settings.MODEL_VARIABLE, *settings.URL_VARIABLES, *settings.KEY_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
