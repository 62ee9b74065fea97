"""Programs that tests need, built before the first of them."""

import os

import pytest

from devcluster.components import programs_of
from devcluster.errors import UnavailableError
from devcluster.programs import find_programs
from devcluster.progress import Progress
from devcluster.spec import ClusterSpec

__all__ = ["build_before_tests"]


def build_before_tests(session: pytest.Session, spec: ClusterSpec) -> str:
    """Build where no test's timeout counts and the progress can be seen. Returns why it cannot be had, or nothing."""
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        progress = Progress()
        try:
            find_programs(programs_of(spec), os.environ, progress)
        except UnavailableError as error:
            return str(error)
        finally:
            progress.end()
    return ""
