"""Bundles rendered as plain manifests, for clusters without the Operator Lifecycle Manager."""
