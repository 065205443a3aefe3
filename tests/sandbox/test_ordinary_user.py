"""The same attacks against kernels of a user without any privilege."""

from __future__ import annotations

import pytest

from tests.sandbox.ordinary_user import run_as_user

pytestmark = pytest.mark.real  # kernels, started by a process of another user


def test_an_ordinary_users_kernels_are_as_closed_as_roots() -> None:
    try:
        seen = run_as_user("bubblewrap", "landlock")
    except FileNotFoundError as error:
        pytest.skip(f"cannot become an ordinary user here: {error}")
    for form, level in (("bubblewrap", "isolated"), ("landlock", "restricted")):
        one = seen[form]
        assert one["uid"] != 0
        assert one["level"] == level
        assert one["open"] == []
        assert one["found"] == {}
        assert one["tried"] > 60
        # Here the kernel counts a user's processes, so that a fork bomb meets a limit of its own.
        assert 0 < one["forked"] < 64
