"""Restore a snapshot into volumes. Nothing of theirs is touched before its data is known to be good."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from timonier.mover.instruction import Instruction
from timonier.mover.manifest import Contents, Manifest, contents, folder_manifest, name_of
from timonier.mover.outcome import MoverError, RestoreResult
from timonier.mover.repository import escaped, opened
from timonier.mover.restic import Restic
from timonier.mover.staging import State, Volume, flushing, needed
from timonier.mover.verdicts import verdict

__all__ = ["restore"]

_WHOLE_ID = 64
_IGNORED = re.compile("^ignoring error for ")


def restore(instruction: Instruction, restic: Restic) -> RestoreResult:
    """Replace the content of the target's volumes by the snapshot's."""
    return _straight(instruction, restic) or _listed_first(instruction, restic)


def _straight(instruction: Instruction, restic: Restic) -> RestoreResult | None:
    """Restore the one volume, to the `place` that it was backed up at, without a list of its files before.

    The list takes half a second, and its hash proves what came as well. None where there may be no room for so many
    `bytes` and `files`, or what came is not what it should be; everything is as it was then.
    """
    snapshot, expected = instruction.snapshot(), instruction.optional_text("manifestHash")
    place, size = instruction.optional_text("place"), instruction.optional_count("bytes")
    files = instruction.optional_count("files")
    if not expected or not place or size is None or files is None or len(snapshot) < _WHOLE_ID:
        return None
    volume = Volume(place, Path(place))
    volume.check()
    # An estimate, as folders are not counted: where it is wrong, the disk gets full, and that is undone.
    if volume.staging.exists() or not volume.has_room_for(size, 2 * files + 1000):
        return None
    exchange = _Exchange(restic, snapshot)
    if not exchange.staged_beside(volume):
        return None
    found = folder_manifest(bytes(volume.restored), name_of(place)) if volume.restored.is_dir() else None
    if found is None or found.hash != expected:
        volume.discard()
        return None
    _swap({volume: volume.complete(snapshot)})
    return RestoreResult(snapshot, found.bytes, found.files, found.hash, in_place=False)


def _listed_first(instruction: Instruction, restic: Restic) -> RestoreResult:
    held = contents(restic, instruction.snapshot(), opening=restic.patience)
    expected = instruction.optional_text("manifestHash")
    if expected and expected != held.hash:
        raise MoverError(
            "Mismatch",
            f"Snapshot {held.snapshot} has other files than the backup that it should be; nothing was touched.",
        )
    volumes = list(_volumes(held, Path(instruction.text("target")), instruction.mapping("folders")))
    for volume, _ in volumes:
        volume.check()
    exchange = _Exchange(restic, held.snapshot)
    in_place = exchange.run(volumes)
    return RestoreResult(held.snapshot, held.bytes, held.files, held.hash, in_place)


class _Exchange:
    """The restore of one snapshot: every volume staged, proven and only then exchanged."""

    def __init__(self, restic: Restic, snapshot: str) -> None:
        self._restic = restic
        self._snapshot = snapshot

    def run(self, volumes: Sequence[tuple[Volume, Manifest]]) -> bool:
        """True when there was no room for old and new data side by side."""
        states = {volume: volume.settle(self._snapshot) for volume, _ in volumes}
        ready = {volume: state for volume, state in states.items() if state and state.phase != "Proven"}
        waiting = [(volume, manifest) for volume, manifest in volumes if volume not in ready]
        proven = [volume for volume, state in states.items() if state and state.phase == "Proven"]
        roomy = self._roomy([pair for pair in waiting if pair[0] not in proven])
        tight = [pair for pair in waiting if pair[0] not in roomy]
        for volume, manifest in tight:
            if not volume.could_hold(manifest):
                raise MoverError(
                    "NoSpace",
                    f"{volume.target} is too small: {needed(manifest.bytes, len(manifest.lines))} bytes are needed.",
                )
        for volume, manifest in waiting:
            if volume in roomy and not self.staged_beside(volume, manifest):
                tight.append((volume, manifest))
        self._prove(volume for volume, _ in tight if volume not in proven)
        for volume, manifest in tight:
            volume.give_way(self._snapshot)
            self._stage(volume, manifest)
        staged = {volume: ready.get(volume) or volume.complete(self._snapshot) for volume, _ in volumes}
        _swap(staged)
        return bool(tight)

    def _roomy(self, waiting: Sequence[tuple[Volume, Manifest]]) -> set[Volume]:
        # Volumes may share a file system, as folders of a node do: each takes its part of what is free.
        claimed: dict[int, int] = {}
        roomy = set()
        for volume, manifest in waiting:
            device = volume.target.stat().st_dev
            if volume.has_room_for(manifest.bytes, len(manifest.lines), claimed.get(device, 0)):
                roomy.add(volume)
                claimed[device] = claimed.get(device, 0) + needed(manifest.bytes, len(manifest.lines))
        return roomy

    def staged_beside(self, volume: Volume, manifest: Manifest | None = None) -> bool:
        """False when there was not enough room after all; the volume is as it was then.

        Without a manifest, nobody has looked at what came yet.
        """
        try:
            volume.enter("Staging", self._snapshot)
            self._stage(volume, manifest)
        except MoverError as error:
            volume.discard()
            if error.code != "NoSpace":
                raise
            return False
        return True

    def _stage(self, volume: Volume, manifest: Manifest | None) -> None:
        arguments = [self._snapshot, "--target", str(volume.new), "--include", escaped(volume.source)]
        with flushing(volume.target), self._restic.start("restore", *arguments) as process:
            process.on_complaint = _complaint
            if manifest is None:
                opened(self._restic, process.stdout, self._restic.patience)
            process.stdout.read()
            process.finish()
        if manifest is None:
            return
        found = folder_manifest(bytes(volume.restored), name_of(volume.source))
        if found.hash != manifest.hash:
            odd = next(iter(sorted(set(found.lines) ^ set(manifest.lines))))
            raise MoverError("Mismatch", f"What was restored for {volume.target} is not what the snapshot has: {odd}.")

    def _prove(self, volumes: Iterator[Volume]) -> None:
        for volume in volumes:
            self._restic.discard("dump", "--archive", "tar", self._snapshot, volume.source)


def _swap(staged: dict[Volume, State]) -> None:
    try:
        emptied = {volume: volume.empty(state) for volume, state in staged.items()}
    except PermissionError as error:
        for volume in staged:
            volume.take_back()
            volume.discard()
        raise MoverError(
            "PermissionDenied", f"{error.filename} may not be moved; the volumes are as they were."
        ) from error
    for volume, state in emptied.items():
        volume.fill(state)


def _volumes(held: Contents, target: Path, folders: dict[str, str]) -> Iterator[tuple[Volume, Manifest]]:
    """Where each path of the snapshot goes: as `folders` says, else to the folder of its name in the target."""
    for source, manifest in held.parts:
        if source in folders:
            place = Path(folders[source])
        else:
            place = target if Path(source) == target else target / name_of(source)
        yield Volume(source, place), manifest


def _complaint(line: str) -> MoverError | None:
    # restic goes on with the next file, and says only at its end that something is missing.
    return verdict(1, [line]) if _IGNORED.match(line) else None
