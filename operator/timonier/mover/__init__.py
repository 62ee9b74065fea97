"""What moves data between volumes and stores: restic behind one instruction and one result, both JSON.

It runs in pods of its own image, where there is Python's standard library and restic and nothing else, so it imports
nothing of the operator and the operator nothing of it. `python3 -m timonier.mover` does the task in $TIMONIER_TASK and
leaves what came of it in /dev/termination-log ($TIMONIER_RESULT). It may be killed at any instant and run again.
"""
