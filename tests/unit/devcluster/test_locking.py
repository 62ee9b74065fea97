import queue
import threading
from pathlib import Path

from devcluster.locking import exclusive, exclusive_folder


def test_the_second_waits_for_the_first(tmp_path: Path) -> None:
    events: queue.Queue[str] = queue.Queue()

    def other() -> None:  # flock(2) locks belong to an open file, so a thread stands for a process here
        with exclusive(tmp_path / "lock", lambda: events.put("waits")):
            events.put("holds")

    with exclusive(tmp_path / "lock", lambda: events.put("must not wait")):
        thread = threading.Thread(target=other)
        thread.start()
        assert events.get(timeout=20) == "waits"
        assert events.empty()
    assert events.get(timeout=20) == "holds"
    thread.join(20)


def test_a_folder_is_its_own_lock_and_may_be_removed_under_it(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    with exclusive_folder(folder, lambda: None):
        folder.rmdir()
    assert not folder.exists()
    with exclusive_folder(folder, lambda: None):
        assert list(folder.iterdir()) == []
