"""Catalog images and the OperatorHub listing."""
