"""Typed bundles, ClusterServiceVersions, CRDs and file-based catalogs, loaded with positions."""
