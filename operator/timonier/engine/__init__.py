"""The reconciling machinery that every capability stands on: cache, queue, apply, lease, events, metrics, health."""
