"""Channels, edges and catalog templates."""
